"""The key-value store: a torn put yields the old value or the new one, for every key."""

from fwcore import errors
from fwcore.kv import KeyValue
from helpers import raises
from journals import card, journal, nor
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import MOODY, every_cut

BOTH = True  # runs on CPython and on MicroPython


def store(disk):
    own = journal(disk, 300)
    return KeyValue(own, own.load())


def test_values_are_there_after_a_reset():
    for make in nor, card:
        disk = make()
        one = store(disk)
        assert one.keys() == [] and one.get(b"rot") is None and one.get(b"rot", b"-") == b"-"
        one.put(b"rot", bytes(range(16)))
        one.put(b"state", b"")
        one.put(b"rot", b"other")
        for found in one, store(disk):
            assert found.keys() == [b"rot", b"state"]
            assert found.get(b"rot") == b"other" and found.get(b"state") == b""
        one.delete(b"rot")
        one.delete(b"never there")
        assert store(disk).keys() == [b"state"]


def test_a_value_that_is_there_is_not_written():
    disk = nor()
    store(disk).put(b"a", b"1")
    disk.power.reset()
    store(disk).put(b"a", b"1")
    store(disk).delete(b"b")
    assert disk.power.ops == 0


def test_what_does_not_fit_is_refused_and_the_old_stands():
    disk = nor()
    one = store(disk)
    one.put(b"a", bytes(290))
    raises(errors.TOO_BIG, one.put, b"", b"x")
    raises(errors.TOO_BIG, one.put, bytes(256), b"x")
    raises(errors.TOO_BIG, one.put, b"a", bytes(1 << 16))
    raises(errors.TOO_BIG, one.put, b"b", bytes(10))
    raises(errors.TOO_BIG, one.put, b"a", bytes(297))
    for found in one, store(disk):
        assert found.keys() == [b"a"] and found.get(b"a") == bytes(290)
    one.put(b"a", bytes(296))


def test_a_payload_of_something_else_is_an_empty_or_shorter_store():
    for seed in range(40):
        disk = nor()
        journal(disk, 300).put(noise(seed * 7, seed))
        one = store(disk)
        found = one.keys()
        assert all(one.get(key) is not None for key in found)
        one.put(b"k", b"v")
        assert store(disk).get(b"k") == b"v"


def filled(make):
    disk = make()
    one = store(disk)
    one.put(b"keep", b"kept")
    one.put(b"change", b"old")
    return disk


def test_a_cut_in_a_put_or_delete_leaves_old_or_new():
    def put(disk):
        store(disk).put(b"change", b"new")

    def delete(disk):
        store(disk).delete(b"change")

    def check(disk):
        found = store(disk)
        assert found.get(b"keep") == b"kept"
        assert found.get(b"change") in (b"old", b"new", None)
        found.put(b"change", b"later")
        for _ in range(4):
            assert store(disk).get(b"change") == b"later"

    for act in put, delete:
        assert every_cut(lambda: filled(nor), act, check, MOODY) == 5 * 4
        assert every_cut(lambda: filled(card), act, check, MOODY) == 4 * 4


def test_a_value_that_a_cut_left_in_doubt_is_written_again():
    disk = filled(nor)
    disk.power.reset()
    disk.cut_at(4)  # erase, record, commit: it can be read
    try:
        store(disk).put(b"change", b"new")
    except BaseException as error:
        assert type(error).__name__ == "PowerCut", error
    disk.power.reset()
    one = store(disk)
    assert one.get(b"change") == b"new"
    one.put(b"change", b"new")
    assert disk.power.ops and store(disk)._journal.settled
