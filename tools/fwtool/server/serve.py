"""`fwtool serve`: an HTTP server for makers, to try updates and for small fleets.

The command only: serve_app.py answers the requests, serve_folder.py chooses the files.
"""

import contextlib
import os
import socket
import ssl
import time

import rich_click as click

from fwtool import files
from fwtool.exits import DEVICE, REFUSED, Failure
from fwtool.server import serve_faults, serve_results

RESULT_HEADER = serve_results.HEADER
_MAX_PEM = 1 << 20
_GRACE_S = 2  # for answers under way when it is interrupted


class FaultText(click.ParamType):
    name = "KIND:WHERE"

    def convert(self, value, param, ctx):
        try:
            return serve_faults.read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def application(folder, tell=click.echo):
    """serve_app.application(), which takes a while to import."""
    from fwtool.server import serve_app

    return serve_app.application(folder, tell)


def listen(host, port):
    """A listening socket; port 0 takes any free one. Raises Failure."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Failure(f"cannot listen on {host} port {port}: {reason}", DEVICE) from None


class Log:
    """Lines with the time in front, in a file; and without it on stdout.

    path:   None for no file; raises Failure when it cannot be written, or has a secret in it
    quiet:  True keeps requests off stdout; results that devices report are shown all the same
    """

    def __init__(self, path, quiet):
        self._quiet = quiet
        self._file = None
        if path:
            try:
                files.keep_secret(path)
                self._file = open(path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115
            except OSError as error:
                raise Failure(f"cannot write {path}: {error.strerror}") from None

    def tell(self, line):
        self._keep(line, False)

    def request(self, line):
        self._keep(line, self._quiet)

    def _keep(self, line, quiet):
        line = files.plain(line)
        if not quiet:
            click.echo(line)
        if self._file:
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            self._file.write(f"{now} {line}\n")


@click.command()
@click.argument("folder", default=".")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option("--quiet", is_flag=True, help="No line for each request.")
@click.option("--log", metavar="FILE", help="Append a line for each request, with the time.")
@click.option("--certificate", metavar="PEM", help="Serve https; the chain, the server's first.")
@click.option("--key", metavar="PEM", help="Private key of --certificate, if it is not in there.")
@click.option(
    "--fault",
    "faults",
    type=FaultText(),
    multiple=True,
    help="For tests: cut:BYTES, stall:BYTES, corrupt:BYTE, status:CODE; "
    "with xTIMES behind it only so often. The first that has times left is used.",
)
@click.option("--faults", "by_address", is_flag=True, help="Obey ?fault=KIND:WHERE in addresses.")
def serve(folder, host, port, quiet, log, certificate, key, faults, by_address):
    """Serve FOLDER over HTTP until interrupted.

    The first line printed is the address. / lists what is there, as JSON. Devices of a
    class find their newest bundle, or manifest, at /class/CLASS-ID/newest.fw; these
    addresses are printed next.

    Plain HTTP is enough for signed updates; it is not meant for the open Internet. Not
    served are .pem and .key files, names that begin with a dot, and files that only
    their owner may read; nor a file with a private key or an identity in it, whatever its name.

    Of the newest version a device gets the smallest patch for the image it says it runs
    (`fwtool bundle --from`), else what is for all of its class, smallest first.

    What a device reports of its last update is printed. An image it has rejected for good is
    answered with 410 Gone; at a class address it gets the newest of the others.

    A line for each request: address, method, path, status, bytes of the body, seconds.
    """
    if not os.path.isdir(folder):
        raise Failure(f"{folder} is not a folder")
    if key and not certificate:
        raise click.UsageError("--key needs --certificate")
    for path in (log, key or certificate):
        keep_out(folder, path)
    check_certificate(certificate, key)
    lines = Log(log, quiet)
    listener = listen(host, port)
    name = f"[{host}]" if ":" in host else host
    scheme = "https" if certificate else "http"
    url = f"{scheme}://{name}:{listener.getsockname()[1]}"
    click.echo(f"{url}/")
    if not quiet:
        _show_classes(folder, url)
    _show_kept_back(folder)
    _show_faults(faults, by_address)
    app = _spoilt(application(folder, lines.tell), faults, by_address)
    run(app, lines, listener, "critical" if faults or by_address else "warning", certificate, key)


def keep_out(folder, path):
    """Refuse a file that would be served to everybody. Raises Failure."""
    if path:
        root = os.path.realpath(folder)
        if os.path.commonpath((root, os.path.realpath(path))) == root:
            raise Failure(f"{path} lies in the folder that is served", REFUSED)


def check_certificate(certificate, key):
    """Raises Failure when they are not a chain in PEM and its key."""
    if certificate:
        for path in (certificate, key or certificate):
            files.read(path, _MAX_PEM)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        except ssl.SSLError as error:
            reason = error.reason or "no certificate, or no private key"
            raise Failure(f"{certificate}, {key or certificate}: {reason}") from None


def _show_classes(folder, url):
    from fwtool.server import serve_app, serve_folder

    for row in serve_app.newest_of_each(serve_folder.entries(folder)):
        name = files.plain(row["file"])
        click.echo(f"{name}, version {row['version']}: {url}{row['address']}")


def _show_kept_back(folder):
    from fwtool.server import serve_folder

    for path, what in serve_folder.kept_back(folder):
        text = files.plain(f"NOT SERVED: {path} has {what} in it")
        click.secho(text, err=True, fg="red", bold=True)


def _show_faults(faults, by_address):
    for fault in faults:
        click.secho(f"FAULT: {fault}", err=True, fg="red", bold=True)
    if by_address:
        click.secho("FAULTS: who asks says which, ?fault=", err=True, fg="red", bold=True)


def _spoilt(app, faults, by_address):
    return serve_faults.Faulty(app, faults, by_address) if faults or by_address else app


def run(app, lines, listener, log_level, certificate, key):
    """Answer until interrupted."""
    import uvicorn

    from fwtool.server import serve_app

    config = uvicorn.Config(
        serve_app.logged(app, lines.request),
        log_level=log_level,
        proxy_headers=False,  # an address out of a header is whatever somebody wrote there
        ssl_certfile=certificate,
        ssl_keyfile=key,
        timeout_graceful_shutdown=_GRACE_S,
        use_colors=False if os.environ.get("NO_COLOR") else None,  # None: on a terminal only
    )
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how it ends
        uvicorn.Server(config).run(sockets=[listener])
