"""An image that nobody confirmed rests and is tried again; one that was rejected is not."""

import struct

from fwboot import main
from fwcore import errors_boot, errors_net
from fwcore.header import Header
from fwcore.state import BAR, CONFIRMED, IDLE, KIND, MARK, REVERTED, TRIAL, State
from helpers import raises
from ufota import black_list, trial
from ufota.update import rest, unsigned
from ufota.update.writer import UpdateWriter
from ufota.web import request_headers
from ufota_testkit import simboard
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import every_cut
from ufota_testkit.virtual_clock import Clock

BOTH = True  # runs on CPython and on MicroPython

OLD = noise(600, 1)
DAY_MS = 86400000


def device(mode="direct", kind="flash", **more):
    """A board on version 1, whose maker needs no signature."""
    board = simboard.Board(simboard.trial_layout(mode, kind, unsigned=True, trials=2, **more))
    simboard.put(board, simboard.active_slot(board), 1, OLD)
    return board


def image(number):
    """Image of version 0.number.0, (text, bytes, Header)."""
    body = noise(500 + number, number)
    head = Header((1 << 55) | number << 16, len(body), simboard.sha256(body).digest(), b"")
    return "0.%d.0" % number, body, head


def offer(board, number):
    """An update with this image, up to its commit. Raises FwError."""
    text, body, head = image(number)
    update = UpdateWriter(board)
    unsigned.begin(update, text, len(body), head.digest)
    update.write(body)
    update.end()


def start(board):
    """A start; returns the number of the image that runs, 0 for the old one."""
    found = main.run(board)
    assert found, board.lines[-5:]
    return (found.head.version >> 16) & 0xFFFF


def round_of(board, number, crashes=False):
    """Offer it, and confirm none of its trials, as a network that is down has it."""
    offer(board, number)
    for turn in range(2):
        assert start(board) == number
        assert not trial.confirm_when(board, lambda: False, 0)
        if crashes and not turn:
            state = State(board)
            state.reason = errors_boot.CRASHED
            state.put()
    assert start(board) != number


def rejected(board, number):
    offer(board, number)
    assert start(board) == number
    trial.reject(board, 300)
    assert start(board) != number


def waits(board, number, at):
    """It rests, for so many starts; asking again in the same start changes nothing."""
    assert raises(errors_net.RESTING, offer, board, number).at == at
    before = board.power.snapshot()
    assert raises(errors_net.RESTING, offer, board, number).at == at
    assert board.power.snapshot() == before


def told(board):
    """The word and number that servers get."""
    return tuple(request_headers.result(State(board)).decode().split()[1:3])


# A tired network


def test_three_starts_without_a_network_do_not_black_list_a_good_image():
    for mode, kind in (("swap", "spi"), ("overwrite", "sd"), ("direct", "spi")):
        board = device(mode, kind)
        round_of(board, 2)
        state = State(board)
        result = trial.last_result(board)
        assert result[:2] == (REVERTED, errors_boot.NOT_CONFIRMED)
        assert not state.is_bad(image(2)[2].digest)
        waits(board, 2, 1)
        assert told(board) == ("resting", "80")
        assert start(board) == 0
        offer(board, 2)
        assert start(board) == 2 and trial.confirm(board)  # the network is back
        assert State(board).result == CONFIRMED and start(board) == 2
        assert State(board).bad == bytes(125) + MARK


def test_a_watchdog_that_bites_is_no_verdict_either():
    board = device()
    board.bitten = True
    round_of(board, 2)
    assert trial.last_result(board).reason == errors_boot.HUNG
    waits(board, 2, 1)
    assert told(board) == ("resting", "82")


def test_rounds_are_counted_waits_grow_and_there_is_an_end():
    board = device()
    round_of(board, 2)
    waits(board, 2, 1)
    start(board)
    round_of(board, 2)
    for left in (4, 3, 2, 1):
        waits(board, 2, left)
        assert told(board) == ("resting", "80")
        start(board)
    round_of(board, 2)
    for _ in range(8):
        before = board.power.snapshot()
        raises(errors_boot.BLACK_LISTED, offer, board, 2)
        assert board.power.snapshot() == before and told(board) == ("reverted", "80")
        assert start(board) == 0


def test_a_start_in_which_it_is_not_offered_does_not_count():
    board = device()
    round_of(board, 2)
    waits(board, 2, 1)
    for _ in range(2):
        start(board)
    offer(board, 2)


def test_a_day_of_uptime_is_a_start():
    board = device()
    clock, before = Clock(), rest.time
    rest.time = clock
    try:
        round_of(board, 2)
        waits(board, 2, 1)
        clock.sleep_ms(DAY_MS - 1)
        waits(board, 2, 1)
        clock.sleep_ms(1)
        offer(board, 2)
    finally:
        rest.time = before


def test_a_start_counts_for_all_that_rest():
    board = device()
    round_of(board, 2)
    round_of(board, 3)  # that offer counts for both
    waits(board, 3, 1)  # and so does this one
    offer(board, 2)


# A crash, and a rejection


def test_a_crash_in_any_trial_of_any_round_black_lists():
    for rounds in (0, 1):
        board = device()
        for _ in range(rounds):
            round_of(board, 2)
            waits(board, 2, 1)
            start(board)
        round_of(board, 2, True)
        assert State(board).is_bad(image(2)[2].digest)
        assert trial.last_result(board).reason == errors_boot.CRASHED
        raises(errors_boot.BLACK_LISTED, offer, board, 2)
        assert told(board) == ("reverted", "81")


def test_a_crash_stays_on_record_when_the_image_cannot_be_read_for_once():
    board = device(kind="spi")
    offer(board, 2)
    start(board)
    state = State(board)
    state.reason, state.tries = errors_boot.CRASHED, 2
    state.put()
    slot, _ = state.active_slot(board)
    disk = slot.storage.device
    disk.bad_blocks = {slot.body_at // disk.erase_size}
    try:
        main.run(board)
    except OSError:
        pass
    disk.bad_blocks = set()
    assert (State(board).phase, State(board).tries) == (TRIAL, 1)
    assert start(board) == 2 and start(board) == 0
    assert State(board).is_bad(image(2)[2].digest)


def test_the_fifth_rejected_image_does_not_let_the_first_back_in():
    board = device()
    for number in range(2, 7):
        rejected(board, number)
    for number in range(2, 7):
        raises(errors_boot.BLACK_LISTED, offer, board, number)
    state = State(board)
    assert state.find(image(2)[2].digest) >= BAR
    rejected(board, 7)  # the second falls out too, and the first is behind the bar alone
    assert State(board).find(image(2)[2].digest) < 0
    for number in range(2, 8):
        raises(errors_boot.BLACK_LISTED, offer, board, number)
    offer(board, 8)


def test_what_is_below_the_floor_falls_out_first():
    board = device()
    for number in (9, 4, 2, 3):
        rejected(board, number)
    offer(board, 5)
    assert start(board) == 5 and trial.confirm(board)
    for number in (6, 7, 8):
        rejected(board, number)
    bar = ((1 << 55) | (4 << 16)).to_bytes(8, "big")
    assert State(board).bad[BAR : BAR + 8] == bar  # below the floor: it bars nothing
    for number in (9, 6, 7, 8):
        raises(errors_boot.BLACK_LISTED, offer, board, number)


# The ways out


def laid_aside(board, number):
    state = State(board)
    for _ in range(3):
        state.blacklist(image(number)[2], True)
    state.put()
    raises(errors_boot.BLACK_LISTED, offer, board, number)


def test_a_newer_image_is_another_one_and_its_confirm_makes_room():
    board = device()
    laid_aside(board, 2)
    offer(board, 3)
    assert start(board) == 3 and trial.confirm(board)
    raises(errors_boot.BELOW_FLOOR, offer, board, 2)
    for number in (4, 5, 6, 7):
        rejected(board, number)
    assert State(board).find(image(2)[2].digest) >= BAR
    offer(board, 8)


def test_an_operator_allows_one_version_or_all():
    board = device()
    assert not black_list.allow(board)
    laid_aside(board, 2)
    rejected(board, 3)
    assert not black_list.allow(board, 7)
    assert black_list.allow(board, image(3)[2].version)
    assert told(board) == ("resting", "300")  # a server may offer it again
    raises(errors_boot.BLACK_LISTED, offer, board, 2)
    offer(board, 3)
    start(board)
    trial.confirm(board)
    board = device()
    for number in range(2, 8):
        rejected(board, number)
    assert black_list.allow(board, image(3)[2].version)  # it is behind the bar
    raises(errors_boot.BLACK_LISTED, offer, board, 7)
    assert black_list.allow(board) and not black_list.allow(board)
    for number in range(2, 8):
        offer(board, number)


def test_an_image_that_was_given_up_for_want_of_another_can_be_confirmed_later():
    board = device(kind="spi")
    offer(board, 2)
    start(board)
    simboard.put(board, simboard.active_slot(board), 1, OLD)
    disk = simboard.active_slot(board).storage.device
    disk.load(simboard.active_slot(board).body_at, bytes(64))  # the old one is lost
    for _ in range(4):
        assert start(board) == 2
    assert State(board).phase == IDLE and trial.last_result(board).result == REVERTED
    assert trial.confirm(board)
    assert trial.last_result(board)[:2] == (CONFIRMED, 0)
    assert State(board).bad == bytes(125) + MARK


# Power cuts, and older releases


def test_a_cut_in_the_count_of_a_start_counts_it_once_more_or_not():
    def resting():
        board = device()
        for _ in range(2):
            state = State(board)
            state.new = image(2)[2]
            state.blacklist(state.new, True)
            state.put()
        return board

    def check(board):
        board.starts = {}
        left = raises(errors_net.RESTING, offer, board, 2).at
        assert left in (3, 4)
        board.starts = {}
        assert raises(errors_net.RESTING, offer, board, 2).at == left - 1

    def act(board):
        raises(errors_net.RESTING, offer, board, 2)

    assert every_cut(resting, act, check) >= 12


def test_a_cut_on_the_way_back_counts_one_round():
    for mode in simboard.MODES:

        def used_up(mode=mode):
            board = device(mode, "spi")
            offer(board, 2)
            assert start(board) == 2 and start(board) == 2
            return board

        def check(board):
            assert start(board) == 0
            state = State(board)
            assert state.bad[state.find(image(2)[2].digest) + KIND] == 16

        assert every_cut(used_up, main.run, check, ("half", "moody")) >= 10


def test_a_cut_while_an_operator_allows_leaves_the_list_or_none():
    def listed():
        board = device()
        laid_aside(board, 2)
        return board

    def check(board):
        found = State(board).bad
        assert found == bytes(125) + MARK or found == State(listed()).bad
        black_list.allow(board)
        offer(board, 2)

    assert every_cut(listed, black_list.allow, check) >= 12


def test_a_list_of_an_older_release_is_taken_over():
    board = device()
    state = State(board)
    state.floor, state.new = 5, image(4)[2]
    digests = b"".join([image(number)[2].digest for number in (2, 3)])
    state.bad = (digests + bytes(128))[:128]
    state.put()
    raises(errors_boot.BLACK_LISTED, offer, board, 2)
    offer(board, 6)
    state = State(board)
    assert state.bad[-3:] == MARK
    found = [struct.unpack(">Q16sB", state.bad[at : at + 25]) for at in (0, 25)]
    version = image(4)[2].version  # the newest that it can have been
    assert found == [(version, image(number)[2].digest[:16], 255) for number in (2, 3)]
    for number in (2, 3):
        raises(errors_boot.BLACK_LISTED, offer, board, number)
