"""Rest: an action that has not ended, between two attempts at it.

Owns when it is taken up again, and whether the server has heard of the error. hawkbit.py loads
this file when an attempt has failed.
"""

from micropython import const

from ufota.sources import verdicts
from ufota.sources.poll import Pace

_DAY_S = const(86400)


class Rest:
    """The attempts at one action.

    id:      of the action
    waits:   True: it is not to be taken up yet
    """

    def __init__(self, identity):
        self.id = identity
        self.waits = False
        self._pace = Pace(_DAY_S, None, 0)
        self._said = 0  # error number that the server has heard
        self._most = -1  # bytes that had come when a new address was asked for

    def begin(self, error, source, done):
        """An attempt has failed. An address that has expired costs no wait, if bytes had come.

        error:    FwError, not final
        source, done: as for Retry.after()
        returns:  True when the server has not heard of this error yet
        """
        self.waits = True
        asks = getattr(source, "retry_after_s", 0) > 0
        if verdicts.is_expired(error) and not asks and done > self._most:
            self._most = done
            self._pace.notify()
        else:
            self._pace.failed(error, source, done)
        is_new = error.code != self._said
        self._said = error.code
        return is_new

    def left_ms(self):
        """Time left until the next attempt; 0: now."""
        return self._pace.left_ms()
