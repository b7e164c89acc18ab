"""What is behind the fixtures of plugin.py: one laboratory a session, servers of one test."""

import contextlib

import pytest

from fwcore.errors import FwError
from fwtool import refusals
from fwtool.exits import Failure
from fwtool.server import serve, serve_faults, threaded
from ufota_testkit import interpreters
from ufota_testkit.device import Device, layout_of
from ufota_testkit.releases import Maker


@contextlib.contextmanager
def one_sentence():
    """What fwtool refuses fails the test by one sentence, without a traceback."""
    try:
        yield
    except (Failure, FwError, OSError, UnicodeError) as error:
        raise pytest.fail.Exception(str(refusals.failure(error)), pytrace=False) from None


class Lab:
    """What all boards of a session share.

    maker:  Maker of all releases
    """

    def __init__(self, tmp_path_factory):
        self.maker = Maker()
        self._folders = tmp_path_factory
        self._code = None

    def device(self, request, folder):
        """The Device a test asks for. Raises Failure, FwError."""
        mark = request.node.get_closest_marker("board")
        try:
            name, stand_ins = _marked(*mark.args, **mark.kwargs) if mark else _marked()
        except TypeError:
            raise Failure("a mark `board` has a name and stand_ins, and nothing else") from None
        if stand_ins is not None:
            stand_ins = _folder(request.config.rootpath / stand_ins)
        if request.param == "micropython":
            made_of = interpreters.micropython(self._compiled(), stand_ins)
        else:
            made_of = interpreters.cpython(stand_ins)
        return Device(folder, layout_of(name, request.config.rootpath), self.maker, made_of)

    def _compiled(self):
        if self._code is None:
            code = self._folders.mktemp("code")
            interpreters.compile_all(code)
            self._code = code
        return self._code


def _folder(path):
    if not path.is_dir():
        raise Failure(f"{path} is not a folder")
    return path


def _marked(name="virtual", stand_ins=None):
    """The arguments of the mark `board`."""
    return name, stand_ins


class Servers:
    """`fwtool serve`, as often as a test asks for it; each ends with `with`."""

    def __init__(self, folder):
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self._count = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def serve(self, release, faults=()):
        """Address of a release, from a server with these faults."""
        with one_sentence():
            texts = [faults] if isinstance(faults, str) else faults
            spoilt = [_fault(text) for text in texts]
        self._count += 1
        folder = self._folder / f"server{self._count}"
        folder.mkdir()
        (folder / "app.fw").write_bytes(release.bundle)
        application = serve.application(str(folder), lambda line: None)
        if spoilt:
            application = serve_faults.Faulty(application, spoilt)
        return self._stack.enter_context(threaded.Server(application)).url + "app.fw"


def _fault(text):
    try:
        return serve_faults.read(text)
    except ValueError as error:
        raise Failure(str(error)) from None
