"""A fleet polls one server, which fails for an hour: requests per second, with and without jitter.

The devices are the real poll.py and retry.py of ufota/sources, each with its own Poll; only
clock, network and client are played. Without jitter means a source of random numbers that
always gives the middle. Runs on CPython; as a script it prints the plots.
"""

import gc
import random
import sys
from array import array
from heapq import heapify, heapreplace

from fwcore import errors
from fwcore.errors import FwError
from ufota.client import FAILED
from ufota.sources import poll
from ufota.sources.retry import Retry
from ufota_testkit.virtual_clock import Clock

INTERVAL_S = 3600
DOWN_S = 3600, 7200  # from, to
PUSH_S = 5400
END_S = 5 * 3600
_INDEX_BITS = 20  # of a heap entry; its time is above


class Client:
    """What told() looks at."""

    state = FAILED
    fetched = 0
    url = None

    def __init__(self, error):
        self.error = error


_REFUSED = Client(FwError(errors.CONNECT))
_TURNED_AWAY = Client(FwError(errors.HTTP_STATUS, 503))
_SERVED = Client(FwError(errors.NOT_NEWER))


class Source:
    tag = b""
    retry_after_s = 0
    readinto = None


class Fleet:
    """Devices that all boot at the same instant, as after a blackout.

    bits:      source of random numbers, as retry.Retry takes it
    capacity:  requests per second the server answers; to those beyond it says 503
    requests:  per second
    answered:  of these
    left:      for each device 1, or 0 once it has been answered after the outage
    """

    def __init__(self, devices, bits, capacity):
        self._capacity = capacity
        self._clock = poll.time = Clock()
        source = Source()
        self._polls = [
            poll.Poll(source, "http://server/update", INTERVAL_S, Retry(random=bits))
            for _ in range(devices)
        ]
        self.requests = array("L", [0]) * END_S
        self.answered = array("L", [0]) * END_S
        self.left = bytearray(b"\1") * devices
        self._plan()

    def _plan(self):
        now = self._clock.now
        self._heap = [
            now + each.pace.left_ms() << _INDEX_BITS | index
            for index, each in enumerate(self._polls)
        ]
        heapify(self._heap)

    def run(self, until_s):
        """Let every device do what it does until then."""
        clock, heap, polls = self._clock, self._heap, self._polls
        end = 1000 * until_s << _INDEX_BITS
        while heap[0] < end:
            index = heap[0] & (1 << _INDEX_BITS) - 1
            now = clock.now = heap[0] >> _INDEX_BITS
            each = polls[index]
            if not each.offer():
                raise AssertionError("not due when it said it would be")
            each.report(self._answer(index, now // 1000))
            heapreplace(heap, now + each.pace.left_ms() << _INDEX_BITS | index)
        clock.now = 1000 * until_s

    def _answer(self, index, second):
        """What the server says to the request of a device, as told() is told it."""
        self.requests[second] += 1
        if DOWN_S[0] <= second < DOWN_S[1]:
            return _REFUSED
        if self._capacity and self.answered[second] >= self._capacity:
            return _TURNED_AWAY
        self.answered[second] += 1
        if second >= DOWN_S[1]:
            self.left[index] = 0
        return _SERVED

    def push(self, within_s):
        """All are told at this instant that there is news."""
        for each in self._polls:
            each.pace.notify(within_s)
        self._plan()


def simulate(devices, jitter, push_within_s=None, capacity=None):
    """The Fleet at the end.

    push_within_s:  None, or the devices are pushed to in the middle of the outage, and told to
                    spread their requests over so many seconds
    """
    bits = random.Random(1).getrandbits if jitter else lambda count: 1 << count - 1
    real = poll.time
    gc.disable()  # a hundred thousand devices, and no rubbish among them
    try:
        fleet = Fleet(devices, bits, capacity)
        if push_within_s is not None:
            fleet.run(PUSH_S)
            fleet.push(push_within_s)
        fleet.run(END_S)
    finally:
        poll.time = real
        gc.enable()
    return fleet


def peak(fleet):
    """Most requests of a second once the server is back."""
    return max(fleet.requests[DOWN_S[1] :])


def main(devices):
    from fleet_plot import text

    for title, jitter in (("without jitter", False), ("with jitter", True)):
        fleet = simulate(devices, jitter)
        title = f"{title}: {peak(fleet)} requests in one second after the outage"
        print("\n".join(text(title, fleet.requests, DOWN_S)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 100_000)
