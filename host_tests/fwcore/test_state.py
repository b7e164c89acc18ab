"""The boot state: every field comes back, and a cut leaves the old state or the new one."""

import struct

from fwcore import errors, errors_boot
from fwcore.header import Header
from fwcore.journal import Journal
from fwcore.layout import check
from fwcore.mac import hmac_sha256
from fwcore.regions import storage_of
from fwcore.state import (
    ANCHOR,
    BACK,
    CONFIRMED,
    FORWARD,
    IDLE,
    KIND,
    MARK,
    NO_SIGNATURE,
    NONE,
    NOWHERE,
    PENDING,
    REFUSED,
    REVERTED,
    TRIAL,
    State,
    no_image,
    payload_size,
)
from helpers import raises
from ufota_testkit.noise import noise
from ufota_testkit.simboard import BLOCK, MODES, ROT, Board, trial_layout
from ufota_testkit.simdisk import MOODY, every_cut

BOTH = True  # runs on CPython and on MicroPython

SIZE = 440  # bytes in front of the bit map
MAC = 16  # behind it


def nor():
    """A board whose state is in flash: three banks of two erase blocks."""
    return Board(trial_layout("swap", blocks=9))


def card():
    """A board whose state is on a card: three banks of four blocks."""
    layout = trial_layout("swap", blocks=9)
    layout["devices"]["sd"]["size"] = 12 * BLOCK
    layout["state"] = {"device": "sd", "start": 0, "size": 12 * BLOCK}
    return Board(layout)


MEDIA = (nor, card)

# Of a put: erase of two blocks, four units of record, commit, erase of the third bank, seal;
# a card erases nothing, and has units of a block
OPERATIONS = {"nor": 2 + 4 + 1 + 2 + 1, "card": 1 + 1 + 1 + 1}
COMMIT = {"nor": 7, "card": 2}  # number of the operation that makes the new state count


def filled(state, seed=1):
    """Give every field a value of its own, in the range of a swap."""
    state.phase, state.tries, state.result = PENDING, seed + 2, REVERTED
    state.active, state.location, state.kept = 0, 0, NOWHERE
    state.reason, state.done, state.count = 0x1234 + seed, 11 + seed, 0x9ABCDEF0 + seed
    state.floor = 0x1122334455667788
    state.new = Header(seed, 0xBBAA9988, noise(32, seed), noise(16, seed + 1))
    state.old = Header(0xFFFFFFFFFFFFFFFF, seed, noise(32, seed + 2), noise(16, seed + 3))
    state.signature, state.old_signature = noise(64, seed + 4), noise(64, seed + 7)
    state.verified, state.bad = noise(64, seed + 8), noise(128, seed + 5)
    state.equal = noise(2, seed + 6)
    return state


NAMES = (
    "phase tries result active location kept reason done count floor new old "
    "signature old_signature verified bad equal"
).split()


def fields(state):
    """The campaign of an image is no part of the state."""
    found = [getattr(state, name) for name in NAMES]
    return [tuple(value)[:3] if isinstance(value, Header) else value for value in found]


def raw(board):
    """The payload of the newest record."""
    state = State(board)
    return state.journal.load()


def put_raw(board, payload):
    """What another firmware might have left there."""
    region = board.layout["state"]
    journal = Journal(storage_of(board, region), region["start"], region["size"], SIZE + 2 + MAC)
    journal.put(payload)


def mac_of(packed, rot=ROT, component=b"MAIN"):
    """The MAC of a record, computed here."""
    return hmac_sha256(hmac_sha256(rot, b"ufota boot state " + component), packed)[:MAC]


def is_none(board):
    """True when the record that is there counts for nothing."""
    state = State(board)
    return fields(state) == BLANK and state.is_new


NO_IMAGE = tuple(no_image())[:3]
BLANK = [IDLE, 0, NONE, 0, 0, 0, 0, 0, 0, 0, NO_IMAGE, NO_IMAGE]
BLANK += [NO_SIGNATURE, NO_SIGNATURE, bytes(64), bytes(125) + MARK, b""]


def test_every_field_comes_back():
    for make in MEDIA:
        board = make()
        state = filled(State(board))
        expected = fields(state)
        state.put()
        assert fields(state) == expected
        assert fields(State(board)) == expected
        assert not State(board).is_new


def test_the_numbers_of_phases_and_results_do_not_change():
    assert (IDLE, PENDING, FORWARD, TRIAL, BACK) == (0, 1, 2, 3, 4)
    assert (NONE, CONFIRMED, REVERTED, REFUSED) == (0, 1, 2, 3)


def test_fields_lie_where_the_table_says():
    board = nor()
    state = filled(State(board))
    state.put()
    payload = state.journal.load()
    assert len(payload) == SIZE + 2 + MAC
    assert payload[:6] == bytes((PENDING, 3, REVERTED, 0, 0, NOWHERE))
    numbers = 0x1235, 12, 0x9ABCDEF1, 0x1122334455667788
    assert struct.unpack_from("<HIIQ", payload, 6) == numbers
    for at, head in ((24, state.new), (72, state.old)):
        assert struct.unpack_from("<QQ", payload, at) == (head.version, head.size)
        assert payload[at + 16 : at + 48] == head.digest
    assert payload[120:184] == state.signature
    assert payload[184:248] == state.old_signature
    assert payload[248:312] == state.verified
    assert payload[312:440] == state.bad
    assert payload[440:442] == state.equal
    assert payload[442:] == mac_of(payload[:442])


def test_the_bytes_of_slots_lie_where_the_table_says():
    board = Board(trial_layout("direct"))
    state = State(board)
    state.active, state.kept = 1, 1
    state.put()
    assert state.journal.load()[3:6] == b"\x01\x00\x01"
    board = Board(trial_layout("overwrite"))
    state = State(board)
    state.location, state.kept = 1, 0
    state.put()
    assert state.journal.load()[3:6] == b"\x00\x01\x00"
    assert (State(board).location, State(board).kept) == (1, 0)


def test_a_blank_region_is_an_idle_board():
    for make in MEDIA:
        board = make()
        assert fields(State(board)) == BLANK
        region = board.layout["state"]
        disk = board.disks[region["device"]]
        for content in (bytes(region["size"]), noise(region["size"])):
            disk.load(region["start"], content)
            assert fields(State(board)) == BLANK


def test_a_payload_that_is_too_short_is_none():
    for size in (0, 1, MAC, SIZE - MAC, SIZE - 1):
        board = nor()
        packed = b"\x01" * size
        for payload in (packed, packed[:-MAC], packed + mac_of(packed)):
            if len(payload) < SIZE + MAC:
                put_raw(board, payload)
                assert is_none(board), size
    packed = b"\x03" + bytes(SIZE - 1)
    put_raw(board, packed + mac_of(packed))
    assert State(board).phase == 3 and State(board).equal == b""


def test_a_record_with_any_byte_changed_is_none():
    """Each of the MAC, and each of what it is over."""
    board = nor()
    filled(State(board)).put()
    payload = raw(board)
    for at in range(len(payload)):
        wrong = bytearray(payload)
        wrong[at] ^= 1
        put_raw(board, bytes(wrong))
        assert is_none(board), at
    for wrong in (payload[:-1], payload[:-MAC], payload[:SIZE] + payload[SIZE + 1 :]):
        put_raw(board, wrong)
        assert is_none(board)
    put_raw(board, payload)
    assert fields(State(board)) == fields(filled(State(nor())))


def test_a_record_of_another_device_is_none():
    board = nor()
    filled(State(board)).put()
    for rot in (None, b"", bytes(16), ROT[:-1] + b"\xff"):
        board._rot = rot
        assert is_none(board)
    board._rot = ROT
    assert not is_none(board)
    packed = raw(board)[:-MAC]
    put_raw(board, packed + mac_of(packed, bytes(16)))
    assert is_none(board)


def test_a_record_of_another_component_is_none():
    """A record of the boot stages' state, written over that of the application."""
    board = nor()
    filled(State(board)).put()
    board.layout["component"] = "BOOT"
    assert is_none(board)
    filled(State(board)).put()
    payload = raw(board)
    assert payload[-MAC:] == mac_of(payload[:-MAC], component=b"BOOT")
    board.layout["component"] = "MAIN"
    assert is_none(board)
    del board.layout["component"]  # MAIN
    filled(State(board)).put()
    board.layout["component"] = "MAIN"
    assert not is_none(board)


def in_state(mode, name, value):
    """A board with a record in which one field has this value."""
    board = Board(trial_layout(mode))
    state = State(board)
    state.floor = 7
    setattr(state, name, value)
    state.put()
    return board


def test_a_record_with_a_field_out_of_its_range_is_none():
    big = 1 << 32
    for mode, name, good, bad in (
        ("swap", "phase", (IDLE, BACK), (5, 255)),
        ("swap", "tries", (0, 255), ()),
        ("swap", "result", (NONE, REFUSED), (4, 255)),
        ("swap", "active", (0,), (1, 255)),
        ("overwrite", "active", (0,), (1, 255)),
        ("direct", "active", (0, 1), (2, 255)),
        ("swap", "location", (0,), (1, 255)),
        ("overwrite", "location", (0, 1), (2, 255)),
        ("direct", "location", (0,), (1, 255)),
        ("swap", "kept", (0, NOWHERE), (1, 254)),
        ("overwrite", "kept", (0, 1, NOWHERE), (2, 254)),
        ("direct", "kept", (0, 1, NOWHERE), (2, 254)),
        ("swap", "done", (0, 6), (7, 0xFFFFFFFF)),  # three blocks
        ("overwrite", "done", (0,), ()),
        ("direct", "done", (0,), ()),
        ("swap", "new", (sized(big - 1),), (sized(big), sized((1 << 64) - 1))),
        ("swap", "old", (sized(big - 1),), (sized(big), sized((1 << 64) - 1))),
    ):
        for value in good:
            assert State(in_state(mode, name, value)).floor == 7, (mode, name, value)
        for value in bad:
            board = in_state(mode, name, value)
            assert fields(State(board)) == BLANK, (mode, name, value)


def sized(size):
    return Header(1, size, bytes(32), bytes(16))


def test_loading_changes_nothing():
    for make in MEDIA:
        board = make()
        filled(State(board)).put()
        before = board.power.snapshot()
        board.power.reset()
        State(board)
        assert board.power.ops == 0 and board.power.snapshot() == before


def test_a_device_that_is_not_there_is_an_error_and_no_blank_state():
    board = card()
    board.pulled.add("sd")
    try:
        State(board)
    except OSError:
        return
    raise AssertionError("an absent card passed for a blank one")


def test_a_region_too_small_is_refused():
    for mode in MODES:
        layout = trial_layout(mode)
        layout["state"]["size"] = 2 * BLOCK
        raises(errors.TOO_BIG, State, Board(layout))
    layout = trial_layout("direct")
    layout["devices"]["sd"]["size"] = 9 * BLOCK
    layout["state"] = {"device": "sd", "start": 0, "size": 9 * BLOCK}
    State(Board(layout))  # record, commit, seal
    layout["state"]["size"] -= 1
    raises(errors.TOO_BIG, State, Board(layout))


def test_the_payload_has_a_bit_for_each_block_of_a_swap():
    for blocks, size in ((2, 1), (8, 1), (9, 2), (16, 2), (17, 3)):
        assert payload_size(trial_layout("swap", blocks=blocks)) == SIZE + size + MAC
        assert payload_size(trial_layout("direct", blocks=blocks)) == SIZE + MAC
        assert payload_size(trial_layout("overwrite", blocks=blocks)) == SIZE + MAC
        moved = trial_layout("swap", blocks=blocks)
        moved["active"]["header"] += 20 * BLOCK
        moved["active"]["start"] += 20 * BLOCK
        assert payload_size(moved) == SIZE + size + MAC
    state = State(nor())
    state.equal = bytes(3)
    raises(errors.TOO_BIG, state.put)


def failed(seed, version=1):
    """Header of an image that failed."""
    return Header(version, 1, noise(32, seed), b"")


def kinds(state):
    """What `bad` says of each image, newest first, and of the one behind the bar."""
    found = [struct.unpack(">Q16sB", state.bad[at : at + 25]) for at in range(0, 125, 25)]
    return [(version, kind) for version, _, kind in found]


def test_the_black_list_keeps_the_newest_four_each_once():
    board = nor()
    state = State(board)
    images = [failed(i, 10 + i) for i in range(7)]
    for i, image in enumerate(images):
        assert not state.is_bad(image.digest)
        state.blacklist(image)
        state.blacklist(image)
        assert len(state.bad) == 128
        state.put()
        state = State(board)
        # The one behind the bar is known as well: it is the newest that fell out.
        kept = images[max(0, i - 4) : i + 1]
        assert [d for d in images if state.is_bad(d.digest)] == kept
    assert kinds(state) == [(16, 255), (15, 255), (14, 255), (13, 255), (12, 255)]


def test_the_bar_is_the_newest_version_that_fell_out():
    state = State(nor())
    for version, bar in ((5, 0), (9, 0), (3, 0), (4, 0), (7, 5), (8, 9), (6, 9), (2, 9)):
        state.blacklist(failed(version, version))
        assert kinds(state)[4][0] == bar
    assert kinds(state)[:4] == [(2, 255), (6, 255), (8, 255), (7, 255)]
    state.blacklist(failed(9, 9))  # behind the bar: it comes to the front again
    assert kinds(state) == [(9, 255), (2, 255), (6, 255), (8, 255), (9, 255)]
    top = failed(11, (1 << 64) - 1)
    for seed in range(20, 25):
        state.blacklist(top if seed == 20 else failed(seed, 1))
    assert kinds(state)[4] == ((1 << 64) - 1, 255)


def test_rounds_are_counted_and_a_rejection_ends_them():
    state = State(nor())
    image = failed(1, 7)
    for kind in (16, 32, 48, 64):
        state.blacklist(image, True)
        assert kinds(state)[0] == (7, kind) and not state.is_bad(image.digest)
    at = state.find(image.digest)
    state.bad = state.bad[: at + KIND] + b"\x13" + state.bad[at + KIND + 1 :]
    state.blacklist(image, True)  # starts that were counted are gone
    assert kinds(state)[0] == (7, 32)
    state.blacklist(failed(2, 8))
    state.blacklist(image)
    assert kinds(state)[:3] == [(7, 255), (8, 255), (0, 0)] and state.is_bad(image.digest)
    for _ in range(2):
        state.blacklist(image, True)
        assert state.is_bad(image.digest)


def test_a_list_that_an_older_release_wrote_is_read():
    board = nor()
    state = State(board)
    digests = [noise(32, i) for i in range(1, 5)]
    for count in (1, 4):
        state.bad = (b"".join(digests[:count]) + bytes(128))[:128]
        state.put()
        state = State(board)
        for i, digest in enumerate(digests):
            assert state.is_bad(digest) == (i < count)
        before = state.bad
        state.blacklist(failed(9), True)  # a round: the next one counts
        assert state.bad == before
        state.blacklist(failed(9))
        assert state.bad == (noise(32, 9) + before)[:128]
        assert State(board).bad == before


def test_put_counts_the_marks_into_done():
    for make in MEDIA:
        board = make()
        state = State(board)
        state.done = 7
        state.put()
        assert state.done == 7 and state.journal.room()
        state.journal.mark()
        assert state.done == 7 and state.journal.marks == 1
        found = State(board)
        assert found.done == 7 and found.journal.marks == 1
        found.put()
        assert found.done == 8 and found.journal.marks == 0
        found.put()
        assert State(board).done == 8 and State(board).journal.marks == 0


def test_as_many_marks_are_counted_as_a_bank_holds():
    for make in MEDIA:
        board = make()
        state = State(board)
        for _ in range(3):  # each bank once, the last one at the end of the card
            state.put()
            room = state.journal.room()
            assert room == {"nor": 2, "card": 1}[make.__name__]
            for _ in range(room):
                state.journal.mark()
            assert state.journal.room() == 0 and State(board).journal.marks == room


def test_a_bank_without_room_for_marks_is_enough_where_nothing_is_swapped():
    layout = trial_layout("direct")
    layout["devices"]["sd"]["size"] = 9 * BLOCK
    layout["state"] = {"device": "sd", "start": 0, "size": 9 * BLOCK}
    check(layout)
    board = Board(layout)
    state = filled(State(board))
    state.done, state.equal = 0, b""
    expected = fields(state)
    state.put()
    assert state.journal.room() == 0
    assert fields(State(board)) == expected and State(board).journal.marks == 0


def test_in_direct_mode_the_slots_change_places():
    board = Board(trial_layout("direct"))
    state = State(board)
    for active, names in ((0, ("flash", "spi")), (1, ("spi", "flash"))):
        state.active = active
        slot, name = state.active_slot(board)
        assert name == names[0] and slot.storage.device is board.disks[name]
        (other,) = state.candidate_slots(board)
        assert other.storage.device is board.disks[names[1]]
        for index, expected in enumerate(("flash", "spi")):
            slot, name = state.runnable(board, index)
            assert name == expected and slot.storage.device is board.disks[name]
            assert (slot.header_at, slot.body_at) == (0, 128)


def test_in_the_other_modes_the_active_region_is_the_active_one():
    for mode, count in (("swap", 1), ("overwrite", 2)):
        board = Board(trial_layout(mode))
        state = State(board)
        slot, name = state.active_slot(board)
        assert (name, slot.end) == ("flash", 3 * BLOCK)
        found = state.candidate_slots(board)
        assert len(found) == count
        assert all(slot.storage.device is board.disks["spi"] for slot in found)


def test_end_is_told_in_result_and_reason():
    state = filled(State(nor()))
    before = fields(state)
    state.end(REFUSED, errors_boot.BELOW_FLOOR)
    assert (
        fields(state) == [IDLE, 0, REFUSED] + before[3:6] + [errors_boot.BELOW_FLOOR] + before[7:]
    )


def test_a_put_that_fails_leaves_the_old_state():
    for make in MEDIA:
        failures = sum(_put_fails(make, op, COMMIT[make.__name__]) for op in range(1, 13))
        assert failures == OPERATIONS[make.__name__], failures


def _put_fails(make, op, commit):
    """Fail one operation of the second put; True when put() said so.

    The new state stands when it was committed, and only the wipe or the seal failed.
    """
    board = make()
    filled(State(board)).put()
    old = fields(State(board))
    state = filled(State(board), 2)
    done = state.done
    state.journal.marks = 3
    board.power.reset()
    board.power.fail_at(op)
    try:
        state.put()
    except OSError:
        assert state.done == done  # the moves are not counted twice by the next try
        new = fields(state)[:7] + [done + 3] + fields(state)[8:]
        found = State(board)
        assert fields(found) == (old if op <= commit else new), op
        assert found.journal.settled == (op < commit)
        return True
    return False


def whole(board, *allowed):
    """The fields of the state, which must be one of these at every look."""
    for _ in range(3):  # a moody unit has several faces
        found = fields(State(board))
        assert found in allowed, found
    return found


def prepared(make):
    """A board in the middle of its life: two banks hold states."""
    board = make()
    State(board).put()
    filled(State(board)).put()
    return board


def test_a_cut_in_a_put_leaves_the_old_state_or_the_new_one():
    for make in MEDIA:
        old = fields(State(prepared(make)))
        new = fields(filled(State(prepared(make)), 2))

        def act(board):
            filled(State(board), 2).put()

        def judge(board, old=old, new=new):
            found = fields(State(board))
            assert found in (old, new), found
            state = filled(State(board), 3)  # and the board can still move on
            expected = fields(state)
            state.put()
            whole(board, expected)

        cases = every_cut(lambda make=make: prepared(make), act, judge, MOODY)
        assert cases == OPERATIONS[make.__name__] * 4


def test_a_second_cut_leaves_a_whole_state_too():
    for make in MEDIA:
        old = fields(State(prepared(make)))
        new = fields(filled(State(prepared(make)), 2))
        last = fields(filled(State(prepared(make)), 3))
        inner = []

        def act(board):
            filled(State(board), 2).put()

        def act_again(board):
            filled(State(board), 3).put()

        def judge(board, old=old, new=new, last=last, inner=inner):
            torn = board.power.snapshot()

            def again():
                board.power.restore(torn)
                return board

            def check_again(board):
                assert fields(State(board)) in (old, new, last)
                state = filled(State(board), 4)
                expected = fields(state)
                state.put()
                whole(board, expected)

            inner.append(every_cut(again, act_again, check_again, MOODY))

        outer = every_cut(lambda make=make: prepared(make), act, judge, MOODY)
        assert len(inner) == outer + 1 and min(inner) == outer, (outer, inner)


def test_the_first_put_ever_leaves_nothing_or_the_new_state():
    for make in MEDIA:
        new = fields(filled(State(make())))

        def act(board):
            filled(State(board)).put()

        def judge(board, new=new):
            assert fields(State(board)) in (BLANK, new)
            filled(State(board)).put()
            whole(board, new)

        assert every_cut(make, act, judge, MOODY) == {"nor": 12, "card": 5}[make.__name__] * 4


def test_flash_that_fails_is_no_blank_state_but_one_torn_bank_is():
    board = Board(trial_layout("direct", "spi"))
    flash = board.disks["flash"]
    first = board.layout["state"]["start"] // flash.erase_size
    banks = [{first + 2 * bank, first + 2 * bank + 1} for bank in range(3)]
    for bank in banks:
        flash.bad_blocks = set(bank)
        assert State(board).phase == IDLE
    for bank in range(3):
        flash.bad_blocks = banks[bank] | banks[bank - 1]
        try:
            State(board)
        except OSError:
            continue
        raise AssertionError("taken for blank")


def test_a_noise_that_passes_brings_no_old_state_back():
    board = Board(trial_layout("direct", "spi"))
    state = State(board)
    for floor in (1, 2, 3):
        state.floor = floor
        state.put()
    read, noises = board.disks["flash"].readblocks, [4]

    def noisy(*args):
        if noises[0]:
            noises[0] -= 1
            return -5
        return read(*args)

    board.disks["flash"].readblocks = noisy
    assert State(board).floor == 3
    assert not noises[0]


# What was verified


def test_two_statements_are_remembered_the_newest_first():
    board = nor()
    first, second, third = [noise(32, i) for i in range(3)]
    state = State(board)
    assert not state.is_verified(first)
    state.remember(first)
    assert state.is_verified(first) and state.verified == first + bytes(32)
    state.remember(second)
    state.remember(second)
    assert state.verified == second + first
    state.remember(first)  # is the newest again
    assert state.verified == first + second
    state.put()
    state = State(board)
    assert state.is_verified(first) and state.is_verified(second)
    state.remember(third)
    assert state.verified == third + first
    assert not state.is_verified(second)


def test_a_digest_across_two_statements_was_not_verified():
    state = State(nor())
    state.remember(noise(32, 1))
    state.remember(noise(32, 2))
    for at in range(33):
        assert state.is_verified(state.verified[at : at + 32]) == (at in (0, 32))


def test_without_a_root_of_trust_nothing_was_verified():
    """Everybody knows the key of such a record."""
    for rot in (None, b""):
        board = nor()
        board._rot = rot
        state = State(board)
        state.remember(noise(32, 1))
        state.put()
        state = State(board)
        assert state.verified[:32] == noise(32, 1)
        assert not state.is_verified(noise(32, 1))


# On a chip that others can write


def external():
    """A board whose state is on such a chip; its store is elsewhere."""
    layout = trial_layout("direct")
    layout["state"] = {"device": "spi", "start": 3 * BLOCK, "size": 6 * BLOCK, "external": True}
    layout["devices"]["spi"]["size"] = 9 * BLOCK
    return Board(layout)


def confirmed(board, count, floor, anchor=True):
    """The state as it is after this many images were confirmed."""
    state = State(board)
    state.count, state.floor = count, floor
    state.blacklist(failed(count))
    state.put()
    if anchor:
        state.drop_anchor()
    return state


def test_the_anchor_is_count_and_floor_written_when_they_differ():
    board = external()
    assert State(board).drop_anchor() is False  # none is there, which says the same
    assert board.store().get(ANCHOR + b"MAIN") is None
    state = confirmed(board, 0x12345678, 0x1122334455667788)
    value = b"\x78\x56\x34\x12\x88\x77\x66\x55\x44\x33\x22\x11"
    assert board.store().get(ANCHOR + b"MAIN") == board.store().get(b"anchor.MAIN") == value
    ops = board.power.ops
    assert state.drop_anchor() is False and State(board).drop_anchor() is False
    assert board.power.ops == ops
    state.floor += 1
    assert state.drop_anchor() is True
    assert board.store().get(ANCHOR + b"MAIN") == b"\x78\x56\x34\x12\x89" + value[5:]


def test_an_older_record_on_an_external_chip_is_none_and_the_floor_holds():
    board = external()
    confirmed(board, 1, 5)
    chip = bytes(board.disks["spi"].data)
    confirmed(board, 2, 9)
    assert (State(board).count, State(board).floor) == (2, 9)
    board.disks["spi"].load(0, chip)
    state = State(board)
    assert fields(state) == BLANK[:8] + [2, 9] + BLANK[10:]
    state.put()  # and the device can go on from here
    state = State(board)
    assert fields(state) == BLANK[:8] + [2, 9] + BLANK[10:]
    confirmed(board, 3, 10)
    assert (State(board).count, State(board).floor) == (3, 10)


def test_an_erased_external_chip_does_not_lower_the_floor():
    board = external()
    confirmed(board, 4, 9)
    board.disks["spi"].load(0, b"\xff" * (9 * BLOCK))
    assert fields(State(board)) == BLANK[:8] + [4, 9] + BLANK[10:]


def test_a_record_as_old_as_the_anchor_or_newer_counts():
    """Newer: a cut came between the two."""
    board = external()
    confirmed(board, 2, 9)
    bad = confirmed(board, 3, 8, False).bad
    state = State(board)
    assert (state.count, state.floor, state.bad) == (3, 9, bad)
    state.drop_anchor()
    assert (State(board).count, State(board).floor, State(board).bad) == (3, 9, bad)


def test_an_anchor_of_another_length_is_none():
    board = external()
    state = confirmed(board, 2, 9)
    for junk in (b"\x00", b"\xff" * 11, b"\xff" * 13, b"\xff" * 32):
        board.store().put(ANCHOR + b"MAIN", junk)
        assert fields(State(board)) == fields(state)
    board.store().put(ANCHOR + b"MAIN", b"\xff" * 12)
    assert fields(State(board)) == BLANK[:8] + [0xFFFFFFFF, (1 << 64) - 1] + BLANK[10:]


def test_an_anchor_that_cannot_be_read_is_an_error_and_no_blank_state():
    board = external()
    confirmed(board, 2, 9)
    board.vault.bad_blocks = {0, 1, 2}
    try:
        State(board)
    except OSError:
        return
    raise AssertionError("taken for none")


def test_a_state_that_is_not_external_has_no_anchor():
    board = external()
    confirmed(board, 2, 9)
    board.layout["state"]["external"] = False
    confirmed(board, 1, 5, False)
    assert (State(board).count, State(board).floor) == (1, 5)
    board.vault.bad_blocks = {0, 1, 2}
    assert State(board).floor == 5


def test_a_cut_while_an_image_is_confirmed_lowers_no_floor():
    def prepare():
        board = external()
        confirmed(board, 1, 5)
        return board

    def act(board):
        confirmed(board, 2, 9)

    def judge(board):
        state = State(board)
        assert (state.count, state.floor) in ((1, 5), (2, 9))
        confirmed(board, 3, 11)
        assert (State(board).count, State(board).floor) == (3, 11)

    assert every_cut(prepare, act, judge, MOODY) > 40


def test_marks_say_something_in_a_swap_only():
    """They are under no MAC."""
    for mode in ("overwrite", "direct"):
        board = Board(trial_layout(mode))
        state = State(board)
        state.put()
        state.journal.mark()
        state = State(board)
        assert state.moves() == 0
        state.floor = 7
        state.put()
        assert (State(board).is_new, State(board).floor) == (False, 7)
