"""The real client with groups of polls: the update arrives from whoever can deliver it."""

import time

from fwcore import errors, errors_net
from fwcore.errors import FwError
from helpers import raises
from ufota.client import FAILED, READY
from ufota.fleet_client import FleetClient
from ufota.sources import group, poll
from ufota.sources.retry import Retry
from ufota_testkit import simboard
from ufota_testkit.virtual_clock import Clock, middle
from update_kit import (
    BASE,
    MANIFEST_URL,
    FakeSource,
    Key,
    Page,
    bundle,
    delivery,
    payload,
    running,
    staged,
)

BOTH = True  # runs on CPython and on MicroPython

CARD_URL = "card:update"


def teardown_function(_):
    group.time = poll.time = time  # on CPython other tests share the modules


class Picky(FakeSource):
    """Can open what begins with `kind`."""

    kind = CARD_URL[:5]

    def open(self, url, at=0, tag=b""):
        if not url.startswith(self.kind):
            raise FwError(errors.BAD_URL)
        super().open(url, at, tag)


def made(*sources, **options):
    """(board, client) with a group of the sources, the first the cheapest, each polled hourly."""
    group.time = poll.time = Clock()
    board = simboard.make("sd", 1, Key())
    polls = [
        poll.Poll(source, url, 3600, Retry(random=middle), 0, 100 + at)
        for at, (source, url) in enumerate(sources)
    ]
    return board, FleetClient(board, group.Group(polls, board), **options)


def lan(pages):
    return FakeSource(pages), MANIFEST_URL


def arrived(board, name="two"):
    return staged(board)[0][1] == payload(name)


def test_the_cheapest_delivers_and_the_other_is_not_asked():
    one, two = lan(delivery("two")), lan(delivery("two"))
    board, client = made(one, two)
    assert client.poll() and client.run()
    assert arrived(board) and two[0].opened == []
    assert client.state == READY


def test_a_source_that_is_down_gives_way_to_the_next_one():
    one, two = lan({}), lan(delivery("two"))
    board, client = made(one, two)
    raises(errors.CONNECT, client.poll)
    assert client.poll() and client.run()
    assert arrived(board)


def test_a_source_with_a_bad_image_gives_way_to_the_next_one():
    flipped = bytearray(payload("two"))
    flipped[7] ^= 1
    bad = dict(delivery("two"))
    bad[BASE + "payload.bin"] = bytes(flipped)
    for pages, code in (
        (bad, errors.CORRUPT),
        (delivery("stranger"), errors.BAD_SIGNATURE),
        (delivery("other_class"), errors.WRONG_CLASS),
        ({MANIFEST_URL: Page(bundle("two")[:-9])}, errors_net.OTHER_LENGTH),
    ):
        board, client = made(lan(pages), lan(delivery("two")))
        assert client.poll()
        raises(code, client.run)
        assert client.poll() and client.run()
        assert arrived(board)


def test_when_all_are_down_it_is_told_once_and_they_are_asked_again_later():
    one, two = lan({}), lan({})
    board, client = made(one, two)
    raises(errors.CONNECT, client.poll)
    raises(errors.CONNECT, client.poll)
    assert raises(errors_net.NO_SOURCE, client.poll).at == errors.CONNECT
    assert client.state == FAILED and not client.poll()
    one[0]._pages.update(delivery("two"))
    poll.time.now += 4999
    assert not client.poll()
    poll.time.now += 1
    assert client.poll() and client.run()
    assert arrived(board) and len(one[0].opened) == 3


def test_nothing_new_is_asked_for_again_after_the_interval():
    one, two = lan(delivery("small")), lan(delivery("small"))
    board, client = made(one, two)
    simboard.put(board, simboard.active_slot(board), 1 << 60, payload("small"))
    for turn in range(1, 4):
        for source in (one, two):
            assert client.poll()
            raises(errors.NOT_NEWER, client.run)
            assert source[0].opened == [MANIFEST_URL] * turn
        assert not client.poll() and not client.poll()
        poll.time.now += 3600000
    assert running(board)[0] == 1 << 60


def test_a_manifest_from_a_card_may_name_a_payload_that_another_source_has():
    card = Picky({CARD_URL: delivery("elsewhere")[MANIFEST_URL]})
    web = FakeSource({"http://other:81/two.bin": payload("elsewhere")})
    board, client = made((card, CARD_URL), (web, MANIFEST_URL))
    assert client.poll() and client.run()
    assert arrived(board, "elsewhere")
    assert web.opened == ["http://other:81/two.bin"]


def test_a_client_with_patience_resumes_before_the_next_source_is_asked():
    one, two = lan(delivery("two")), lan(delivery("two"))
    one[0].drops = 1000
    retry = Retry(0, max_s=0, attempts=2)
    board, client = made(one, two, retry=retry)
    assert client.poll() and client.run()
    assert arrived(board) and two[0].opened == []
    one[0].drops = 0

    board, client = made(lan({}), two, retry=Retry(0, max_s=0, attempts=2))
    assert client.poll()
    raises(errors.CONNECT, client.run)
    assert client.poll() and client.run()
    assert arrived(board)


def test_a_pushed_client_need_not_wait_for_the_interval():
    one, two = lan(delivery("two")), lan(delivery("two"))
    board, client = made(one, two)
    client.source.offer()
    client.source.offer()
    assert not client.poll()
    client.source._sources[1].pace.notify()
    assert client.poll() and client.run()
    assert arrived(board) and one[0].opened == []
