"""A FleetClient whose download is cut: it goes on, and fetches little twice.

Owns the life in which the layout has a region `client`: a FleetClient brings the new image
over a link that breaks every LINK bytes, and each start of the device goes on with what the
client store says. Judged besides all that powercut_life.py judges, at every byte that is fetched:

    a cut costs one step of the slot, and the byte that tells a bundle from a manifest
    a cut after the image was verified may cost a download: its record is gone by then
    broken links, and a store that cannot be written, cost nothing and stop nothing

Runs on CPython and on MicroPython.
"""

from fragments_kit import restarted
from fwcore import errors_net
from fwcore.errors import FwError
from powercut_life import NEW, NO, Life, Truth, Wrong, manifest_for
from resume_kit import NoWait
from ufota import fleet_client
from ufota.update import client_store
from ufota_testkit.noise import noise
from ufota_testkit.simboard import BLOCK
from update_kit import MANIFEST_URL, FakeSource

FETCHED_TWICE = "more was fetched twice than cuts explain"
NOT_BEGUN = "an update that was under way did not begin again"
NEVER_OVER = "an update that is over began again"

LINK = 1800  # bytes a connection lasts
STEP = 4096  # bytes that a cut may cost


class FetchTruth(Truth):
    """Truth, and the bill.

    fetched:  bytes of the payload that the source handed out
    owed:     bytes it may hand out, without those that each cut costs
    known:    the address is in the client store
    """

    def __init__(self):
        super().__init__()
        self.fetched = self.owed = 0
        self.known = False

    def copy(self):
        other = super().copy()
        other.fetched, other.owed, other.known = self.fetched, self.owed, self.known
        return other


class Fetched(Life):
    """A Life whose layout has a region `client`."""

    faulty = False  # True: the client store may fail, and a download then begins anew

    def _begin(self):
        super()._begin()
        self.truth = FetchTruth()
        self.truth.owed = len(self.images[NEW])

    def _machine(self, image):
        """A client as it is made after a start: what the one before it knew is gone."""
        restarted(self.board)
        found = manifest_for(self.board, self.key, NEW, image)
        source = Counted(self, {MANIFEST_URL: found + image}, len(found))
        return fleet_client.FleetClient(
            self.board,
            source,
            retry=NoWait(attempts=5),
            permanent=not self.tries,
            approve_download=self._asked,
            approve_install=self._verified,
        )

    def _asked(self, found):
        self.truth.known = not self.faulty
        return True

    def _verified(self, found):
        self.truth.owed += len(self.images[NEW])
        return True

    def _update(self, new):
        machine = self._machine(new)
        known = self.truth.known and self.truth.offered == NO
        if not machine.poll():
            _must(not known, NOT_BEGUN)
            machine.start(MANIFEST_URL)
        machine.run()

    def fetch(self, least=1, image=None):
        """Download the first step of an image, or so many bytes, then go dark: nothing is lost."""
        machine = self._machine(image or self.images[NEW])
        machine.start(MANIFEST_URL)
        while machine.done < least:
            machine.step()
        self.truth.owed += 1

    def fetch_another(self):
        """The same with an image of this size that is not wanted any more."""
        self.fetch(STEP, noise(len(self.images[NEW]), 77))
        self.truth.fetched, self.truth.owed = 0, len(self.images[NEW])

    def spoil(self):
        """The most is fetched, and a byte of it turns over: all of it is fetched once more."""
        self.fetch(STEP)
        record = client_store.of(self.board).get(b"job")
        at = int.from_bytes(record[:4], "little")
        area = self.board.layout["candidates"]
        self.board.disks[area["device"]].data[at + 1000] ^= 1
        self.truth.owed += len(self.images[NEW]) + 1

    def settle(self):
        super().settle()
        # Whatever address is left is asked at most once more, and brings nothing. One of an image
        # that rests stays, and is asked when the rest is over: in the end it is laid aside.
        before, rests = self.truth.fetched, False
        machine = self._machine(self.images[NEW])
        try:
            _must(not machine.poll() or not machine.run(), NEVER_OVER)
        except FwError as error:
            rests = error.code == errors_net.RESTING
        _must(rests or not machine.poll(), NEVER_OVER)
        _must(self.truth.fetched - before <= 1, NEVER_OVER)


class Counted(FakeSource):
    """A link that breaks, and counts the bytes of the payload against the bill."""

    def __init__(self, life, pages, start):
        super().__init__(pages, pieces=(333, 512, 1))
        self.drops = LINK
        self._life = life
        self._start = start

    def readinto(self, mv):
        before = max(self._start, self._at)
        count = super().readinto(mv)
        truth = self._life.truth
        truth.fetched += max(0, self._at - before)
        _must(truth.fetched <= truth.owed + truth.cuts * (STEP + 1), FETCHED_TWICE)
        return count


def with_client_store(layout, shift, on):
    """The layout with the candidates `shift` blocks further on, and a store at a disk's end.

    So that the image does not begin with a step: the first one is shorter.

    on:  name of the store's disk
    """
    devices, area = layout["devices"], layout["candidates"]
    devices[area["device"]]["size"] += shift * BLOCK
    area["start"] += shift * BLOCK
    blocks = (
        6 if devices[on].get("overwrite", False) else 3
    )  # of a bank; a card's units are as long
    size = 3 * blocks * BLOCK
    layout["client"] = {"device": on, "start": devices[on]["size"], "size": size}
    devices[on]["size"] += size
    return layout


def _must(what, name):
    if not what:
        raise Wrong(name)
