"""The client store: values and a count that survive, on one journal."""

from fragments_kit import client_store_of, restarted, simple_board

BOTH = True  # runs on CPython and on MicroPython


def reopened(board):
    return client_store_of(restarted(board))


def test_count_goes_on_over_resets_full_banks_and_other_values():
    board = simple_board("sd")
    store = client_store_of(board)
    assert store.count() == 0
    store.restart(b"job", b"one")
    room = store.journal.room()
    assert 0 < room < 20
    for count in range(1, 3 * room):
        store.count_on()
        assert store.count() == count
        if count % 7 == 0:
            store.put(b"other", bytes((count,)))
        if count % 5 == 0:
            store = reopened(board)
        assert store.count() == count
    assert store.get(b"job") == b"one"


def test_restart_sets_a_value_and_the_count_in_one_write():
    board = simple_board("sd")
    store = client_store_of(board)
    store.restart(b"job", b"one")
    for _ in range(5):
        store.count_on()
    store = reopened(board)
    store.count_on()  # written anew: the count is in the record now
    assert store.count() == 6
    store.restart(b"job", b"one")  # of the same value, too
    assert store.count() == 0
    store = reopened(board)
    assert store.count() == 0 and store.get(b"job") == b"one"


def test_delete_keeps_the_count_and_the_other_values():
    board = simple_board("sd")
    store = client_store_of(board)
    store.restart(b"job", b"one")
    store.put(b"other", b"two")
    store.count_on()
    store.delete(b"job")
    store = reopened(board)
    assert store.count() == 1 and store.keys() == [b"count", b"other"]
