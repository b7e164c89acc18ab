"""A device of Alibaba's cloud over real brokers: amqtt and mosquitto, both interpreters.

On MicroPython its MQTT client is micropython-lib's umqtt.simple, fetched from the package
index; on CPython one with the same interface.
"""

import json
import threading

import pytest

import alibaba_driver
import alibaba_kit
import brokers
from alibaba_driver import KEY, NAME, SECRET
from conftest import run_micropython
from fake_alibaba import FaultyCloud, Store
from fwcore import errors_net
from fwtool import paths
from fwtool.demos.demo_mqtt_broker import Broker
from fwtool.demos.demo_mqtt_client import fetch
from fwtool.demos.demo_mqtt_cloud import Cloud, Package
from helpers import PATIENCE_S, here
from ufota.alibaba.login import login
from ufota_testkit.noise import noise
from umqtt_paho import MQTTClient
from update_kit import bundle

WHERE = f"{KEY}/{NAME}"
SMALL = bundle("small")
HEAP = "512k"  # with the sources of all this to compile in it


@pytest.fixture(autouse=True)
def time_passes():
    alibaba_kit.real_clock()


@pytest.fixture(scope="module")
def umqtt():
    """Folder with umqtt.simple; kept in build/, so that only the first run needs the index."""
    return fetch(paths.device().parent / "build" / "umqtt")


@pytest.fixture(params=["cpython", "micropython"])
def run(request):
    """run(port, scene) -> what the scene of alibaba_driver found, on one interpreter."""
    if request.param == "cpython":

        def act(port, scene, timeout_s=PATIENCE_S):
            made = alibaba_driver.Device(port, timeout_s)
            try:
                return getattr(alibaba_driver, scene)(made)
            finally:
                made.mqtt.disconnect()

    else:
        folder = request.getfixturevalue("umqtt")

        def act(port, scene, timeout_s=PATIENCE_S):
            command = here("kit/alibaba_driver.py"), port, scene, timeout_s
            done = run_micropython(*command, heap=HEAP, folders=[folder])
            assert done.returncode == 0, done.stdout + done.stderr
            return json.loads(done.stdout)

    return act


@pytest.fixture(params=brokers.KINDS)
def broker(request):
    with brokers.make(request.param) as made:
        yield made


@pytest.fixture
def amqtt():
    with brokers.make("amqtt") as made:
        yield made


def push_when_it_speaks(cloud, *packages):
    """Each package once the device has informed of its module's version; in a thread."""

    def act():
        for package in packages:
            cloud.wait_for(lambda event: event[:2] == ("inform", package.module))  # noqa: B023
            cloud.push(WHERE, package)

    threading.Thread(target=act, daemon=True).start()


def steps(cloud, module="default"):
    assert not cloud.fault
    return [event[2:] for event in cloud.events if event[:2] == ("progress", module)]


def complete(cloud, module="default"):
    """The last step is 100. It is on its way yet when a device has done what it had to."""
    cloud.wait_for(lambda event: event[:3] == ("progress", module, "100"))
    assert steps(cloud, module)[-1] == ("100", "")


def informs(cloud, module="default"):
    return [event[2] for event in cloud.events if event[:2] == ("inform", module)]


def test_the_whole_story_in_blocks(run, broker):
    package = Package("2.0.0", SMALL)
    with Cloud(broker.port) as cloud:
        push_when_it_speaks(cloud, package)
        found = run(broker.port, "confirmed")
    assert found["ready"] and found["booted"] == "2.0.0" and found["on trial"] == 0
    assert informs(cloud) == ["1.0.0", "2.0.0"] and package.status == "succeeded"
    assert steps(cloud)[0] == ("0", "") and steps(cloud)[-1] == ("100", "")


def test_a_revert_is_a_failure_with_its_reason(run, broker):
    package = Package("2.0.0", SMALL, method="Md5")
    with Cloud(broker.port) as cloud:
        push_when_it_speaks(cloud, package)
        found = run(broker.port, "reverted")
    assert found["booted"] == ["2.0.0", "2.0.0", "2.0.0", "1.0.0"]
    assert informs(cloud) == ["1.0.0", "1.0.0"] and package.status == "failed"
    assert steps(cloud)[-2:] == [("100", ""), ("-1", "80")]


def test_an_update_over_http_with_an_address_of_2_kib(run, amqtt):
    with Store(SMALL, length=2048) as store, Cloud(amqtt.port) as cloud:
        push_when_it_speaks(cloud, Package("2.0.0", SMALL, store.sign))
        found = run(amqtt.port, "http")
        complete(cloud)
    assert found["ready"] and found["staged"] == "2.0.0" and len(store.requests) == 1


def test_an_address_that_expired_is_asked_for_anew(run, amqtt):
    with Store(SMALL, refuse=2) as store, Cloud(amqtt.port) as cloud:
        push_when_it_speaks(cloud, Package("2.0.0", SMALL, store.sign))
        found = run(amqtt.port, "http")
    assert found["ready"], found
    assert len({number for number, _ in store.requests}) == len(store.requests) == 3


def test_a_link_that_breaks_goes_on_with_another_address(run, amqtt):
    with Store(SMALL, expires=1, cut_after=400, cuts=2) as store, Cloud(amqtt.port) as cloud:
        push_when_it_speaks(cloud, Package("2.0.0", SMALL, store.sign))
        found = run(amqtt.port, "patient")
    assert found["ready"], found
    asked = [wanted for _, wanted in store.requests if wanted]
    # Once with the old address, when no newer one happens to be there, and once with the new.
    assert sorted(set(asked)) == ["bytes=400-", "bytes=800-"] and len(asked) <= 4


def test_blocks_that_are_lost_spoiled_or_doubled(run, amqtt):
    def mangle(nth, offset, made):
        if nth == 1:
            return [made[:-1] + bytes([made[-1] ^ 1])]
        if nth == 2:
            return [made[:50], made, made]
        return [made]

    with FaultyCloud(amqtt.port) as cloud:
        cloud.mangle = mangle
        push_when_it_speaks(cloud, Package("2.0.0", SMALL))
        found = run(amqtt.port, "blocks")
    assert found["ready"] and found["staged"] == "2.0.0"


def test_spoiled_blocks_end_in_an_error_and_the_next_update_works(run, amqtt):
    with FaultyCloud(amqtt.port) as cloud:
        cloud.mangle = lambda nth, offset, made: [made[:-2] + b"xx"] if nth <= 4 else [made]
        push_when_it_speaks(cloud, Package("2.0.0", SMALL))

        def again():
            cloud.wait_for(lambda event: event[2:] == ("0", "93"))
            cloud.push(WHERE, Package("2.0.0", SMALL))

        threading.Thread(target=again, daemon=True).start()
        found = run(amqtt.port, "refused")
    assert found["first"] == errors_net.BAD_RANGE and found["ready"]


def test_the_second_module_is_updated_alone(run, amqtt):
    with Cloud(amqtt.port) as cloud:
        push_when_it_speaks(cloud, Package("2.0.0", SMALL, module="radio"))
        found = run(amqtt.port, "modules")
        complete(cloud, "radio")
    assert found["ready"], found
    assert informs(cloud, "radio") == ["5"] and informs(cloud) == ["1.0.0"]
    assert steps(cloud) == []


def test_a_bare_image_goes_where_the_layout_allows_it(run, amqtt):
    image = noise(900, 3)
    with Cloud(amqtt.port) as cloud:
        push_when_it_speaks(cloud, Package("2.0.0", image))
        found = run(amqtt.port, "bare")
    assert found["ready"] and found["booted"] == "2.0.0"
    assert any("not signed" in line for line in found["lines"])


def test_a_bare_image_is_refused_elsewhere(run, amqtt):
    with Cloud(amqtt.port) as cloud:
        push_when_it_speaks(cloud, Package("2.0.0", noise(900, 3)))
        found = run(amqtt.port, "blocks")
    assert found["code"] == errors_net.UNSIGNED and found["staged"] == "0"
    assert steps(cloud)[-1] == ("0", "113")


@pytest.mark.parametrize("timestamp", [None, "1600000000000", ""])
@pytest.mark.parametrize("method", ["hmacsha256", "hmacsha1", "hmacmd5"])
def test_the_broker_lets_the_right_triple_in_and_no_other(method, timestamp):
    with Broker({(KEY, NAME): SECRET}) as broker:
        for secret, good in ((SECRET, True), (SECRET[:-1] + "0", False)):
            name, user, password = login(KEY, NAME, secret, None, method, timestamp)
            client = MQTTClient(name, "127.0.0.1", broker.port, user, password)
            if good:
                client.connect()
                client.disconnect()
            else:
                with pytest.raises(OSError):
                    client.connect()
