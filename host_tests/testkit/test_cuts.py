"""Power cuts of a board under test: what every_cut() leaves is what a real cut leaves."""

import pytest

from ufota_testkit.simdisk import ALL

TEARS = [tear for tear in ALL if tear != "moody"]
LONG = (
    "test_a_cut_leaves_what_the_sweep_leaves[micropython-NUCLEO_F429ZI]",
    "test_a_cut_leaves_what_the_sweep_leaves[cpython-NUCLEO_F429ZI]",
)
# Layout and every how many operations: swap has hundreds; direct; overwrite, from a card.
SWEEPS = [("virtual", 41), ("RPI_PICO_W", 5), ("NUCLEO_F429ZI", 11)]
CONFIRMS = """
from board import Board
from ufota.trial import confirm

confirm(Board())
"""
KEEPS = """
with open("/user/kept", "w") as file:
    file.write("kept")
"""


@pytest.fixture
def application(board, release, tmp_path):
    """application(text): a release of it is on the board."""

    def make(text, version="1.0.0"):
        folder = tmp_path / f"app{version}"
        folder.mkdir(exist_ok=True)
        (folder / "main.py").write_text(text)
        return release(folder, version)

    return make


def chips(board):
    return {path.name: path.read_bytes() for path in board.folder.glob("*.bin")}


@pytest.mark.parametrize(
    "step", [pytest.param(step, marks=pytest.mark.board(name), id=name) for name, step in SWEEPS]
)
def test_a_cut_leaves_what_the_sweep_leaves(step, board, application, server, cut_at, every_cut):
    # No file is written: LittleFS keeps the time of that, which is another one in each run.
    board.program(application(CONFIRMS))
    board.start()
    board.update(server(application(CONFIRMS + "print(2)\n", "2.0.0")))
    before = chips(board)
    swept = {}
    for cut in every_cut(board.start, tears=TEARS, step=step):
        if cut.number:
            swept[cut.number, cut.tear] = chips(board)
    assert len(swept) == -(-cut.of // step) * len(TEARS) > 2 * len(TEARS)
    for (number, tear), found in sorted(swept.items())[:: len(TEARS) + 1]:
        for chip, data in before.items():
            (board.folder / chip).write_bytes(data)
        with cut_at(number, tear):
            board.start()
        assert chips(board) == found, (number, tear)


def test_power_that_went_stays_away(board, application, cut_at):
    text = """
try:
    with open("/user/kept", "w") as file:
        file.write("kept")
except BaseException:
    print("an exception")
finally:
    print("the end")
"""
    board.program(application(text))
    with cut_at(1):
        board.start()
    assert board.lines[-1] == ""
    assert board.read("/user/kept") is None


def test_operations_are_counted_through_resets(board, application, cut_at):
    text = """
import os, machine
if len(os.listdir("/user")) < 4:
    open("/user/" + str(len(os.listdir("/user"))), "w").close()
    machine.reset()
"""
    board.program(application(text))
    board.count_from_here()
    board.start()
    count = len(board.operations())
    board.program(application(text))
    before = len(board.operations())
    with cut_at(count, "half"):
        board.start()
    assert len(board.operations()) == before + count
    with pytest.raises(AssertionError, match="there were only 0 operations"), cut_at(1):
        board.start()


def test_a_board_that_writes_nothing_cannot_be_swept(board, application, every_cut):
    board.program(application("print('idle')"))
    with pytest.raises(AssertionError, match="nothing was written"):
        next(every_cut(board.start))
    assert board.lines[-1] == "idle"


def test_the_first_of_a_sweep_is_without_a_cut(board, application, every_cut):
    board.program(application(KEEPS))
    sweep = every_cut(board.start, tears=["whole"])
    assert next(sweep).number == 0 and board.read("/user/kept") == b"kept"
    assert next(sweep).number == 1 and not board.read("/user/kept")


def test_flash_that_is_programmed_twice_fails_the_test(board, application):
    text = """
from board import Board
Board().device("flash").writeblocks(16, bytes(256), 0)
"""
    board.program(application(text))
    with pytest.raises(AssertionError, match="programmed twice"):
        board.start()


@pytest.mark.parametrize(
    "options", [{"tears": "half"}, {"tears": []}, {"tears": ["moody"]}, {"step": 0}]
)
def test_a_sweep_that_would_try_nothing_is_refused(board, application, every_cut, options):
    board.program(application(KEEPS))
    with pytest.raises(AssertionError, match="tears are some of|step is 1 or more"):
        next(every_cut(board.start, **options))


def test_a_cut_within_a_sweep_leaves_the_sweep_as_it_was(board, application, every_cut, cut_at):
    text = KEEPS + "print(len(__import__('os').listdir('/user')))"
    board.program(application(text))
    for cut in every_cut(board.start, tears=["half"]):
        assert board.read("/user/other") is None, cut
        board.write("/user/other", "x")
        with cut_at(1):
            board.start()
        board.start()
        assert board.lines[-1] == "2"


def test_one_sweep_at_a_time(board, application, every_cut):
    board.program(application(KEEPS))
    for _ in every_cut(board.start):
        with pytest.raises(AssertionError, match="under way"):
            next(every_cut(board.start))
        with pytest.raises(AssertionError, match="cannot be programmed"):
            board.program(application(KEEPS))
        break
    board.program(application(KEEPS))


def test_the_store_is_put_back_too(board, application, every_cut):
    text = """
from board import Board
store = Board().store()
store.put(b"starts", bytes(1) + store.get(b"starts", b""))
print(len(store.get(b"starts")))
"""
    board.program(application(KEEPS + text))
    for _ in every_cut(board.start, tears=["nothing"], step=3):
        board.start()
        assert board.lines[-1] in ("1", "2")


def test_threads_do_not_outlive_a_cut(board, application, cut_at):
    text = """
import _thread, time
from board import Board
chip = Board().device("spi")
def erase(first):
    for block in range(first, first + 100):
        chip.ioctl(6, block)
_thread.start_new_thread(erase, (100,))
erase(300)
time.sleep(1)
"""
    board.program(application(text))
    before = len(board.operations())
    with cut_at(50):
        board.start()
    assert len(board.operations()) <= before + 51


def test_units_before_the_cut_are_written_in_the_same_call(board, application, cut_at):
    text = 'from board import Board\nBoard().device("spi").writeblocks(100, bytes(768), 0)'
    board.program(application(text))
    with cut_at(3):
        board.start()
    chip = (board.folder / "spi.bin").read_bytes()[100 * 4096 :]
    assert chip[:768] == bytes(512) + b"\xff" * 256
