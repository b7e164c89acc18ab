"""A forged boot state starts nothing that is neither signed nor under a record of this device."""

from forged_state import real_key, run

BOTH = True  # runs on CPython and on MicroPython


def test_a_share_of_the_forged_states():
    assert run(range(2000)) == 2000


def test_a_share_with_a_real_key():
    assert run(range(100000, 100060), *real_key()) == 60
