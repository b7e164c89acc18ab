"""A fleet whose update service is down for a day, and whose power fails three times meanwhile.

    python host_tests/system/outage.py [DEVICES]

DEVICES of each service, 100 if left out. A device is a board of the test kit with the boot
stage, ufota.loop and the sources as they are, in virtual time. When the outage begins, three of
four are in the middle of a download or have just started the new image; the fourth hears of it
only afterwards. That very moment power fails for all of them, comes back, and fails again, before
any image is confirmed; the third time is in the middle of the outage. For half of the devices it
goes in a flash operation. The application's health check asks its own sensors, which need five
minutes after each start.

The devices meet only in the figures, so they are simulated one after the other. Exit code 1 when
something is not as it must be.
"""

import random
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
FOLDERS = "tools/hostshim device bootloader tools host_tests/kit host_tests/simulators"
sys.path[0:0] = [str(ROOT / name) for name in FOLDERS.split()]

import micropython  # noqa: E402, F401  (gives CPython's time its ticks)

import outage_services  # noqa: E402
from alibaba_kit import with_client_store  # noqa: E402
from fwboot import main as boot_stage  # noqa: E402
from fwcore.manifest import version_word  # noqa: E402
from fwcore.state import IDLE, State  # noqa: E402
from outage_services import SERVICES  # noqa: E402
from toy_manifest import manifest  # noqa: E402
from ufota import fleet_client, loop  # noqa: E402
from ufota.alibaba import blocks, link  # noqa: E402
from ufota.hawkbit import rest as hawkbit_rest  # noqa: E402, F401  (later its clock is set)
from ufota.hawkbit import server  # noqa: E402
from ufota.sources import alibaba, http, poll, retry  # noqa: E402
from ufota.update import rest  # noqa: E402
from ufota.web import service as web_service  # noqa: E402
from ufota_testkit import simboard  # noqa: E402
from ufota_testkit.noise import noise  # noqa: E402
from ufota_testkit.simdisk import ALL, PowerCut  # noqa: E402

HOUR_S = 3600
DOWN_S = HOUR_S, 25 * HOUR_S  # from, to
# Power goes, and is back.
FAILURES_S = tuple((DOWN_S[0] + off, DOWN_S[0] + off + 20) for off in (0, 60, 12 * HOUR_S))
END_S = DOWN_S[1] + 6 * HOUR_S
HEALTHY_S = 300  # after a start, the sensors answer
BEFORE_S = 400  # a device begins its update at most so long before the outage
OLD, NEW = version_word("1.0.0"), version_word("2.0.0")
IMAGES = {OLD: noise(3000, 1), NEW: noise(5000, 2)}
MOST_A_DAY = {"plain HTTP": 60, "hawkBit": 60, "Alibaba Cloud": 400}  # requests of a device
REVERTED = "a good image was taken back, black-listed or reported as a failure"
NOT_UPDATED = "not all are updated"
TOO_OFTEN = "a device asks too often while the service is down"
CROWDED = "too many ask in the same second"
_TIMED = fleet_client, loop, blocks, link, server, alibaba, http, poll, rest, web_service
_MOST_OPERATIONS = 12  # until a power cut that was planned


class Reset(BaseException):
    """The board's."""


class Over(BaseException):
    """The virtual time is."""


class Board(simboard.Board):
    def reset(self):
        raise Reset


class Device:
    """One device, and what became of it.

    kind:     key of SERVICES
    number:   of the device; makes its fate
    bits:     its source of random numbers, function(bits); None: one of its own
    asks:     False: the application has no is_healthy()
    end_s:    of its life

    versions: of each start, in order
    torn:     times that power went in an operation
    updated_s: when the new image was found healthy; None: never
    """

    def __init__(self, kind, number, bits=None, asks=True, end_s=END_S):
        fate = self._fate = random.Random(f"{kind} {number}")
        begins_s = DOWN_S[0] - fate.uniform(0, BEFORE_S)
        clock = self._clock = outage_services.Clock(int(begins_s * 1000))
        layout = with_client_store(simboard.trial_layout("swap", "spi", 11))
        key = simboard.ToyKey()
        self.board = board = Board(layout, simboard.ROT, key)
        simboard.put(board, simboard.active_slot(board), OLD, IMAGES[OLD])
        bundles = [manifest(board, key, each, IMAGES[each]) + IMAGES[each] for each in (OLD, NEW)]
        published_s = DOWN_S[0] + HOUR_S if number % 4 == 3 else 0
        down_ms = DOWN_S[0] * 1000, DOWN_S[1] * 1000
        self.service = SERVICES[kind](clock, down_ms, published_s * 1000, *bundles)
        self._bits = bits or fate.getrandbits
        self._asks = asks
        self._end_s = end_s
        self.versions = []
        self.torn = 0
        self.updated_s = None

    def live(self):
        """Its whole life, with the modules under test on its clock and network."""
        net = outage_services.Net(self.service)
        parts = [(module, "time", self._clock) for module in _TIMED]
        parts += [(http, "socket", net), (http, "select", net), (web_service, "select", net)]
        parts.append((retry, "noise", lambda: self._bits))
        real = [(module, name, getattr(module, name)) for module, name, _ in parts]
        for each in parts:
            setattr(*each)
        try:
            for off_s, on_s in FAILURES_S:
                if on_s < self._end_s:
                    self._powered(off_s)
                    self._clock.now = on_s * 1000
            self._powered(None)
        finally:
            for each in real:
                setattr(*each)

    def _powered(self, off_s):
        """From power-on until power fails, or until the end."""
        clock, power = self._clock, self.board.power
        power.reset()
        power.cycle()
        if off_s:
            arms_ms = max((off_s - 60) * 1000, clock.now)
            clock.alarms = [(arms_ms, self._plan_cut), (off_s * 1000, self._go_dark)]
        else:
            clock.alarms = [(self._end_s * 1000, self._end)]
        clock.sleep_ms(0)
        while True:
            try:
                self._start()
            except Reset:
                pass
            except PowerCut:
                self.torn += clock.now < off_s * 1000
                return
            except Over:
                return

    def _plan_cut(self):
        if self._fate.random() < 0.5:
            power = self.board.power
            operation = power.ops + self._fate.randint(1, _MOST_OPERATIONS)
            power.cut_at(operation, self._fate.choice(ALL))

    def _go_dark(self):
        self.board.power.off()
        raise PowerCut("for all")

    def _end(self):
        raise Over

    def _start(self):
        """The boot stage, then the application."""
        board = self.board
        vars(board).pop("client_store", None)  # it was in RAM
        found = boot_stage.run(board)
        if not found:
            raise AssertionError(board.lines)
        is_first = not self.versions
        self.versions.append(found.head.version)
        self._healthy_ms = self._clock.now + HEALTHY_S * 1000
        client = self.service.client(board, is_first)
        loop.run(client, self._is_healthy if self._asks else None)

    def _is_healthy(self):
        if self._clock.now < self._healthy_ms:
            return False
        if self.updated_s is None and self.versions[-1] == NEW:
            self.updated_s = self._clock.now / 1000
        return True


class Story:
    """What is told of a device in the end: figures only, so that it may come from a process.

    reverts:  starts of an older image than the start before had
    is_bad:   its new image is black-listed
    is_kept:  the new image runs, confirmed
    """

    def __init__(self, device):
        state = State(device.board)
        versions = device.versions
        self.reverts = sum(after < before for before, after in pairwise(versions))
        self.is_bad = state.is_bad(sha256(IMAGES[NEW]).digest())
        self.is_kept = versions[-1] == NEW and state.phase == IDLE
        self.updated_s = device.updated_s
        self.torn = device.torn
        self.failures = device.service.failures()
        self.asked_s = [ms // 1000 for ms in device.service.asked_ms]


def story(kind, number, **how):
    device = Device(kind, number, **how)
    device.live()
    return Story(device)


class Fleet:
    """What the devices of one service have done, in figures.

    late_s:    how long after the service was back each of those was updated that had waited
    day:       requests of each device while the service was down
    """

    def __init__(self, kind, stories):
        self.kind = kind
        self.size = len(stories)
        self.reverts = sum(each.reverts for each in stories)
        self.bad = sum(each.is_bad for each in stories)
        self.failures = sum(len(each.failures) for each in stories)
        self.kept = sum(each.is_kept for each in stories)
        self.torn = sum(each.torn for each in stories)
        updated_s = [each.updated_s for each in stories if each.updated_s is not None]
        self.late_s = [at_s - DOWN_S[1] for at_s in updated_s if at_s > DOWN_S[1]]
        self.day = [sum(DOWN_S[0] <= at < DOWN_S[1] for at in each.asked_s) for each in stories]
        self._asked = Counter(at for each in stories for at in each.asked_s)

    def most(self, width_s):
        """Most requests of all in so many seconds: (after a power-up, after the return)."""
        return [
            max(sum(self._asked[at + more] for more in range(width_s)) for at in range(*within))
            for within in ((FAILURES_S[0][1], DOWN_S[1] - width_s), (DOWN_S[1], END_S))
        ]

    def wrongs(self):
        """What is not as it must be, as text."""
        # All want something when power is back, and when the service is. Ten more by chance.
        crowd = self.size / 20 + 10
        found = {
            REVERTED: self.reverts or self.bad or self.failures,
            NOT_UPDATED: self.kept < self.size,
            TOO_OFTEN: max(self.day) > MOST_A_DAY[self.kind],
            CROWDED: max(self.most(1)) > crowd,
        }
        return [words for words in found if found[words]]


def told(fleet):
    """Lines about it."""
    second, minute = fleet.most(1), fleet.most(60)
    return [
        f"{fleet.kind}: {fleet.size} devices, power cut in a flash operation for {fleet.torn}",
        f"  reverted {fleet.reverts}, black-listed {fleet.bad}, told as failures {fleet.failures}",
        f"  updated {fleet.kept}; {len(fleet.late_s)} of them after the service was back: "
        f"median {median(fleet.late_s) / 60:.0f} min, last {max(fleet.late_s) / 60:.0f} min",
        f"  requests of a device in the 24 hours: median {median(fleet.day):.0f}, "
        f"most {max(fleet.day)}",
        f"  most requests of all in one second: {second[0]} in the outage, {second[1]} after it",
        f"  most requests of all in one minute: {minute[0]} in the outage, {minute[1]} after it",
        *[f"  WRONG: {words}" for words in fleet.wrongs()],
    ]


def main(devices):
    wrongs = 0
    for kind in SERVICES:
        with ProcessPoolExecutor() as pool:
            fleet = Fleet(kind, list(pool.map(partial(story, kind), range(devices))))
        print("\n".join(told(fleet)), flush=True)
        wrongs += len(fleet.wrongs())
    return int(wrongs > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 100))
