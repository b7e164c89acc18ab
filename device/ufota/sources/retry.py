"""Back-off: how long to wait before the next attempt, and when to give up.

The only place where waits grow: the client (links that break), polls (servers that are
down) and services use it. It has no clock: the caller waits. The waits are added up here,
because seven days are more than a difference of ticks can hold.

The rule is Arm's resume engine's:

    next = clamp(previous next * factor, initial, max)
    wait = next - next / 8 + random(0..next / 4), at most the time left
    clamped again to initial..max

so 5, 10, 20 .. 2560, 3600, 3600 .. seconds, each more or less by an eighth: 33 attempts on the
first day, 24 on each other one. What looks permanent (verdicts.py) has the same rule with
factor**3 and 24 * max: 5, 40, 320, 2560, 20480 seconds, then a day: 6 attempts on the first day,
then 1 a day. Progress sets it back to the start.

It does not survive a reset: a write for each failure would wear the client store out, and a
reset may be what mends the cause (memory, a clock). After it a poll comes after a random part
of its interval.
"""

from micropython import const

from fwcore import modules

_DAY_S = const(86400)
_MAX_WAIT_S = const(345600)  # 4 days; a difference of ticks holds 6
_MAX_GIVE_UP_S = const(2592000)  # 30 days
_RARELY = const(24)  # times max_s; and the cube of the factor
_MAX_FACTOR = const(1000)
# CONNECT, TIMEOUT, CUT_SHORT, TOO_SLOW, BUSY, NO_ANSWER: for these the table is not loaded.
_LINK = const((71, 72, 75, 94, 111, 115))


class Retry:
    """One back-off: of an update, of a poll. Not to be shared.

    Seconds may be fractions.

    initial_s, factor, max_s:  of the rule above; factor: 1..1000
    give_up_s:  waits without progress that are enough; 30 days at most
    attempts:   attempts without progress that are enough; the default is more than the waits
                of give_up_s allow
    random:     function(bits) -> 0..2**bits - 1
    least:      bytes that have to come to count as progress, 1 or more: a server that brings
                one with each attempt must not be asked for ever
    asked_s:    longest wait that a server may ask for, and a quarter more; HttpSource tells of
                an hour at most
    raises:     ValueError, TypeError
    """

    def __init__(
        self,
        initial_s=5,
        factor=2,
        max_s=3600,
        give_up_s=7 * _DAY_S,
        attempts=250,
        random=None,
        least=1024,
        asked_s=3600,
    ):
        if not (1 <= factor <= _MAX_FACTOR and attempts >= 0 and least >= 1):
            raise ValueError
        if random and not callable(random):
            raise TypeError
        self._max = ms_of(max_s, _MAX_WAIT_S)
        self._initial = ms_of(initial_s, _MAX_WAIT_S)
        self._factor = factor
        self._give_up = ms_of(give_up_s)
        self._attempts = attempts
        self._least = least
        self._asked = ms_of(asked_s, _MAX_WAIT_S)
        self.random = random or noise()
        self._last = None  # (code, at) of the last error, also of the update before
        self.reset()

    def reset(self):
        """Begin anew: an update or a poll has ended, or a new one begins."""
        self._next = 0  # ms, before the random part
        self._waited = 0  # ms without progress
        self._tries = 0  # attempts without progress
        self._most = 0  # bytes, at the last progress

    def after(self, error, source=None, done=0):
        """What to do about an error.

        error:    the FwError
        source:   its retry_after_s, if it has one, is how long the server asks to wait: waited
                  for at least, but not for longer than asked_s and a quarter
        done:     bytes that have come so far. `least` more than at the last progress are
                  progress; bytes that had come before, and were lost because the object
                  changed, are none
        returns:  ms to wait before the next attempt; None: give up
        """
        if done - self._most >= self._least:
            self.reset()
            self._most = done
        left = self._give_up - self._waited
        if left <= 0 or self._tries >= self._attempts or is_final(error.code):
            self.reset()
            return None
        factor, most = self._factor, self._max
        if self.is_rare(error, source):
            factor, most = factor**3, min(most * _RARELY, _MAX_WAIT_S * 1000)
        self._last = error.code, error.at
        self._tries += 1
        self._next = self._clamp(int(self._next * factor), most)
        wait = self._clamp(min(spread(self._next, self.random), left), most)
        asked = min(getattr(source, "retry_after_s", 0) * 1000, self._asked)
        if asked >= wait:  # a fleet sent away at once must not come back at once
            wait = asked + share(asked // 4, self.random)
        self._waited += wait
        modules.make_room(("ufota.sources", "verdicts"))
        return wait

    def is_rare(self, error, source=None):
        """True for an error that looks permanent. Arguments: as after(), which comes later."""
        if error.code in _LINK:
            return False
        asks = getattr(source, "retry_after_s", 0) > 0
        return _verdicts().looks_permanent(error, asks, self._last == (error.code, error.at))

    def _clamp(self, ms, most):
        return min(max(ms, self._initial), most)


def noise():
    """function(bits) -> 0..2**bits - 1, of what the port has; at most 24 bits."""
    try:
        urandom = modules.built_in("os").urandom
    except AttributeError:  # a port without a source of noise
        return modules.built_in("random").getrandbits
    return lambda bits: int.from_bytes(urandom(3), "little") >> 24 - bits


def is_final(code):
    """True when an error number is a verdict on the image: see verdicts.py."""
    return code not in _LINK and _verdicts().is_final(code)


def _verdicts():
    """Loaded when the first error comes that is not of every link: heap."""
    modules.load("ufota.sources", "verdicts")
    from ufota.sources import verdicts

    return verdicts


def ms_of(seconds, most_s=_MAX_GIVE_UP_S):
    """Seconds, at most so many, in ms. Raises ValueError below 0, TypeError of no number."""
    if not seconds >= 0:  # not below 0, which lets NaN through
        raise ValueError
    return int(min(seconds, most_s) * 1000)


def spread(ms, random):
    """ms, more or less by up to an eighth."""
    return ms - ms // 8 + share(ms // 4, random)


def share(ms, random):
    """A random part of ms."""
    return ms * random(16) >> 16
