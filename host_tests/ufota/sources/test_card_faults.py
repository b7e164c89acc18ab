"""A card pulled, torn or forged at any place: a number, no hang, and the next update works."""

import os

from card_kit import ON_MICROPYTHON, make_card, names, write
from fragments_kit import simple_board, trial_board
from fwcore import errors
from fwcore.errors import FwError
from test_card import BUNDLE, OLD, SMALL, boot, poll, start, with_card
from ufota.client import FAILED
from ufota.trial import confirm
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import ALL, every_cut
from update_kit import OLD as FIRST
from update_kit import bundle, payload, staged

BOTH = True  # runs on CPython and on MicroPython
LONG = ("test_power_cut_anywhere_leaves_a_device_that_takes_the_next_card",)

LATER_BUNDLE = bundle("later")


def teardown_function(_):
    make_card().remove()


def tried(board, card):
    """poll(); the number of the error, or 0."""
    try:
        poll(board, card)
    except FwError as error:
        return error.code
    return 0


def live(board, card):
    """From the new file to its new name; returns the numbers of errors."""
    codes = [tried(board, card)]
    boot(board)
    confirm(board)
    codes.append(tried(board, card))
    return codes


def later_works(board, card):
    """Whatever was before: put in properly, the card brings an update."""
    for name in names(card):
        os.remove(card.path + "/" + name)
    write(card, "update.bin", LATER_BUNDLE)
    assert poll(board, card)
    assert boot(board)[1] == payload("later")
    confirm(board)
    assert tried(board, card) == errors.NOT_NEWER and names(card) == ["update.done"]


def test_card_pulled_at_every_call_gives_a_number_and_the_next_update_works():
    for make in (lambda: simple_board("spi"), lambda: trial_board("overwrite")):
        board, card = with_card(make())
        before = card.calls
        assert live(board, card) == [0, errors.NOT_NEWER]
        calls = card.calls - before
        assert calls > 12, calls
        seen = set()
        for after in range(calls):
            board, card = with_card(make())
            card.pull(after)
            seen.update(live(board, card))
            card.put_back()
            assert names(card) in (["update.bin"], ["update.done"]), (after, names(card))
            if names(card) == ["update.bin"]:
                live(board, card)
                live(board, card)
            assert names(card) == ["update.done"], (after, names(card))
            assert boot(board) == SMALL
            later_works(board, card)
        assert seen == {0, errors.READ_FAILED, errors.NOT_NEWER}, seen


def test_card_pulled_while_a_refused_file_is_renamed():
    board, card = with_card(simple_board("spi"), bundle("stranger"))
    before = card.calls
    assert tried(board, card) == errors.BAD_SIGNATURE
    for after in range(card.calls - before):
        board, card = with_card(simple_board("spi"), bundle("stranger"))
        card.pull(after)
        assert tried(board, card) in (0, errors.READ_FAILED, errors.BAD_SIGNATURE)
        card.put_back()
        tried(board, card)
        assert names(card) == ["update.e23"], after
        later_works(board, card)


def test_pulled_in_the_middle_it_goes_on_where_it_was():
    """With a client store: bytes that are in the candidate for good are not read again."""
    board, card = with_card(simple_board("spi"), bundle("two"))
    client, found = start(board, card)
    client = type(client)(board, found, buf=bytearray(4096))
    real, read = found.readinto, []

    def readinto(mv):
        if sum(read) >= 2048:
            raise FwError(errors.READ_FAILED, 19)
        count = real(mv)
        read.append(count)
        return count

    found.readinto = readinto
    assert client.poll()
    try:
        client.run()
        raise AssertionError("no error")
    except FwError as error:
        assert error.code == errors.READ_FAILED
    assert client.state == FAILED and staged(board) == [(0, None)]
    client, found = start(board, card)
    real_open, places = found.open, []

    def reopen(url, at=0, tag=b""):
        places.append(at)
        real_open(url, at, tag)

    found.open = reopen
    assert client.poll() and client.run()
    assert places == [0, len(bundle("two")) - 5000 + 2560]  # whole steps of 4096, by address
    assert staged(board)[0][1] == payload("two") and boot(board)


def sectors(card):
    """How many there are up to the end of the file."""
    return card.disk.data.find(BUNDLE[:64]) // 512 + len(BUNDLE) // 512 + 1


def test_sector_that_cannot_be_read_gives_a_number():
    if not ON_MICROPYTHON:
        return
    failed, block, count = 0, 0, 1
    while block < count:
        board, card = with_card(simple_board("spi"))
        count = sectors(card)
        card.mount()
        card.disk.bad_blocks = {block}
        code = tried(board, card)
        assert code in (0, errors.READ_FAILED), (block, code)
        failed += not staged(board)[0][0]
        card.disk.bad_blocks = set()
        card.mount()
        later_works(board, card)
        block += 1
    assert count > 30 and failed >= 4, (count, failed)


def test_every_sector_of_noise_is_survived():
    """Each sector of the file system in turn full of noise: the tables, the folder, the file."""
    if not ON_MICROPYTHON:
        return
    block, count = 0, 1
    while block < count:
        board, card = with_card(simple_board("spi"))
        count = sectors(card)
        for fill in (b"\x00" * 512, b"\xff" * 512, b"\x02" * 512, noise(512, block)):
            before = bytes(card.disk.data)
            survives(board, card, block * 512, fill)
            card.disk.data[:] = before
        assert boot(board) in (OLD, SMALL)
        block += 1


def test_flipped_bytes_in_a_file_system_are_survived():
    if not ON_MICROPYTHON:
        return
    board, card = with_card(simple_board("spi"))
    before, at = bytes(card.disk.data), card.disk.data.find(b"UPDATE  BIN")
    places = (list(range(64)), list(range(512, 540)), list(range(at, at + 32)))
    for seed in range(300):
        dice = noise(12, seed)
        for i in range(0, 12, 4):
            area = places[dice[i] % 3]
            card.disk.data[area[dice[i + 1] % len(area)]] = dice[i + 2]
        survives(board, card, 0, b"")
        card.disk.data[:] = before
    assert boot(board) in (OLD, SMALL)


def survives(board, card, start, data):
    card.disk.data[start : start + len(data)] = data
    try:
        card.mount()
    except OSError:
        return
    code = tried(board, card)
    assert code in (0, 22, 23, 25, 26, 27, 36, 75, 95), (code, start, data[:4])


def test_power_cut_that_leaves_junk_anywhere_leaves_a_device_that_takes_the_next_card():
    power_cut_anywhere(("junk",))


def test_power_cut_anywhere_leaves_a_device_that_takes_the_next_card():
    power_cut_anywhere(ALL)


def power_cut_anywhere(tears):
    """Of candidate, client store, state and of the card's file system, which promises nothing."""
    if not ON_MICROPYTHON:
        return  # a folder of this computer loses no power

    class World:
        def __init__(self, board):
            self.board = board
            self.card = make_card(board)
            write(self.card, "update.bin", BUNDLE)
            self.power = board.power

    for make in (lambda: simple_board("spi"), lambda: trial_board("overwrite")):

        def act(world):
            assert live(world.board, world.card) == [0, errors.NOT_NEWER]

        def check(world):
            board, card = world.board, world.card
            try:
                card.mount()
            except OSError:  # not even a file system is left
                pass
            assert boot(board) in (OLD, FIRST, SMALL)
            confirm(board)
            assert tried(board, card) in (0, 22, 26, 27, 36)
            assert boot(board) in (OLD, FIRST, SMALL)
            confirm(board)
            card = make_card(board)
            later_works(board, card)

        cases = every_cut(lambda make=make: World(make()), act, check, tears)
        assert cases > 33 * len(tears), cases
