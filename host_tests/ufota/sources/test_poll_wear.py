"""How often who answers for a server can have the candidate's flash erased; days on one clock."""

import time

from fwcore.errors import FwError
from fwcore.manifest import version_word
from resume_kit import board_of
from ufota import client, fleet_client, patch_client
from ufota.sources import poll
from ufota.sources.retry import Retry
from ufota_testkit.simboard import active_slot, put
from ufota_testkit.virtual_clock import Clock, middle
from update_kit import MANIFEST_URL, OLD, FakeSource, Page, bundle

BOTH = True  # runs on CPython and on MicroPython

DAYS = 2
_DAY_MS = 86400000
_OVER = (client.READY, client.FAILED, client.IDLE)
_good = bundle("three")
GARBAGE = _good[:-1] + bytes((_good[-1] ^ 1,))
NOT_NEWER = bundle("two")
CUT = 5000  # bytes, of which the first buffer is written


def teardown_function(_):
    poll.time = fleet_client.time = time  # on CPython other tests share the modules


class Attacker(FakeSource):
    """Answers for the server. answers: (body, bytes after which the link breaks), by turns"""

    def __init__(self, answers):
        super().__init__({}, pieces=(512,))
        self.answers = answers

    def open(self, url, at=0, tag=b""):
        body, self.drops = self.answers[len(self.opened) % len(self.answers)]
        self._pages = {url: Page(body, ranges=False)}
        super().open(url, at, tag)


def erases(answers, make=fleet_client.FleetClient, retries=True, resumes=True, runs="2.0.0"):
    """Erases of the candidate's first block on each day. runs: version of the active image"""
    board = board_of("spi")
    put(board, active_slot(board), version_word(runs), OLD[1])
    if not resumes:
        del board.layout["client"]
    clock = poll.time = fleet_client.time = Clock()
    source = poll.Poll(Attacker(answers), MANIFEST_URL, 60, Retry(random=middle), first_s=0)
    machine = make(board, source, retry=Retry(random=middle) if retries else None)
    given = count(board.disks["spi"], clock)
    while clock.now < DAYS * _DAY_MS:
        attempt(machine, clock)
        assert machine.state != client.READY
        clock.now += max(source.pace.left_ms(), 1)
    return given


def count(disk, clock):
    """A list that becomes the erases of the disk's block 1 on each day."""
    given, ioctl = [0] * DAYS, disk.ioctl

    def counted(request, argument):
        day = clock.now // _DAY_MS
        if (request, argument) == (6, 1) and day < DAYS:
            given[day] += 1
        return ioctl(request, argument)

    disk.ioctl = counted
    return given


def attempt(machine, clock):
    try:
        if machine.poll():
            while machine.state not in _OVER:
                machine.step()
                if machine.state == fleet_client.PAUSED:
                    clock.now = max(clock.now, machine._until_ms)
    except FwError:
        pass


def test_whatever_the_attacker_answers_erases_become_rare():
    cut = GARBAGE, CUT
    for answers in (
        ((GARBAGE, 0),),
        ((GARBAGE, 0), (NOT_NEWER, 0)),
        (cut,),
        (cut, (NOT_NEWER, 0)),
        (cut, (NOT_NEWER, 100)),
        (cut, (GARBAGE, CUT + 200), (GARBAGE, 0), (NOT_NEWER, 0)),
    ):
        for retries, resumes in ((True, True), (True, False), (False, False)):
            given = erases(answers, retries=retries, resumes=resumes)
            assert 1 <= given[0] <= 60 and given[1] <= 25, (answers, retries, resumes, given)


def test_patches_that_are_garbage_are_no_way_around_that():
    """What is begun anew for the whole image counts, whatever comes in its place."""
    packed = bundle("packed_patch")
    garbage = packed[:-60] + bytes((packed[-60] ^ 1,)) + packed[-59:]
    other = bundle("other_class")  # final, and nothing is erased for it
    given = erases(((garbage, 0), (other, 0)), patch_client.PatchClient, runs="1.0.0")
    assert 1 <= given[0] <= 60 and given[1] <= 25, given
