"""Back-off: how long to wait before the next attempt, and when to give up.

The only place where waits grow: the client (links that break), polls (servers that are
down) and services use it. It has no clock: the caller waits. The waits are added up here,
because seven days are more than a difference of ticks can hold.

The rule is Arm's resume engine's:

    next = clamp(previous next * factor, initial, max)
    wait = next - next / 8 + random(0..next / 4), at most the time left
    clamped again to initial..max

so 5, 10, 20 .. 2560, 3600, 3600 .. seconds, each more or less by an eighth. Progress sets it
back to the start.
"""

from micropython import const

from fwcore import errors
from fwcore.modules import built_in

_DAY_S = const(86400)
_MAX_WAIT_S = const(345600)  # 4 days; a difference of ticks holds 6
_MAX_GIVE_UP_S = const(2592000)  # 30 days

# Of errors_net.py, which would take 2 KB of heap for these.
_BAD_RANGE = const(93)
_TOO_SLOW = const(94)
_TLS_FAILED = const(107)
_BUSY = const(111)
_NO_ANSWER = const(115)

# Errors that another attempt may not meet. TLS that refuses will refuse again.
_LINK = (
    errors.CONNECT,
    errors.TIMEOUT,
    errors.BAD_RESPONSE,
    errors.CUT_SHORT,
    _BAD_RANGE,
    _TOO_SLOW,
    _TLS_FAILED,
    _BUSY,
    _NO_ANSWER,
)
_STATUSES = (408, 429, 500, 502, 503, 504)  # of HTTP_STATUS


class Retry:
    """One back-off: of an update, of a poll. Not to be shared.

    initial_s, factor, max_s:  of the rule above
    give_up_s:  waits without progress that are enough; 30 days at most
    attempts:   attempts without progress that are enough; the default is more than the waits
                of give_up_s allow
    random:     function(bits) -> 0..2**bits - 1
    """

    def __init__(
        self, initial_s=5, factor=2, max_s=3600, give_up_s=7 * _DAY_S, attempts=250, random=None
    ):
        self._max = min(max_s, _MAX_WAIT_S) * 1000
        self._initial = initial_s * 1000
        self._factor = factor
        self._give_up = min(give_up_s, _MAX_GIVE_UP_S) * 1000
        self._attempts = attempts
        self.random = random or _noise()
        self.reset()

    def reset(self):
        """Begin anew: an update or a poll has ended, or a new one begins."""
        self._next = 0  # ms, before the random part
        self._waited = 0  # ms without progress
        self._tries = 0  # attempts without progress
        self._most = 0  # bytes

    def after(self, error, source=None, done=0):
        """What to do about an error.

        error:    the FwError
        source:   its retry_after_s, if it has one, is how long the server asks to wait: waited
                  for at least, but not for longer than max_s and a quarter
        done:     bytes that have come so far. More than ever before is progress; bytes that
                  had come before, and were lost because the object changed, are none
        returns:  ms to wait before the next attempt; None: give up
        """
        if done > self._most:
            self.reset()
            self._most = done
        left = self._give_up - self._waited
        if not passing(error) or left <= 0 or self._tries >= self._attempts:
            self.reset()
            return None
        self._tries += 1
        self._next = self._clamp(self._next * self._factor)
        wait = self._clamp(min(spread(self._next, self.random), left))
        asked = min(getattr(source, "retry_after_s", 0) * 1000, self._max)
        if asked >= wait:  # a fleet sent away at once must not come back at once
            wait = asked + share(asked // 4, self.random)
        self._waited += wait
        return wait

    def _clamp(self, ms):
        return min(max(ms, self._initial), self._max)


def passing(error):
    """True for an FwError that another attempt may not meet again."""
    if error.code == errors.HTTP_STATUS:
        return error.at in _STATUSES
    return error.code in _LINK


def spread(ms, random):
    """ms, more or less by up to an eighth."""
    return ms - ms // 8 + share(ms // 4, random)


def share(ms, random):
    """A random part of ms."""
    return ms * random(16) >> 16


def _noise():
    """function(bits) -> 0..2**bits - 1, of what the port has."""
    try:
        urandom = built_in("os").urandom
    except AttributeError:  # a port without a source of noise
        return built_in("random").getrandbits
    return lambda bits: int.from_bytes(urandom(4), "little") >> 32 - bits
