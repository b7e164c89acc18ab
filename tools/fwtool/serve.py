"""`fwtool serve`: an HTTP server for a folder, with Range, for trying updates."""

import contextlib
import os
import socket

import rich_click as click

from fwtool.exits import DEVICE, Failure


def application(folder):
    """ASGI application that serves the public files of a folder; Range and HEAD included."""
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.staticfiles import StaticFiles

    class PublicFiles(StaticFiles):
        def lookup_path(self, path):
            full, about = super().lookup_path(path)
            inside = os.path.relpath(full, os.path.realpath(folder)) if about else path
            return (full, about) if about and is_public(inside, about.st_mode) else ("", None)

    return Starlette(routes=[Mount("/", PublicFiles(directory=folder))])


def is_public(path, mode):
    """False for what must not leave: keys, hidden files, what only its owner may read.

    path:  relative to the folder served, links resolved
    mode:  st_mode of the file
    """
    hidden = any(part.startswith(".") for part in path.split(os.sep))
    return not hidden and not path.lower().endswith(".pem") and bool(mode & 0o077)


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
