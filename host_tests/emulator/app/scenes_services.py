"""Scenes: services; what they say is not counted. See scenes_calls.py for what a scene is."""

import net
import server
from report import step, unwatched

_OWN = {"hw_revision": "2"}
_SECURE = "https://updates.example"  # the name in the certificate


# hawkBit: fake_hawkbit.py of host_tests


def hawkbit(kind=""):
    """Ask, agree, update. kind: consent, cancel, back, or that of the certificates: over TLS.

    Two connections at a time have no room over TLS: the server's ends are in this heap, too.
    """
    from board import Board

    from fwcore.errors import FwError
    from ufota.fleet_client import FleetClient
    from ufota.sources import http
    from ufota.sources.hawkbit import HawkbitSource
    from ufota.sources.poll import Pace
    from ufota.web.service import HttpService

    secure = kind in ("rsa", "p256")
    far = _server(_SECURE if secure else None, kind != "consent")
    board = Board()
    if secure:
        from scenes_sources import context

        end = server.Server(kind)
        net.plug(http, end)
        board = end.beside()
    else:
        net.plug(http)
    pace = Pace(300, first_s=0)
    tls = context(kind) if secure else None
    service = HttpService(60000, tls)
    more = {"side": HttpService(60000, tls)} if kind == "cancel" else {}
    source = HawkbitSource(
        board,
        service,
        far.url,
        far.token,
        attributes=_OWN,
        pace=pace,
        consent=lambda name, version: True,
        **more,
    )
    client = FleetClient(board, source, approve_install=source.approve)
    step("made")
    while not client.poll():
        if kind == "back" and not far.action:
            return step("told")  # what came of the image
        pace.notify()
    step("polled")
    if kind == "cancel":
        while client.done < 10000:
            client.step()
        far.cancel("6")
        pace.notify()
    try:
        assert client.run() and kind != "cancel"
        return board
    except FwError as error:
        step("cancelled", error.code)
        client.poll()
        assert not far.action


def _server(host, agreed):
    unwatched(lambda: __import__("fake_hawkbit"))
    import fake_hawkbit

    host = host or fake_hawkbit.HOST
    far = fake_hawkbit.FakeHawkbit(host)
    far.files["/app.fw"] = net.page("/app.fw")
    far.deploy("5", host + "/app.fw", agreed)

    def serve(request):  # not by far.answer(), which is a call more
        how, path, head, body = net.split(request)
        return net.parts(*far._true_answer(how, host + path, head, body))

    net.serve = serve
    return far


# Alibaba


def alibaba(kind):
    """By umqtt.simple, to the reset, and what is told after it. kind: blocks, http, told"""
    import broker
    from board import Board
    from umqtt import simple

    from ufota.alibaba import bounded_socket, connect
    from ufota.fleet_client import FleetClient
    from ufota.sources import http
    from ufota.sources.alibaba import AlibabaSource
    from ufota.sources.retry import Retry

    cloud = unwatched(lambda: broker.Cloud(net.page("/app.fw"), kind == "blocks"))
    net.plug(http)
    connect.socket = broker.Network(cloud)
    connect.select = bounded_socket.select = net
    board = Board()
    mqtt = simple.MQTTClient("id", "host", user="user", password="password", keepalive=60)
    source = AlibabaSource(
        board, mqtt, broker.KEY, broker.NAME, http=http.HttpSource(), random=lambda bits: 0
    )
    client = FleetClient(board, source, Retry())
    step("made")
    while not client.poll():
        source.wait(1000)
        if kind == "told" and cloud.informs:
            assert cloud.informs == ["2.0.0"]
            return
    step("polled")
    assert client.run()
    step("ready")
    source.wait(1000)
    client.poll()
    assert cloud.steps[-1] == "100"
    return board
