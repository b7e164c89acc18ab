"""Arguments that would fail later, in an update or an outage, are refused or converted at once."""

from fwcore.errors import FwError
from resume_kit import board_of
from trial_kit import device, offer
from ufota import client, loop, trial
from ufota.firmware.esp32 import OtaPartition
from ufota.firmware.stm32 import Mboot
from ufota.fleet_client import FleetClient
from ufota.hawkbit import messages as ddi
from ufota.sources.alibaba import AlibabaSource
from ufota.sources.card import CardSource
from ufota.sources.group import Group
from ufota.sources.hawkbit import HawkbitSource
from ufota.sources.http import HttpSource
from ufota.sources.poll import Pace, Poll
from ufota.sources.retry import Retry
from ufota.update.writer import UpdateWriter
from ufota.web.service import HttpService
from ufota_testkit.virtual_clock import middle
from update_kit import MANIFEST_URL, FakeSource, bundle

BOTH = True  # runs on CPython and on MicroPython

NAN, INFINITE = float("nan"), float("inf")
URL = "http://host/DEFAULT/controller/v1/dev-1"
WHERE = "key", "name"


class Mqtt:
    """As much of an MQTT client as is looked at before the first login."""

    def set_callback(self, callback):
        pass


class Storage:
    size = 8192
    erase_size = 4096


def refused(make, *wrong, **named):
    try:
        make(*wrong, **named)
    except (TypeError, ValueError, AttributeError, LookupError, OverflowError):
        return
    raise AssertionError((make, wrong, named))


def each_refused(make, values):
    """values: name of an argument -> values of it that are wrong"""
    for name, all_wrong in values.items():
        for wrong in all_wrong:
            refused(make, **{name: wrong})


def test_back_off():
    numbers = -1, NAN, "5", None, b"5"
    each_refused(
        Retry,
        {
            "initial_s": numbers,
            "max_s": numbers,
            "give_up_s": numbers,
            "asked_s": numbers,
            "attempts": numbers,
            "least": numbers + (0, 0.5),
            "factor": numbers + (0, 0.5, 1001, 1 << 40, INFINITE),
            "random": (5, "os", Mqtt()),
        },
    )


def test_back_off_of_any_accepted_numbers_never_fails():
    edges = 0, 0.5, 1, (1 << 30) - 1, 1 << 30, 1 << 40, INFINITE
    for first in edges:
        for factor in (1, 1.5, 1000):
            retry = Retry(first, factor, first, first, random=middle)
            for code in (71, 105) * 5:
                wait_ms = retry.after(FwError(code))
                assert wait_ms is None or 0 <= wait_ms <= 345600000 and wait_ms == int(wait_ms)


def test_polls():
    numbers = -1, NAN, "5", None, b"5"

    def poll(url=MANIFEST_URL, interval_s=5, **more):
        return Poll(HttpSource(), url, interval_s, **more)

    def pace(interval_s=5, **more):
        return Pace(interval_s, **more)

    for make in (poll, pace):
        each_refused(make, {"interval_s": numbers, "first_s": numbers[:3], "retry": (5, Retry)})
    each_refused(poll, {"url": (None, MANIFEST_URL.encode(), 5)})
    refused(Poll, None, MANIFEST_URL, 5)
    for made in (pace(), poll().pace):
        for wrong in numbers:
            refused(setattr, made, "interval_s", wrong)
            refused(made.notify, wrong)
        assert made.interval_s == 5
        made.interval_s = 1 << 40
        made.again()
        assert 0 < made.left_ms() < 1 << 32


def test_http():
    for make in (HttpSource, HttpService):
        times = 0, -1, NAN, "5", None, 1 << 29, INFINITE
        each_refused(make, {"timeout_ms": times, "limit_ms": times + (0.5,)})
        assert make(0.5, None, 1.5).limit_ms == 1
        make((1 << 29) - 1, None, (1 << 29) - 1)


def test_card():
    def card(path="/sd", **more):
        return CardSource(None, path, **more)

    names = None, 5, b"x"
    mounts = 5, "/sd", Mqtt()
    each_refused(card, {"path": names, "name": names, "mount": mounts})
    each_refused(card, {"settle_ms": (None, "soon", NAN, INFINITE)})
    card(settle_ms=0.5)


def test_group():
    refused(Group, [], None)
    refused(Group, [HttpSource()], None)
    ordered = CardSource(None, "/a"), CardSource(None, "/b", cost="cheap")
    refused(Group, ordered, None)
    one = CardSource(None)
    found = Group((each for each in [one]), None)
    assert found._ordered() == [one]  # a generator has nothing for a second round


def test_hawkbit():
    board = board_of("sd")

    def hawkbit(url=URL, http=None, **more):
        return HawkbitSource(board, http or HttpService(), url, **more)

    calls = 5, "yes", Mqtt()
    each_refused(
        hawkbit,
        {
            "url": (None, 5, URL.encode()),
            "token": (None, 5, b"TargetToken x", "TargetToken x\n", "x\r\nHost: other"),
            "attributes": (5, "hw", [1], Mqtt()),
            "consent": calls,
            "approve_install": calls,
            "pace": (300, Pace, "often"),
            "limit": (None, "2048", 2048.5),
            "side": (5, HttpSource()),
            "http": (5, HttpSource()),
        },
    )
    hawkbit(attributes=dict, consent=middle, pace=Pace(5), side=HttpService())


def test_alibaba():
    def cloud(mqtt=None, product_key="key", device_name="name", **more):
        return AlibabaSource(None, mqtt or Mqtt(), product_key, device_name, **more)

    numbers = -1, NAN, "5", None, 0.5, 1 << 40, INFINITE
    each_refused(
        cloud,
        {
            "mqtt": (5, "host", HttpSource()),
            "product_key": (None, 5, b"key"),
            "device_name": (None, 5, b"name"),
            "block": numbers + (0, 131073),
            "on_other": (5, "topic"),
            "reconnect_s": numbers + (0,),
            "patience_ms": numbers + (0,),
            "block_ms": numbers + (0,),
            "repeats": numbers,
        },
    )
    made = cloud(block=2048.0)
    assert made._block == 2048 and isinstance(made._block, int)

    def other(**more):
        return AlibabaSource(None, None, "", "", module="radio", link=made.link, **more)

    other(block=3580)
    each_refused(other, {"block": (3581, 0), "repeats": (3,)})  # longer replies are not taken


def test_clients():
    board = board_of("sd")
    calls = 5, "yes", True, Mqtt()
    values = {
        "approve_download": calls,
        "approve_install": calls,
        "progress": calls,
        "buf": (bytes(4096), "x" * 4096, 4096),
    }
    for make in (client.Client, FleetClient):

        def made(make=make, **more):
            return make(board, FakeSource({}), **more)

        each_refused(made, values)
        made(buf=bytearray(4096), progress=print)
        made(buf=memoryview(bytearray(6144)))
    each_refused(
        lambda **more: FleetClient(board, FakeSource({}), **more), {"retry": (5, Retry, True)}
    )


def test_a_writer_makes_a_view_of_its_buffer():
    """Parts of a bytearray are copies: what is read into them is lost."""
    update = UpdateWriter(board_of("sd"), bytearray(4096))
    update.buf[2048:][0] = 7
    assert update.buf[2048] == 7
    refused(UpdateWriter, board_of("sd"), bytes(4096))


def test_firmware_has_a_number_for_a_version():
    for wrong in ("1.2.0", None, b"1.2"):
        refused(OtaPartition, None, wrong)
        refused(Mboot, Storage(), 0, 4096, 0, wrong, 0, {})


def asynchronous(*_):
    """What an async function returns has a send(), and is true. So has this, on both."""
    yield


def on_trial():
    board = device("swap")
    offer(board)
    from fwboot import main

    assert main.run(board)
    return board


def test_an_async_function_does_not_confirm_an_image():
    from fwcore.state import TRIAL, State

    for confirm in (
        lambda board: trial.confirm_when(board, asynchronous, 1000),
        lambda board: loop.run(FleetClient(board, FakeSource({})), asynchronous),
    ):
        board = on_trial()
        refused(confirm, board)
        assert State(board).phase == TRIAL


def test_an_async_function_approves_nothing():
    for which in ("approve_download", "approve_install"):
        board = board_of("sd")
        source = FakeSource({MANIFEST_URL: bundle("two")})
        made = client.Client(board, source, **{which: asynchronous})
        made.start(MANIFEST_URL)
        refused(made.run)
        assert made.state in (client.APPROVE_DOWNLOAD, client.APPROVE_INSTALL)


def test_an_async_function_agrees_to_no_confirmation_of_hawkbit():
    made = HawkbitSource(board_of("sd"), HttpService(), URL, consent=asynchronous)

    def get(http, href):
        return {"id": "7", "confirmation": {"chunks": []}}
        yield

    made._server.get = get
    refused(list, made._ask("http://host/x"))
    assert ddi.consent(True) != ddi.consent(False)


def test_times_of_a_trial_are_converted():
    board = on_trial()
    answers = [False, True]
    assert trial.confirm_when(board, lambda: answers.pop(0), 99.5, 0.5)
    for wrong in (-1, 1 << 29, None, NAN):
        refused(trial.confirm_when, board, lambda: False, wrong)
    refused(trial.confirm_when, board, lambda: False, 5, None)
