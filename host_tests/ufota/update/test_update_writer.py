"""UpdateWriter: an image that an application brings itself, by any link it has."""

import sys

from fwboot import main
from fwcore import errors, errors_net, modules
from fwcore.manifest import version_word
from helpers import raises
from resume_kit import board_of
from ufota.update import client_store
from ufota.update.writer import UpdateWriter
from ufota_testkit import simboard
from ufota_testkit.simboard import KINDS
from update_kit import OLD, Key, payload, running, signed, staged

BOTH = True  # runs on CPython and on MicroPython

NEW = version_word("2.0.0"), payload("two")


def bring(update, image, size=100):
    """Write the rest of an image in fragments."""
    for at in range(update.done, len(image), size):
        update.write(image[at : at + size])


def test_image_in_fragments_of_any_size_becomes_a_candidate_that_boots():
    for kind in KINDS:
        for size in (1, 7, 256, 1000, 4096, 5000):
            board = board_of(kind)
            update = UpdateWriter(board)
            found = update.begin(signed("two"))
            assert found.size == 5000 and update.done == 0 and board.power.ops == 0
            bring(update, payload("two"), size)
            assert update.done == 5000 and staged(board) == [(0, None)]
            update.end()
            assert staged(board) == [NEW]
            assert main.run(board) and running(board) == NEW


def test_nothing_goes_in_before_begin_or_after_abort():
    board = board_of("sd")
    update = UpdateWriter(board)
    raises(errors_net.NOT_BEGUN, update.write, b"x")
    raises(errors_net.NOT_BEGUN, update.end)
    update.begin(signed("two"))
    update.write(payload("two")[:4096])
    update.abort()
    raises(errors_net.NOT_BEGUN, update.write, b"x")
    assert UpdateWriter(board).begin(signed("two")) and client_store.of(board).keys() == [b"count"]
    raises(errors.BAD_SIGNATURE, update.begin, signed("two")[:-1] + b"\x00")


def test_too_much_too_little_and_wrong_bytes_leave_no_candidate():
    image = payload("two")
    for bad, code in (
        (image[:-1], errors.CUT_SHORT),
        (image + b"x", errors.TOO_LONG),
        (b"x" + image[1:], errors.CORRUPT),
    ):
        board = board_of("spi")
        update = UpdateWriter(board)
        update.begin(signed("two"))

        def whole(update=update, bad=bad):
            bring(update, bad)
            update.end()

        raises(code, whole)
        assert staged(board) == [(0, None)] and running(board) == OLD


def test_image_that_turned_out_wrong_is_not_gone_on_with():
    """Neither bytes that came wrong, nor such as the medium lost before they were read back."""
    image = payload("two")
    for sent, code in ((image[:-1] + b"x", errors.CORRUPT), (image, errors.WRITE_FAILED)):
        board = board_of("spi")
        update = UpdateWriter(board)
        update.begin(signed("two"))
        bring(update, sent)
        if code == errors.WRITE_FAILED:
            slot = update.slot
            slot.storage.device.data[slot.body_at + 7] ^= 1
        raises(code, update.end)
        update.begin(signed("two"))
        assert update.done == 0, code
        bring(update, image)
        update.end()
        assert staged(board) == [NEW]


def test_fragments_go_on_after_a_reset_where_done_says():
    image = payload("two")
    for kind in KINDS:
        board = board_of(kind)
        update = UpdateWriter(board)
        update.begin(signed("two"))
        for at in range(0, 4500, 500):
            update.write(image[at : at + 500])
        del board.client_store
        update = UpdateWriter(board)
        update.begin(signed("two"))
        assert 0 < update.done <= 4500
        bring(update, image)
        update.end()
        assert staged(board) == [NEW], kind


def test_all_that_came_before_a_reset_needs_only_its_end():
    board = board_of("spi")
    update = UpdateWriter(board)
    update.begin(signed("two"))
    bring(update, payload("two"))
    del board.client_store
    update = UpdateWriter(board)
    update.begin(signed("two"))
    assert update.done == 5000
    update.end()
    assert staged(board) == [NEW]


def test_nothing_goes_in_after_the_end_until_the_next_begin():
    image = payload("two")
    for last in (image[-1:], b"?"):
        board = board_of("spi")
        update = UpdateWriter(board)
        update.begin(signed("two"))
        bring(update, image[:-1] + last)
        if last == b"?":
            raises(errors.CORRUPT, update.end)
        else:
            update.end()
        before = board.power.ops
        raises(errors_net.NOT_BEGUN, update.write, b"x")
        raises(errors_net.NOT_BEGUN, update.end)
        assert board.power.ops == before
        assert staged(board) == [NEW if last != b"?" else (0, None)]
        update.abort()
        update.begin(signed("two"))
        assert update.done == 0
        bring(update, image)
        update.end()
        assert staged(board) == [NEW] and main.run(board) and running(board) == NEW


def test_another_begin_begins_anew_and_again_keeps_nothing():
    board = board_of("spi")
    update = UpdateWriter(board)
    update.begin(signed("two"))
    update.write(payload("two")[:4500])
    update.begin(signed("two"))
    assert update.done > 0
    update.begin(signed("two"), again=True)
    assert update.done == 0
    bring(update, payload("two"))
    update.end()
    assert staged(board) == [NEW]


def test_what_was_counted_of_another_image_is_not_counted_for_this_one():
    board = board_of("spi")
    update = UpdateWriter(board)
    update.begin(signed("two"))
    update.write(payload("two")[:4500])
    update.begin(signed("later"))
    assert update.done == 0
    update.write(payload("later")[:100])
    del board.client_store
    update = UpdateWriter(board)
    update.begin(signed("later"))
    assert update.done == 0


def test_a_slot_that_holds_an_image_is_not_gone_on_with():
    """The record says that all is there, and there is a header: a cut came between two writes."""
    board = board_of("spi")
    update = UpdateWriter(board)
    update.begin(signed("two"))
    bring(update, payload("two"))
    del board.client_store
    simboard.put(board, simboard.candidate_slots(board)[0], *NEW)
    update = UpdateWriter(board)
    update.begin(signed("two"))
    assert update.done == 0


def test_watchdog_is_fed_while_what_is_kept_is_digested():
    board = board_of("spi")
    update = UpdateWriter(board)
    update.begin(signed("two"))
    bring(update, payload("two"), 4096)
    del board.client_store
    fed = board.fed
    update = UpdateWriter(board)
    update.begin(signed("two"))
    update.end()
    assert board.fed - fed >= 4


def test_buffer_of_another_size_is_refused():
    for size in (1, 2048, 4095, 5000):
        error = raises(
            errors.MISALIGNED, UpdateWriter, board_of("sd"), memoryview(bytearray(size))
        )
        assert error.at == size


def test_device_without_a_client_store_is_updated_the_same_way():
    board = simboard.make("spi", 1, Key())
    update = UpdateWriter(board)
    update.begin(signed("two"))
    bring(update, payload("two"))
    update.end()
    assert staged(board) == [NEW]


class Heap:
    """gc, with so many bytes free, and others in garbage."""

    def __init__(self, free, garbage=0):
        self.free = free
        self.garbage = garbage
        self.collected = 0

    def mem_free(self):
        return self.free

    def collect(self):
        self.collected += 1
        self.free += self.garbage
        self.garbage = 0


def test_short_heap_lets_go_of_modules_that_had_their_turn():
    plain, before = modules.gc, dict(sys.modules)
    packages = sys.modules["fwcore"], sys.modules["ufota.update"]
    try:
        for free, garbage, gone in ((49000, 0, True), (50000, 0, False), (30000, 20000, False)):
            modules.gc = heap = Heap(free, garbage)
            board = board_of("spi")
            update = UpdateWriter(board)
            update.begin(signed("two"))
            assert ("fwcore.manifest" not in sys.modules) == gone
            assert hasattr(packages[0], "manifest") != gone
            bring(update, payload("two"))
            assert ("ufota.update.acceptance" not in sys.modules) == gone
            assert hasattr(packages[1], "acceptance") != gone
            update.end()
            assert staged(board) == [NEW] and bool(heap.collected) == (gone or garbage > 0)
    finally:
        modules.gc = plain
        for name, module in before.items():
            package, _, last = name.rpartition(".")
            if package.split(".")[0] in ("fwcore", "ufota"):
                sys.modules[name] = module
                setattr(sys.modules[package], last, module)
