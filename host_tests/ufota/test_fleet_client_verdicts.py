"""FleetClient: which errors end an update, which pass, and how often it tries again."""

import time

from fwcore import errors, errors_net
from fwcore.errors import FwError
from helpers import raises
from resume_kit import board_of, fleet_of
from ufota import client, fleet_client
from ufota.sources.retry import Retry
from ufota.update import client_store
from ufota_testkit.virtual_clock import Clock, middle
from update_kit import MANIFEST_URL, FakeSource, bundle

BOTH = True  # runs on CPython and on MicroPython

PAGES = {MANIFEST_URL: bundle("two")}


class Moody(FakeSource):
    """A source that fails with `error`, as often as `left` says, when it is opened."""

    retry_after_s = 0
    error = None
    left = 1

    def open(self, url, at=0, tag=b""):
        if self.error and self.left:
            self.left -= 1
            self.opened.append(url)
            raise self.error
        super().open(url, at, tag)


def interrupted():
    """A board that was reset in the middle of an update from an address."""
    board = board_of("sd")
    _, machine = fleet_of(board, PAGES)
    machine.start(MANIFEST_URL)
    while machine.state != client.DOWNLOAD:
        machine.step()
    for _ in range(4):
        machine.step()
    del board.client_store
    return board


def moody(board, error, left, retry):
    source = Moody(PAGES, pieces=(700,))
    source.error, source.left = error, left
    return source, fleet_client.FleetClient(board, source, retry=retry)


def test_a_remembered_address_survives_what_passes():
    for error in (
        FwError(errors.CONNECT, 113),
        FwError(errors_net.CLOCK_NOT_SET),
        FwError(errors_net.INSECURE_REDIRECT),
        FwError(errors.HTTP_STATUS, 403),
        FwError(errors.HTTP_STATUS, 404),
        FwError(errors.MALFORMED),
        MemoryError(),
    ):
        for retry in (None, Retry(0, max_s=0)):
            board = interrupted()
            _, machine = moody(board, error, 1, retry)
            try:
                assert machine.poll() and machine.run()
            except FwError:
                assert client_store.of(board).get(b"url") == MANIFEST_URL.encode()
                assert machine.poll() and machine.run()
            assert client_store.of(board).get(b"url") is None


def test_a_remembered_address_is_forgotten_for_what_is_final():
    for code in (errors.BAD_SIGNATURE, errors.WRONG_CLASS, errors.NOT_NEWER):
        board = interrupted()
        _, machine = moody(board, FwError(code), 1, Retry(0, max_s=0))
        raises(code, machine.poll)
        assert client_store.of(board).get(b"url") is None and not machine.poll()


def test_a_server_in_trouble_and_one_that_says_when_are_asked_again_at_once():
    statuses = [(status, 0) for status in (408, 425, 429, 500, 507, 509, 520, 522, 530)]
    for status, asked_s in statuses + [(401, 1), (403, 1), (404, 1)]:
        board = board_of("sd")
        error = FwError(errors.HTTP_STATUS, status)
        source, machine = moody(board, error, 3, Retry(0, max_s=0, attempts=4, asked_s=0))
        source.retry_after_s = asked_s
        machine.start(MANIFEST_URL)
        assert machine.run(), status


def test_what_looks_permanent_is_an_error_at_once_and_poll_waits():
    clock = fleet_client.time = Clock()
    try:
        source, machine = moody(
            interrupted(), FwError(errors.HTTP_STATUS, 404), 4, Retry(random=middle)
        )
        for wait_s in (5, 40, 320, 2560):
            raises(errors.HTTP_STATUS, machine.poll)
            count = len(source.opened)
            clock.now += wait_s * 1000 - 1
            assert not machine.poll() and len(source.opened) == count
            clock.now += 1
        assert machine.poll() and machine.run()
    finally:
        fleet_client.time = time


def attempts(error, days):
    """How often a remembered address is asked for, on each day."""
    clock = fleet_client.time = Clock()
    found = [0] * days
    retry = Retry(random=middle, give_up_s=30 * 86400)
    source, machine = moody(interrupted(), error, 1000, retry)
    while clock.now < days * 86400000:
        before = len(source.opened)
        try:
            if machine.poll() or machine.state in (fleet_client.PAUSED, client.CONNECT):
                machine.step()
        except FwError:
            pass
        found[clock.now // 86400000] += len(source.opened) - before
        clock.now += 5000
    return found


def test_attempts_on_each_day():
    try:
        assert attempts(FwError(errors.CONNECT), 2) == [33, 24]
        assert attempts(FwError(errors_net.UNTRUSTED), 7) == [6] + [1] * 6
    finally:
        fleet_client.time = time


def test_start_by_the_application_begins_with_a_new_back_off():
    retry = Retry(random=middle)
    _, machine = moody(interrupted(), FwError(errors.HTTP_STATUS, 404), 2, retry)
    for _ in range(2):
        raises(errors.HTTP_STATUS, lambda: machine.start(MANIFEST_URL))
        assert retry._tries == 1
    machine.start(MANIFEST_URL)
    assert machine.run()
