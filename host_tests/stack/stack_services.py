"""Scenes of stack_scenes.py: services, from what is polled to an image that is ready.

Each function prepares a board, and returns what is watched.
"""

import fake_hawkbit
import stack_worlds as worlds
from alibaba_kit import KEY, NAME, Cloud
from fake_broker import Broker
from fake_hawkbit import FakeHawkbit
from fwcore.state import State
from stack_net import Net, Web, pages
from ufota_testkit.virtual_clock import low
from update_kit import bundle

_FILE = "/image.fw"
_IMAGE = fake_hawkbit.HOST + _FILE


# hawkBit


def _hawkbit_net(server):
    """A network with this server in it."""
    server.files[_FILE] = bundle("two_bundle")

    def answer(method, path, head, body):
        lines = b"".join([line + b"\r\n" for line in head.split(b"\r\n")[1:]])
        status, said = server.answer(method, fake_hawkbit.HOST + path, lines, body)
        return status, b"Content-Length: %d\r\n" % len(said), said

    Net(lambda port: Web(answer)).plug()


def hawkbit(cancel=False, agreed=True, **inner):
    """The board asks, agrees, updates itself, or hears that the update is called off."""
    world = worlds.sold()
    server = FakeHawkbit()
    server.deploy("5", _IMAGE, agreed, **inner)
    _hawkbit_net(server)
    board = world.running()

    def act():
        from fwcore.errors import FwError
        from ufota.fleet_client import FleetClient
        from ufota.sources.hawkbit import HawkbitSource
        from ufota.sources.poll import Pace
        from ufota.web.service import HttpService

        source = HawkbitSource(
            board,
            HttpService(),
            server.url,
            fake_hawkbit.TOKEN,
            attributes={"hw_revision": "2"},
            consent=lambda name, version: True,
            side=HttpService(),
            pace=Pace(300, first_s=0),
        )
        client = FleetClient(board, source, approve_install=source.approve)
        while not client.poll():
            source.pace.notify()
        if not cancel:
            assert client.run()
            return
        client.step()
        server.cancel("6")
        source.pace.notify()
        try:
            client.run()
        except FwError:
            client.poll()

    return act


def hawkbit_consent():
    return hawkbit(agreed=False)


def hawkbit_cancel():
    return hawkbit(True)


def hawkbit_after():
    """After the reset: what came of it is told."""
    world = worlds.sold()
    server = FakeHawkbit()
    server.deploy("5", _IMAGE)
    _hawkbit_net(server)
    _take(world, server)
    worlds.booted(world, 4)
    state = State(world)
    for _ in range(2):  # the third of its rounds: that is a failure
        state.blacklist(state.new, True)
    state.put()
    board = world.running()

    def act():
        from ufota.fleet_client import FleetClient
        from ufota.sources.hawkbit import HawkbitSource
        from ufota.sources.poll import Pace
        from ufota.web.service import HttpService

        pace = Pace(300, first_s=0)
        source = HawkbitSource(board, HttpService(), server.url, fake_hawkbit.TOKEN, pace=pace)
        client = FleetClient(board, source, approve_install=source.approve)
        assert not client.poll() and not server.action

    return act


def _take(world, server):
    """The board takes what the server offers, and is ready for its reset."""
    from ufota.fleet_client import FleetClient
    from ufota.sources.hawkbit import HawkbitSource
    from ufota.sources.poll import Pace

    board = world.start()
    pace = Pace(300, first_s=0)
    source = HawkbitSource(board, server.http(), server.url, fake_hawkbit.TOKEN, pace=pace)
    client = FleetClient(board, source)
    assert client.poll() and client.run()


# Alibaba


class _Service(Cloud):
    """The cloud behind a broker: it hears bytes, and answers into its inbox."""

    def subscribe(self, topic, qos=0):
        pass

    def push_next(self):
        self.say("/ota/device/upgrade/" + KEY + "/" + NAME, {"code": "1000", "data": self.offer()})


def alibaba(**fields):
    """Over MQTT by umqtt.simple: greeting, offer, the file, reports. fields: of the offer"""
    world = worlds.sold()
    cloud = _Service(bundle("small"), **fields)
    answer = pages({"/fw.bin": bundle("small")}, [])
    Net(lambda port: Broker(cloud) if port == 1883 else Web(answer)).plug()
    board = world.running()

    def act():
        from umqtt.simple import MQTTClient

        from ufota.fleet_client import FleetClient
        from ufota.sources.alibaba import AlibabaSource
        from ufota.sources.http import HttpSource
        from ufota.sources.retry import Retry

        mqtt = MQTTClient("id", "host", user="user", password="password", keepalive=60)
        source = AlibabaSource(board, mqtt, KEY, NAME, http=HttpSource(), random=low)
        client = FleetClient(board, source, Retry())
        while not client.poll():
            source.wait(1000)
        assert client.run()
        source.wait(1000)
        client.poll()

    return act


def alibaba_http():
    return alibaba(url="http://host/fw.bin", dProtocol=None)


def login():
    worlds.sold()

    def act():
        from ufota.alibaba.login import login

        assert login(KEY, NAME, "secret")

    return act


SCENES = {
    "hawkBit": hawkbit,
    "hawkBit, consent": hawkbit_consent,
    "hawkBit, cancel": hawkbit_cancel,
    "hawkBit, after the way back": hawkbit_after,
    "Alibaba, blocks over MQTT": alibaba,
    "Alibaba, HTTP": alibaba_http,
    "Alibaba, login": login,
}
