"""The application behind `fwtool serve`: files, the newest for a class of devices, an index.

    GET /                            what is there, JSON
    GET /FILE                        a public file of the folder
    GET /class/CLASS-ID/newest.fw    the newest bundle or manifest for these devices; a patch
                                     for one that says it runs the image it is for
        ?component=NAME              for this component; default MAIN
        ?vendor=VENDOR-ID            only of this vendor
    GET /class/CLASS-ID/NAME         the payload of this name in a manifest of this class

Range, If-Range and conditional requests are answered for files; ETags are of the contents.
An image that a device has rejected for good is gone for that device: a request for its file
is answered with 410; a class address gives the newest of the others, and 410 only when there
are none.
"""

import os
import time
import uuid

import rich_click as click
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import NotModifiedResponse, StaticFiles

from fwcore.manifest import version_text
from fwtool.server import serve_folder, serve_results
from fwtool.signing import manifests

NEWEST = "newest.fw"
_VARY = "Ufota-Image, Ufota-Result"  # what else the answer at a class address depends on


def application(folder, tell=click.echo):
    """ASGI application that serves the public files of a folder.

    tell(line):  called with what devices report of their last update
    """
    files = PublicFiles(folder, tell)
    routes = [
        Route("/", files.index),
        Route("/class/{class_id:uuid}/" + NEWEST, files.newest),
        Route("/class/{class_id:uuid}/{name:path}", files.payload),
        Mount("/", files),
    ]
    made = Starlette(routes=routes)
    made.router.redirect_slashes = False  # it fails on a query that is no UTF-8
    return made


class PublicFiles(StaticFiles):
    def __init__(self, folder, tell):
        super().__init__(directory=folder)
        self._tell = tell

    def lookup_path(self, path):
        full, about = super().lookup_path(path)
        root = os.path.realpath(self.directory)
        inside = os.path.relpath(full, root) if about else path
        good = about and serve_folder.is_public(inside, about.st_mode)
        if good and os.path.isfile(full):
            good = not serve_folder.secret(full, about)
        return (full, about) if good else ("", None)

    async def get_response(self, path, scope):
        response = await super().get_response(path, scope)
        if isinstance(response, FileResponse):
            return await run_sync(self._judged, response, scope)
        return response

    def file_response(self, full_path, stat_result, scope, status_code=200):
        return FileResponse(full_path, stat_result=stat_result)

    def _judged(self, response, scope):
        """The answer for a file: itself, 410 for one that was rejected, or 304."""
        asked = Headers(scope=scope)
        result = serve_results.read(asked.get(serve_results.HEADER, ""))
        found = serve_folder.read_manifest(response.path, response.stat_result)
        if result and found:
            self._tell(f"{scope['client'][0]}: {result}")
            if result.rejects(found.installed_digest):
                return Response(status_code=410)
        digest = serve_folder.digest(response.path, response.stat_result)
        response.headers["etag"] = f'"{digest[:32]}"'
        if self.is_not_modified(response.headers, asked):
            return NotModifiedResponse(response.headers)
        return response

    async def newest(self, request):
        """The newest for a class that this device has not rejected."""
        class_id = request.path_params["class_id"]
        component = request.query_params.get("component", manifests.COMPONENT)
        vendor = _uuid(request.query_params.get("vendor"))
        image = serve_results.read_image(request.headers.get(serve_results.IMAGE, ""))
        asked = class_id, component, vendor, image
        fitting = await run_sync(serve_folder.newest_first, self.directory, *asked)
        if not fitting:
            raise HTTPException(404, headers={"vary": _VARY})
        result = serve_results.read(request.headers.get(serve_results.HEADER, ""))
        for entry in fitting:
            if not (result and result.rejects(entry.found.installed_digest)):
                break
        else:
            entry = fitting[0]  # and so 410
        response = await self.get_response(entry.path, request.scope)
        response.headers["cache-control"] = "no-cache"  # a newer one may come at any time
        response.headers["vary"] = _VARY
        return response

    async def payload(self, request):
        """What a manifest of this class names as its payload."""
        asked = request.path_params["class_id"], request.path_params["name"]
        path = await run_sync(serve_folder.payload_path, self.directory, *asked)
        if path is None:
            raise HTTPException(404)
        return await self.get_response(path, request.scope)

    async def index(self, request):
        entries = await run_sync(serve_folder.entries, self.directory)
        about = {"classes": newest_of_each(entries), "files": [_row(entry) for entry in entries]}
        return IndexResponse(about)


class IndexResponse(JSONResponse):
    """JSON that people can read too."""

    def render(self, content):
        import json

        return json.dumps(content, indent=2).encode() + b"\n"


def newest_of_each(entries):
    """List of {class_id, component, version, file, address}: one row a class and component."""
    newest = {}
    for entry in entries:
        if entry.is_offered:
            kind = entry.found.class_id, entry.found.component
            if kind not in newest or entry.found.version > newest[kind].found.version:
                newest[kind] = entry
    return [_class_row(entry) for _, entry in sorted(newest.items())]


def _class_row(entry):
    found = entry.found
    query = "" if found.component == manifests.COMPONENT else f"?component={found.component}"
    return {
        "class_id": str(uuid.UUID(bytes=found.class_id)),
        "component": found.component,
        "version": version_text(found.version),
        "file": entry.path,
        "address": f"/class/{found.class_id.hex()}/{NEWEST}{query}",
    }


def _row(entry):
    row = {"file": entry.path, "size": entry.size}
    if entry.found:
        row["offered"] = entry.is_offered
        row["manifest"] = manifests.rows(entry.found)
    return row


def _uuid(text):
    """uuid.UUID, or None when it was not given. Raises HTTPException 404."""
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        raise HTTPException(404) from None


def logged(application, write):
    """The application, with one call of write(line) a request: who, what, status, bytes, seconds.

    The bytes are those of the body that went to the network, whether or not they arrived.
    """

    async def answer(scope, receive, send):
        if scope["type"] != "http":
            return await application(scope, receive, send)
        began = time.monotonic()
        status = count = 0

        async def counting(message):
            nonlocal status, count
            await send(message)
            status = message.get("status", status)
            if scope["method"] != "HEAD":
                count += len(message.get("body", b""))

        try:
            await application(scope, receive, counting)
        finally:
            seconds = time.monotonic() - began
            write(f"{_asked(scope)} {status or '-'} {count} {seconds:.3f}")

    return answer


def _asked(scope):
    """ "ADDRESS METHOD PATH?QUERY", with nothing in it that a terminal would act on."""
    client = (scope["client"] or ["-"])[0]
    path = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    shown = "".join(chr(byte) if 0x21 <= byte <= 0x7E else "?" for byte in path)
    return f"{client} {scope['method']} {shown}"
