"""The journal: the newest snapshot survives, whatever a cut leaves."""

import journals
from fwcore import errors
from fwcore.journal import Journal
from fwcore.storage import Storage
from helpers import raises
from journals import card, nor
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import MOODY, every_cut

BOTH = True  # runs on CPython and on MicroPython

LIMIT = 80


def journal(disk):
    return journals.journal(disk, LIMIT)


def loaded(disk):
    found = journal(disk)
    found.load()
    return found


def with_puts(make, *payloads):
    """A disk on which each payload was put in a session of its own."""
    disk = make()
    for payload in payloads:
        journal(disk).put(payload)
    return disk


def test_a_blank_or_scribbled_region_holds_nothing():
    for make in nor, card:
        disk = make()
        assert loaded(disk).payload is None
        disk.load(0, noise(len(disk.data)))
        assert loaded(disk).payload is None
        disk.load(0, bytes(len(disk.data)))
        assert loaded(disk).payload is None


def test_the_newest_snapshot_is_found():
    for make in nor, card:
        disk = make()
        for i in range(12):
            journal(disk).put(b"session %d" % i)
            assert loaded(disk).payload == b"session %d" % i
        one = journal(disk)
        for i in range(12):
            one.put(b"put %d" % i)
            assert loaded(disk).payload == one.payload == b"put %d" % i


def test_load_changes_nothing():
    disk = with_puts(nor, b"a", b"b")
    before = disk.snapshot()
    disk.power.reset()
    assert loaded(disk).payload == b"b"
    assert disk.power.ops == 0 and disk.snapshot() == before


def test_marks_count_steps_until_the_bank_is_full():
    for make in nor, card:
        disk = make()
        one = journal(disk)
        assert one.room() == 0
        one.put(b"plan")
        total = one.room()
        assert total == {1024: 13, 2048: 1}[one._size]
        for i in range(total):
            assert one.room() == total - i
            one.mark()
            assert loaded(disk).marks == i + 1
        assert one.room() == 0
        one.put(b"plan, further on")
        assert loaded(disk).marks == 0 and one.room() == total


def test_a_session_does_not_append_to_what_it_found():
    disk = nor()
    one = journal(disk)
    one.put(b"plan")
    one.mark()
    again = loaded(disk)
    assert again.marks == 1 and again.room() == 0
    again.put(b"plan from 1")
    assert again.marks == 0 and loaded(disk).payload == b"plan from 1"


def test_a_payload_has_a_limit():
    one = journal(nor())
    one.put(bytes(LIMIT))
    raises(errors.TOO_BIG, one.put, bytes(LIMIT + 1))
    assert one.payload == bytes(LIMIT)


def test_a_region_too_small_is_refused():
    disk = nor()
    storage = Storage(disk, 1024, 64)
    raises(errors.TOO_BIG, Journal, storage, 0, 3 * 1024 - 1, LIMIT)
    raises(errors.TOO_BIG, Journal, storage, 0, 3 * 1024, 1024 - 128 - 16 + 1)
    Journal(storage, 0, 3 * 1024, 1024 - 128 - 16)


def test_an_unreadable_bank_counts_as_torn():
    disk = with_puts(nor, b"a", b"b")
    for bank in range(3):
        disk.bad_blocks = {bank}
        assert loaded(disk).payload in (b"a", b"b", None)


def test_nothing_is_put_where_nothing_can_be_read():
    """No cut tears two banks: what is there may be good, and a put would erase it."""
    disk = with_puts(nor, b"a", b"b")
    before, refused = bytes(disk.data), 0
    for banks in {0, 1}, {0, 2}, {1, 2}, {0, 1, 2}:
        disk.bad_blocks = banks
        one = journal(disk)
        for act in one.load, lambda one=one: one.put(b"c"):
            try:
                act()
                break  # the bank that can be read has one
            except OSError:
                refused += 1
        else:
            assert disk.data == before
    assert refused == 4, refused  # load and put, in two of the four


def test_storage_that_keeps_nothing_is_noticed():
    disk = nor()
    disk.power.fail_at(2)
    one = journal(disk)
    try:
        one.put(b"x")
    except OSError:
        pass
    else:
        raise AssertionError("a failed write was not noticed")
    one.put(b"y")  # and the next try is good
    assert loaded(disk).payload == b"y"


def test_wear_is_one_erase_a_put_and_one_more_a_session():
    disk = with_puts(nor, *[b"%d" % i for i in range(30)])
    assert sum(disk.wear) == 2 * 30 + 1  # the very first session scrubs two banks
    assert max(disk.wear) - min(disk.wear) <= 2
    disk = nor()
    one = journal(disk)
    for i in range(30):
        one.put(b"%d" % i)
    assert sum(disk.wear) == 30 + 2


def test_a_flipped_byte_of_the_newest_record_gives_the_one_before():
    for make in nor, card:
        disk = with_puts(make, b"a", b"b")
        place = bytes(disk.data).find(b"b", bytes(disk.data).find(b"uFWj\x01\x00\x01\x00\x02"))
        for at in range(place - 12, place + 5):
            disk.data[at] ^= 0x10
            assert loaded(disk).payload == b"a", at
            disk.data[at] ^= 0x10
        assert loaded(disk).payload == b"b"


def test_an_uncommitted_record_counts_only_when_nothing_is_committed():
    disk = nor()
    disk.cut_at(3)  # erase, record, commit
    until_dark(journal(disk).put, b"first")
    disk.power.reset()
    assert loaded(disk).payload == b"first"
    disk = with_puts(nor, b"a", b"b")
    disk.power.reset()
    disk.cut_at(3)
    until_dark(journal(disk).put, b"c")
    disk.power.reset()
    assert loaded(disk).payload == b"b"


def test_the_number_of_an_uncommitted_record_is_not_used_again():
    """Its commit may have been torn, and show later: then it must not be the newest."""
    disk = with_puts(nor, b"a", b"b")
    disk.power.reset()
    disk.cut_at(3)
    until_dark(journal(disk).put, b"c")  # number 3
    disk.power.reset()
    journal(disk).put(b"d")
    assert bytes(disk.data).find(b"uFWj\x01\x00\x01\x00\x04") >= 0


def test_numbers_that_end_within_a_session_leave_the_newest_snapshot():
    """Nobody counts so far: somebody wrote a record with a number near the highest."""
    for make in nor, card:
        disk = with_puts(make, b"0")
        # The largest number of a put is 0xFFFFFFFD: that of the third one here.
        planted = journals.journal(disk, LIMIT)
        planted.load()
        planted._banks = [(committed, seq and 0xFFFFFFFA) for committed, seq in planted._banks]
        for i in range(1, 7):
            planted.put(b"%d" % i)
            assert loaded(disk).payload == b"%d" % i, i


def test_a_mark_belongs_to_one_snapshot():
    disk = card()
    one = journal(disk)
    for i in range(4):  # the banks come round again, with the marks of their last snapshot
        one.put(b"plan %d" % i)
        assert loaded(disk).marks == 0, i
        one.mark()
        assert loaded(disk).marks == 1


def test_a_record_or_mark_that_was_not_kept_is_noticed():
    """A worn-out unit: the write succeeds, what is read back differs."""
    for unit, act in ((0, "put"), (1, "put"), (2, "put"), (3, "mark")):
        disk = nor()
        one = journal(disk)
        one.put(b"x")
        one.put(b"x")  # bank 2 is next
        if act == "mark":
            one.put(b"x")
        keep = disk._put

        def forget(start, new, tear, used, keep=keep, at=2 * 1024 + unit * 64):
            keep(start, bytes(len(new)) if start == at else new, tear, used)

        disk._put = forget
        if act == "put":
            raises(errors.WRITE_FAILED, one.put, b"new")
        else:
            raises(errors.WRITE_FAILED, one.mark)


def until_dark(act, *args):
    try:
        act(*args)
    except BaseException as error:
        assert type(error).__name__ == "PowerCut", error
        return
    raise AssertionError("no cut")


def cut_puts(make, *payloads):
    """Cut a put everywhere; then the next session's put, and load() has the last word."""

    def check(disk):
        found = loaded(disk).payload
        assert found in (payloads[-1] if payloads else None, b"new"), found
        journal(disk).put(b"later")
        for _ in range(4):  # a moody unit has several faces
            assert loaded(disk).payload == b"later"

    def act(disk):
        journal(disk).put(b"new")

    return every_cut(lambda: with_puts(make, *payloads), act, check, MOODY)


def test_a_cut_in_a_put_leaves_old_or_new():
    # erase, record, commit, scrub, seal; the first put ever scrubs two banks
    assert cut_puts(nor) == (1 + 1 + 1 + 2 + 1) * 4
    assert cut_puts(nor, b"a") == 5 * 4
    assert cut_puts(nor, b"a", b"b") == 5 * 4
    assert cut_puts(nor, b"a", b"b", b"c") == 5 * 4
    assert cut_puts(card) == 5 * 4
    assert cut_puts(card, b"a", b"b") == 4 * 4


def test_two_cuts_in_a_row_leave_old_or_new():
    inner = []

    def act(disk):
        journal(disk).put(b"new")

    def check(disk):
        torn = disk.power.snapshot()

        def again():
            disk.power.restore(torn)
            return disk

        def later(disk):
            journal(disk).put(b"later")

        def check_later(disk):
            assert loaded(disk).payload in (b"b", b"new", b"later")
            journal(disk).put(b"last")
            for _ in range(4):
                assert loaded(disk).payload == b"last"

        inner.append(every_cut(again, later, check_later, MOODY))

    for make in nor, card:
        every_cut(lambda make=make: with_puts(make, b"a", b"b"), act, check, MOODY)
    assert sum(inner) == (5 * 4 + 1) * 20 + (4 * 4 + 1) * 16


def test_a_storm_of_cuts_never_brings_an_old_snapshot_back():
    """Sessions that put and mark are cut at random; what was durable is never lost."""
    for seed in range(60):
        disk = (nor, card)[seed % 2]()
        dice = noise(400, seed)
        durable, tried = None, []
        for i in range(100):
            disk.power.reset()
            disk.power.cut_at(dice[4 * i] % 9 + 1, MOODY[dice[4 * i + 1] % 4])
            payload = b"%d" % i
            try:
                found = loaded(disk).payload
                assert found == durable or found in tried, (seed, i, found, durable, tried)
                tried.append(payload)
                one = journal(disk)
                one.put(payload)
                durable, tried = payload, []
                one.mark()
                one.put(payload)
            except BaseException as error:
                if type(error).__name__ != "PowerCut":
                    raise


def test_a_put_that_was_cut_is_not_settled_until_it_is_put_again():
    """What a torn commit says at one start may not be what it says at the next."""

    def act(disk):
        journal(disk).put(b"new")

    def check(disk):
        disk.power.mood, disk.power.cycles = 0b01, 0
        one = loaded(disk)
        found = one.payload
        if not one.settled:
            one.put(found)
        disk.power.cycle()
        assert loaded(disk).payload == found

    for make in nor, card:
        every_cut(lambda make=make: with_puts(make, b"a", b"b"), act, check, MOODY)
    disk = with_puts(nor, b"a")
    disk.power.reset()
    disk.cut_at(4)  # erase, record, commit
    until_dark(journal(disk).put, b"b")
    disk.power.reset()
    one = loaded(disk)
    assert one.payload == b"b" and not one.settled
    one.put(b"b")
    assert one.settled and loaded(disk).settled
