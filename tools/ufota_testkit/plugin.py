"""The pytest plugin: fixtures to test the update of an application. docs/TESTING.md shows them.

Nothing of fwtool is imported before a fixture is used.
"""

import sys

import pytest

INTERPRETERS = ("micropython", "cpython")


def pytest_configure(config):
    config.addinivalue_line(
        "markers",
        "board(name, stand_ins=folder): layout of the board, a name in boards/ or a layout file; "
        "and modules in the place of what only hardware has",
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """What failed in a loop over power cuts says which cut that was."""
    outcome = yield
    device = sys.modules.get("ufota_testkit.device")  # not there: no board of ours either
    board = (getattr(item, "funcargs", None) or {}).get("board")
    cut = board.cut if device and isinstance(board, device.Device) else None
    if cut and call.excinfo:
        alone = f"\nalone: with cut_at({cut.number}, {cut.tear!r}): ..." if cut.number else ""
        outcome.get_result().sections.append(("power cut", f"{cut}{alone}"))


@pytest.fixture(scope="session")
def ufota_lab(tmp_path_factory):
    """What boards of a session share: a maker's key, compiled modules."""
    from ufota_testkit.fixtures import Lab

    return Lab(tmp_path_factory)


@pytest.fixture(params=INTERPRETERS)
def board(request, ufota_lab, tmp_path_factory):
    """A Device, on each interpreter: blank until board.program(release).

    A mark `board(name)` chooses its layout; else it is that of the virtual board.
    """
    from ufota_testkit import fixtures

    with fixtures.one_sentence():
        made = ufota_lab.device(request, tmp_path_factory.mktemp("board") / "board")
    return made


@pytest.fixture
def release(request, board, ufota_lab):
    """release(folder, version): a signed Release of the application in a folder.

    folder:  seen from pytest's root folder
    """
    from ufota_testkit import fixtures

    def make(folder, version):
        with fixtures.one_sentence():
            path = request.config.rootpath / folder
            return ufota_lab.maker.release(board.layout, path, version)

    return make


@pytest.fixture
def server(tmp_path_factory):
    """server(release, faults=()): address of a bundle on a server that is `fwtool serve`.

    faults:  as its --fault has them: ["cut:1000x2", "status:503x1"]
    """
    from ufota_testkit import fixtures

    with fixtures.Servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers.serve


@pytest.fixture
def every_cut(board):
    """for cut in every_cut(act, *args, tears=..., step=1): see cuts.every_cut."""
    from ufota_testkit import cuts

    waiting = set()  # sweeps that were made and have not begun

    def sweep(act, *args, **options):
        key = object()
        waiting.add(key)
        return begun(key, act, *args, **options)

    def begun(key, *args, **options):
        waiting.discard(key)
        yield from cuts.every_cut(board, *args, **options)

    yield sweep
    if waiting:
        pytest.fail("every_cut() does nothing alone: for cut in every_cut(...)", pytrace=False)


@pytest.fixture
def cut_at(board):
    """with cut_at(number, tear="nothing"): power goes in that operation. See Device.cut_at."""
    return board.cut_at


@pytest.fixture
def assert_boots(board):
    """assert_boots(version, says=None): the board starts and keeps this version."""
    return board.assert_boots
