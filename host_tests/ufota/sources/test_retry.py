"""Back-off: waits as in Arm's rule to the millisecond, when it gives up, and on what."""

from fwcore import errors, errors_net
from fwcore.errors import FwError
from ufota.sources import verdicts
from ufota.sources.retry import Retry, share, spread
from ufota_testkit.virtual_clock import high, low, middle

BOTH = True  # runs on CPython and on MicroPython

CONNECT = FwError(71)
NOT_FOUND = FwError(73, 404)

# Worked out by hand from the rule: 5 s, factor 2, at most an hour, in ms.
LOW = 5000, 8750, 17500, 35000, 70000, 140000, 280000, 560000, 1120000, 2240000, 3150000, 3150000
MIDDLE = 5000, 10000, 20000, 40000, 80000, 160000, 320000, 640000, 1280000, 2560000, 3600000
HIGH = 5624, 11249, 22499, 44999, 89999, 179999, 359998, 719997, 1439995, 2879990, 3600000


class Server:
    def __init__(self, seconds):
        self.retry_after_s = seconds


def waits(count, **options):
    retry = Retry(**options)
    return tuple(retry.after(CONNECT) for _ in range(count))


def test_waits_are_those_of_the_rule():
    assert waits(12, random=low) == LOW
    assert waits(12, random=middle) == MIDDLE + (3600000,)
    assert waits(12, random=high) == HIGH + (3600000,)


def test_waits_follow_the_parameters():
    given = waits(5, initial_s=30, factor=3, max_s=600, random=middle)
    assert given == (30000, 90000, 270000, 600000, 600000)
    assert waits(3, initial_s=30, factor=1, random=high) == (33749,) * 3
    assert waits(2, initial_s=10, max_s=4, random=middle) == (
        4000,
        4000,
    )  # max_s has the last word
    assert waits(1, initial_s=10**6, max_s=10**6, random=middle) == (345600000,)  # fits ticks


def test_it_gives_up_after_seven_days_of_waiting():
    retry = Retry(random=middle)
    total = count = 0
    while True:
        wait = retry.after(CONNECT)
        if wait is None:
            break
        total += wait
        count += 1
    assert (total, count) == (7 * 86400 * 1000, 177)


def test_attempts_do_not_end_it_before_the_days_do():
    retry = Retry(random=low)
    total, wait = 0, 0
    while wait is not None:
        total += wait
        wait = retry.after(CONNECT)
    assert total == 7 * 86400 * 1000


def test_thirty_days_are_the_most():
    retry = Retry(3600, give_up_s=10**8, attempts=10**6, random=middle)
    count = 0
    while retry.after(CONNECT):
        count += 1
    assert count == 30 * 24


def test_the_last_wait_is_the_time_left_but_not_less_than_the_first():
    assert waits(3, give_up_s=12, random=middle) == (5000, 7000, None)
    assert waits(4, give_up_s=17, random=middle) == (5000, 10000, 5000, None)
    assert waits(1, give_up_s=0) == (None,)


def test_attempts_are_bounded():
    assert waits(4, attempts=3, random=middle) == (5000, 10000, 20000, None)
    assert waits(1, attempts=0) == (None,)
    assert waits(4, initial_s=0, attempts=3, random=high) == (0, 0, 0, None)


def test_progress_begins_anew():
    retry = Retry(attempts=3, give_up_s=20, random=middle, least=1)
    for done in (0, 100, 101, 5000):
        assert retry.after(CONNECT, None, done) == 5000
        assert retry.after(CONNECT, None, done) == 10000
        assert retry.after(CONNECT, None, done) == 5000  # the time left
    assert retry.after(CONNECT, None, 5000) is None


def test_bytes_that_were_lost_again_are_no_progress():
    """A server that changes the object all the time must not be asked for ever."""
    retry = Retry(attempts=4, random=middle)
    given = [retry.after(CONNECT, None, done) for done in (100, 0, 100, 50, 100)]
    assert given == [5000, 10000, 20000, 40000, None]


def test_after_it_gave_up_it_is_as_new():
    for error in (CONNECT, FwError(errors.BAD_SIGNATURE)):
        retry = Retry(attempts=2, random=middle, least=1)
        assert retry.after(CONNECT, None, 9) == 5000
        assert retry.after(CONNECT, None, 9) == 10000
        assert retry.after(error, None, 9) is None
        assert retry.after(CONNECT, None, 1) == 5000
        assert retry.after(CONNECT, None, 2) == 5000  # 9 is forgotten


def test_reset_is_as_new():
    retry = Retry(attempts=2, random=middle)
    assert [retry.after(CONNECT, None, 9) for _ in range(2)] == [5000, 10000]
    retry.reset()
    assert [retry.after(CONNECT) for _ in range(3)] == [5000, 10000, None]


def test_only_what_is_final_is_not_tried_again():
    for code in range(300):
        wait = Retry(random=middle).after(FwError(code, 404))
        assert wait == (None if verdicts.is_final(code) else 5000), code


def seconds(count, error, source=None, **options):
    retry = Retry(random=middle, **options)
    return [retry.after(error, source) // 1000 for _ in range(count)]


def test_what_looks_permanent_is_tried_more_and_more_rarely():
    rare = [5, 40, 320, 2560, 20480, 86400, 86400]
    for error in (NOT_FOUND, FwError(errors_net.CLOCK_NOT_SET), FwError(errors.NO_MEMORY)):
        assert seconds(7, error) == rare
    assert seconds(4, NOT_FOUND, max_s=1, initial_s=1, factor=3) == [1, 24, 24, 24]
    assert seconds(3, NOT_FOUND, initial_s=90000, max_s=90000) == [90000, 345600, 169200]
    assert seconds(3, NOT_FOUND, Server(1)) == [5, 10, 20]  # it says when to come back


def test_the_same_nonsense_again_is_tried_more_rarely():
    assert seconds(4, FwError(errors.BAD_RESPONSE, 70)) == [5, 40, 320, 2560]
    assert seconds(4, FwError(errors.BAD_RESPONSE, 1)) == [5, 10, 20, 40]
    retry = Retry(random=middle)
    given = [retry.after(FwError(errors.BAD_RESPONSE, at)) for at in (70, 71, 72)]
    assert given == [5000, 10000, 20000]


def test_the_link_after_what_looked_permanent_waits_an_hour_at_most():
    retry = Retry(random=middle)
    for _ in range(7):
        retry.after(NOT_FOUND)
    assert retry.after(CONNECT) == 3600000


def attempts(error, days):
    """Attempts on each of the first days, the very first one included."""
    retry, now, found = Retry(random=middle, give_up_s=30 * 86400), 0, [0] * days
    while now < days * 86400000:
        found[now // 86400000] += 1
        now += retry.after(error)
    return found


def test_attempts_on_each_day():
    assert attempts(CONNECT, 7) == [33] + [24] * 6
    assert attempts(NOT_FOUND, 7) == [6] + [1] * 6


def test_the_server_may_ask_for_a_longer_wait():
    def asked(seconds, bits, **options):
        return Retry(random=bits, **options).after(CONNECT, Server(seconds))

    assert asked(0, middle) == 5000
    assert asked(3, middle) == 5000
    assert asked(5, low) == 5000
    assert asked(120, low) == 120000
    assert asked(120, middle) == 135000
    assert asked(120, high) == 149999
    assert asked(10**9, low) == 3600000
    assert asked(10**9, high) == 4499986
    assert asked(100, low, max_s=60) == 100000  # its cap is one of its own
    assert asked(3600, low, asked_s=60) == 60000
    assert asked(3600, low, asked_s=0) == 5000
    assert asked(-5, middle) == 5000


def test_a_wait_at_the_limit_that_the_server_asked_for_too_is_spread():
    retry = Retry(3600, random=high)
    assert retry.after(CONNECT, Server(3600)) == 4499986


def test_waits_the_server_asked_for_count():
    retry = Retry(give_up_s=100, random=low)
    assert retry.after(CONNECT, Server(120)) == 120000
    assert retry.after(CONNECT, Server(120)) is None


def test_a_source_that_knows_no_such_wish_will_do():
    assert Retry(random=middle).after(CONNECT, object()) == 5000


def test_spread_is_an_eighth_to_both_sides():
    assert [spread(8000, bits) for bits in (low, middle, high)] == [7000, 8000, 8999]
    assert [share(8000, bits) for bits in (low, middle, high)] == [0, 4000, 7999]


def test_numbers_of_the_port_are_random_and_within_their_bits():
    random = Retry().random
    found = {random(16) for _ in range(200)}
    assert len(found) > 100 and min(found) >= 0 and max(found) < 1 << 16
    assert max(found) > 1 << 15 and min(found) < 1 << 15
    assert {random(1) for _ in range(100)} == {0, 1}
    given = {Retry().after(CONNECT) for _ in range(50)}
    assert len(given) > 5 and min(given) >= 5000 and max(given) < 5625


def test_a_server_that_brings_a_byte_with_each_attempt_is_given_up():
    retry = Retry(random=middle)
    count = 0
    while retry.after(CONNECT, None, count) is not None:
        count += 1
    assert count == 177  # as without a byte
    count = 0
    retry = Retry(random=middle, least=2)
    while count < 1000 and retry.after(CONNECT, None, count) is not None:
        count += 1
    assert count == 1000


def test_seconds_may_be_fractions():
    assert waits(3, initial_s=0.5, random=middle) == (500, 1000, 2000)
    assert waits(4, initial_s=1, factor=1.5, max_s=2.25, random=middle) == (1000, 1500, 2250, 2250)
    retry = Retry(0.25, max_s=0.25, give_up_s=0.5, asked_s=0.125, random=middle)
    assert [retry.after(CONNECT, Server(9)) for _ in range(3)] == [250, 250, None]


def test_arguments_are_refused_at_once():
    for name in ("initial_s", "max_s", "give_up_s", "asked_s", "attempts", "factor", "least"):
        for value, kind in ((-1, ValueError), (float("nan"), ValueError), ("5", TypeError)):
            refused(kind, Retry, **{name: value})
    refused(ValueError, Retry, factor=0.5)
    refused(ValueError, Retry, least=0)
    Retry(float("inf"), give_up_s=float("inf"), asked_s=float("inf"), max_s=float("inf"))


def refused(kind, make, **options):
    try:
        make(**options)
    except kind:
        return
    raise AssertionError(options)
