"""`fwtool serve`: an HTTP server for a folder, with Range, for trying updates.

A device tells in its request what came of its last update (FORMATS.md). An image that it
will not take whatever is done is gone for it: 410, as far as that request goes.
"""

import contextlib
import os
import re
import socket
from typing import NamedTuple

import rich_click as click

from fwcore import boot_errors, errors, manifest
from fwcore.errors import FwError
from fwtool.exits import DEVICE, Failure

RESULT_HEADER = "ufota-result"
_RESULT = re.compile(r"(reverted|refused) (\d{1,5}) ([\d.]{1,20}) ([0-9a-f]{16})")
# Reasons that lie in the device or its storage: the same image may work the next time.
_DEVICE_FAULTS = (boot_errors.INSTALL_FAILED, errors.CORRUPT)
# Reasons for which a boot stage refuses an image every time.
_FINAL = (errors.BAD_SIGNATURE, errors.TOO_BIG, boot_errors.BELOW_FLOOR, boot_errors.BLACK_LISTED)


class Result(NamedTuple):
    """What a device says of its last update."""

    word: str  # reverted or refused
    reason: int
    version: str
    digest: str  # the first 16 hex digits

    @property
    def is_final(self):
        """True when it would end in the same way again."""
        if self.word == "reverted":
            return self.reason not in _DEVICE_FAULTS
        return self.reason in _FINAL


def application(folder):
    """ASGI application that serves the public files of a folder; Range and HEAD included."""
    from starlette.applications import Starlette
    from starlette.datastructures import Headers
    from starlette.responses import Response
    from starlette.routing import Mount
    from starlette.staticfiles import StaticFiles

    class PublicFiles(StaticFiles):
        def lookup_path(self, path):
            full, about = super().lookup_path(path)
            inside = os.path.relpath(full, os.path.realpath(folder)) if about else path
            return (full, about) if about and is_public(inside, about.st_mode) else ("", None)

        def file_response(self, full_path, stat_result, scope, status_code=200):
            result = read_result(Headers(scope=scope).get(RESULT_HEADER, ""))
            digest = result and installed_digest(full_path)
            if digest:
                click.echo(f"{scope['client'][0]}: {' '.join(map(str, result))}")
                if result.is_final and digest.hex().startswith(result.digest):
                    return Response(status_code=410)
            return super().file_response(full_path, stat_result, scope, status_code)

    return Starlette(routes=[Mount("/", PublicFiles(directory=folder))])


def is_public(path, mode):
    """False for what must not leave: keys, hidden files, what only its owner may read.

    path:  relative to the folder served, links resolved
    mode:  st_mode of the file
    """
    hidden = any(part.startswith(".") for part in path.split(os.sep))
    return not hidden and not path.lower().endswith(".pem") and bool(mode & 0o077)


def read_result(text):
    """Value of the request header -> Result, or None when it is not what FORMATS.md says."""
    found = _RESULT.fullmatch(text)
    return Result(found[1], int(found[2]), found[3], found[4]) if found else None


def installed_digest(path):
    """Digest of the image that a manifest or a bundle brings; None for any other file."""
    with open(path, "rb") as file:
        start = file.read(manifest.MAX_SIZE)
    try:
        formats = (manifest.RAW, manifest.ARM_DELTA)
        return manifest.read(start, lambda digest, signature: True, formats).installed_digest
    except FwError:
        return None


def listen(host, port):
    """A listening socket; port 0 takes any free one. Raises Failure."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Failure(f"cannot listen on {host} port {port}: {reason}", DEVICE) from None


@click.command()
@click.argument("folder", default=".")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option("--quiet", is_flag=True, help="No line for each request.")
def serve(folder, host, port, quiet):
    """Serve FOLDER over HTTP until interrupted.

    The first line printed is the address. Plain HTTP is enough for signed updates; it is
    not meant for the open Internet. Not served are .pem files, names that begin with a
    dot, and files that only their owner may read.

    What a device says of its last update is printed; an image it has rejected for good is
    answered with 410 Gone.
    """
    import uvicorn

    if not os.path.isdir(folder):
        raise Failure(f"{folder} is not a folder")
    listener = listen(host, port)
    name = f"[{host}]" if ":" in host else host
    click.echo(f"http://{name}:{listener.getsockname()[1]}/")
    config = uvicorn.Config(
        application(folder),
        log_level="warning" if quiet else "info",
        use_colors=False if os.environ.get("NO_COLOR") else None,  # None: on a terminal only
    )
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how it ends
        uvicorn.Server(config).run(sockets=[listener])
