"""A device of Alibaba's cloud: what it says, what it takes, what it refuses. No network."""

import json

from alibaba_kit import (
    BLOCK_REPLY,
    GET_REPLY,
    UPGRADE,
    WHERE,
    Cloud,
    Device,
    Web,
    reply,
    with_client_store,
)
from fwboot import main as boot_stage
from fwcore import errors, errors_boot, errors_net
from fwcore.errors import FwError
from fwcore.manifest import version_word
from helpers import raises
from ufota import client as states
from ufota import trial
from ufota.alibaba import reports
from ufota.sources.alibaba import AlibabaSource
from ufota.sources.retry import Retry
from ufota_testkit import simboard, virtual_clock
from ufota_testkit.noise import noise
from update_kit import bundle, tired

BOTH = True
NEW = version_word("2.0.0")
SMALL = bundle("small")
URL = "https://host/fw.bin?Signature=1"


def test_lines_of_the_byte_source_go_to_no_server_that_a_message_names():
    """In a group another source may use the same HttpSource, with a token for its own server."""
    token = b"Authorization: x\r\n"
    for page in (SMALL, 503):
        cloud = Cloud(SMALL, url=URL, dProtocol=None)
        web = Web({URL: page})
        web.header = token
        assert (Device(cloud, http=web).update() is True) == (page is SMALL)
        assert web.lines and set(web.lines) == {b""} and web.header == token


# Words


def test_a_device_that_connects_says_what_it_runs_and_asks():
    cloud = Cloud()
    device = Device(cloud)
    assert device.source.offer() is None
    assert cloud.topics[:2] == [(UPGRADE, 1), (GET_REPLY, 1)]
    (topic, message, qos), (asked_at, question, _) = cloud.sent
    assert topic == "/ota/device/inform/" + WHERE and qos == 1
    assert message == {"id": "1", "params": {"version": "1.0.0"}}
    assert asked_at == "/sys/" + WHERE + "/thing/ota/firmware/get"
    assert question == {
        "id": "2",
        "version": "1.0",
        "params": {"module": "default"},
        "method": "thing.ota.firmware.get",
    }
    for _ in range(5):
        assert device.source.offer() is None
    assert len(cloud.sent) == 2, "it was answered"


def test_the_version_is_the_applications_where_it_has_one():
    for version in ("1.0-beta", lambda: "1.0-beta"):
        cloud = Cloud()
        Device(cloud, version=version).source.offer()
        assert cloud.informs() == ["1.0-beta"]
    cloud = Cloud()
    Device(cloud, layout=with_client_store(simboard.layout())).source.offer()
    assert cloud.informs() == ["1.0.0"], "from the header of a board without a state region"


def test_it_says_so_again_after_every_connect():
    cloud = Cloud()
    device = Device(cloud)
    device.source.offer()
    cloud.broken = OSError(104)
    assert raises(errors.CONNECT, device.source.offer).at == 104
    cloud.broken = None
    device.clock.sleep_ms(6000)
    device.source.offer()
    assert cloud.connects == 2 and cloud.informs() == ["1.0.0"] * 2 and len(cloud.gets()) == 2
    device.source.link.connected()  # by the application
    device.source.offer()
    assert cloud.connects == 2 and len(cloud.informs()) == 3


def test_block_time_and_repeats_are_of_the_knobs():
    cloud = Cloud(SMALL)
    cloud.mangle = lambda at, made: []
    device = Device(cloud, block_ms=2000, repeats=1)
    assert device.update().code == errors_net.NO_ANSWER
    asked = [1 for topic, _, _ in cloud.sent if topic.endswith("download")]
    assert len(asked) == 2 and 4000 <= device.clock.now_ms < 6000


def test_whatever_the_mqtt_client_raises_is_one_kind_of_error():
    for error, code in (
        (OSError(-1), errors.CONNECT),
        (IndexError(), errors.CONNECT),
        (AssertionError("x"), errors.CONNECT),
        (ValueError("y"), errors.CONNECT),
        (MemoryError(), errors.NO_MEMORY),  # of this device, not of the link
    ):
        cloud = Cloud()
        device = Device(cloud)
        device.source.offer()
        cloud.broken = error
        found = raises(code, device.source.offer)
        assert isinstance(found.at, int) and not device.source.link.up


def test_it_is_pinged_where_it_has_a_keepalive():
    cloud = Cloud()
    cloud.keepalive = 60
    device = Device(cloud)
    device.source.offer()
    assert cloud.pings == 0
    for pings in (1, 2):
        device.clock.sleep_ms(30000)
        device.source.offer()
        assert cloud.pings == pings


def test_messages_of_the_application_are_handed_on():
    heard = []
    cloud = Cloud()
    device = Device(cloud, on_other=lambda topic, msg: heard.append((topic, msg)))
    device.source.offer()
    cloud.topics.append(("mine", 0))
    cloud.inbox.append(("mine", b"x"))
    device.source.offer()
    assert heard == [(b"mine", b"x")]


# An update in blocks


def test_an_update_in_blocks_is_fetched_checked_and_reported():
    cloud = Cloud(SMALL)
    device = Device(cloud, block=200)
    assert device.update() is True
    assert device.staged() == NEW
    asked = [m["params"]["fileBlock"] for topic, m, _ in cloud.sent if topic.endswith("download")]
    assert asked == [{"size": min(200, 947 - at), "offset": at} for at in range(0, 947, 200)]
    steps = cloud.steps()
    assert steps[0] == ("0", "") and steps[-1] == ("100", "")
    assert all(about == "" for _, about in steps)
    assert [int(step) for step, _ in steps] == sorted(int(step) for step, _ in steps)


def test_a_push_is_heard_as_the_answer_is():
    cloud = Cloud()
    device = Device(cloud)
    assert device.update() is None
    cloud.file = SMALL
    cloud.push()
    assert device.update() is True


def test_either_digest_is_checked():
    for method in ("MD5", "Md5", "Sha256", "SHA256", None):
        cloud = Cloud(SMALL, signMethod=method)
        if method and method.lower() == "md5":
            cloud.fields["sign"] = cloud.offer()["md5"]
        assert Device(cloud).update() is True, method
        name = "md5" if method is None else "sign"
        wrong = cloud.offer()[name]
        cloud = Cloud(SMALL, signMethod=method)
        cloud.fields[name] = ("0" if wrong[0] != "0" else "1") + wrong[1:]
        device = Device(cloud)
        assert device.update().code == errors.CORRUPT
        assert cloud.steps()[-1] == ("-3", "26") and device.staged() == 0
    assert Device(Cloud(SMALL, signMethod=None, md5=None, sign=None)).update() is True


def test_a_size_that_is_not_the_files_is_refused():
    for size in (len(SMALL) - 1, len(SMALL) + 1):
        code = errors_net.BAD_RANGE  # no block fits to it
        cloud = Cloud(SMALL, size=size)
        device = Device(cloud)
        assert device.update().code == code
        assert cloud.steps() == [("0", str(code))]
    assert Device(Cloud(SMALL, size=None)).update() is True


def test_what_the_signature_refuses_is_told_as_a_failed_check():
    for name, code, step in (
        ("stranger", errors.BAD_SIGNATURE, "-3"),
        ("other_class", errors.WRONG_CLASS, "-3"),
        ("too_big", errors.TOO_BIG, "-3"),
    ):
        cloud = Cloud(bundle(name))
        assert Device(cloud).update().code == code
        assert cloud.steps() == [(step, str(code))]


def test_an_approval_that_is_denied_is_a_failed_update():
    cloud = Cloud(SMALL)
    device = Device(cloud)
    device.client.approve_download = lambda manifest: False
    assert device.update().code == errors.DOWNLOAD_DENIED
    assert cloud.steps() == [("-1", "38")]


def test_a_lost_block_is_asked_for_again_three_times():
    for lost in (3, 4):
        cloud = Cloud(SMALL)
        asked = []

        def lose(at, made, asked=asked, lost=lost):
            asked.append(at)
            return [] if at == 400 and asked.count(400) <= lost else [made]

        cloud.mangle = lose
        device = Device(cloud, block=200)
        found = device.update()
        if lost == 3:
            assert found is True and asked.count(400) == 4
        else:
            assert found.code == errors_net.NO_ANSWER and asked.count(400) == 4
            assert found.at == 400 and cloud.steps()[-1] == ("0", "115")
            assert 40000 < device.clock.now_ms < 60000


def test_duplicates_and_other_offsets_are_passed_over():
    cloud = Cloud(SMALL)
    cloud.mangle = lambda at, made: [
        reply(at + 200, noise(200), len(SMALL)),
        made,
        made,
        reply(0, noise(200), len(SMALL)),
    ]
    device = Device(cloud, block=200)
    assert device.update() is True and device.staged() == NEW


def test_a_block_that_is_wrong_is_asked_for_again():
    def with_wrong_crc(at, made):
        return [made[:-1] + bytes([made[-1] ^ 1])]

    def with_wrong_size(at, made):
        return [made + b"x"]

    for mangle in (with_wrong_crc, with_wrong_size):
        cloud = Cloud(SMALL)
        tries = []

        def once(at, made, mangle=mangle, tries=tries):
            tries.append(at)
            return mangle(at, made) if len(tries) == 2 else [made]

        cloud.mangle = once
        device = Device(cloud, block=200)
        assert device.update() is True and len(tries) == 6

        cloud = Cloud(SMALL)
        cloud.mangle = mangle
        device = Device(cloud, block=200)
        found = device.update()
        assert (found.code, found.at) == (errors_net.BAD_RANGE, 0)
        assert device.clock.now_ms < 10000, "not by waiting"
        assert cloud.steps()[-1] == ("0", "93"), "and it is no verdict on the image"
        assert len([1 for topic, _, _ in cloud.sent if topic.endswith("download")]) == 4


def test_a_service_that_refuses_a_block_ends_it():
    cloud = Cloud(SMALL)
    cloud.mangle = lambda at, made: [reply(at, b"x", len(SMALL), code=500)]
    device = Device(cloud)
    error = device.update()
    assert (error.code, error.at) == (errors.HTTP_STATUS, 500)
    assert cloud.steps()[-1] == ("0", "73")


def test_a_broken_connection_is_made_again_and_the_blocks_go_on():
    cloud = Cloud(SMALL)
    asked = []

    def cut(at, made):
        asked.append(at)
        if asked.count(400) == 1 and at == 400:
            cloud.broken = OSError(104)
        return [made]

    cloud.mangle = cut
    device = Device(cloud, block=200, retry=Retry())
    device.clock.sleep_ms(1000)
    connect = device.source.link.connect

    def mend():
        if cloud.broken:
            cloud.broken, cloud.inbox = None, []
        connect()

    device.source.link.connect = mend
    assert finish(device) is True
    assert device.staged() == NEW and cloud.connects == 2
    assert asked == [0, 200, 400, 400, 600, 800] and cloud.informs() == ["1.0.0"] * 2
    assert cloud.topics[-1] == (BLOCK_REPLY, 0)


def test_a_push_under_way_changes_nothing_even_when_the_link_breaks_then():
    cloud = Cloud(SMALL)
    asked = []

    def cut(at, made):
        asked.append(at)
        if asked.count(400) == 1 and at == 400:
            other = {"data": Cloud(bundle("later"), "3.0.0").offer()}
            cloud.callback(UPGRADE.encode(), json.dumps(other).encode())
            cloud.broken = OSError(104)
        return [made]

    cloud.mangle = cut
    device = Device(cloud, block=200, retry=Retry())
    device.clock.sleep_ms(1000)
    connect = device.source.link.connect

    def mend():
        cloud.broken, cloud.inbox = None, cloud.inbox[:0] if cloud.broken else cloud.inbox
        connect()

    device.source.link.connect = mend
    assert finish(device) is True and device.staged() == NEW
    assert asked == [0, 200, 400, 400, 600, 800]


def finish(device):
    """update(), with the pauses of a retry in fake time."""
    from ufota import fleet_client

    real = fleet_client.time
    fleet_client.time = device.clock
    try:
        return device.update()
    finally:
        fleet_client.time = real


def test_another_package_in_the_pause_begins_anew():
    cloud = Cloud(SMALL)
    asked = []

    def cut(at, made):
        asked.append((cloud.version, at))
        if len(asked) == 3:
            cloud.broken = OSError(104)
            device.source._job = None  # as after an answer that it has expired
        return [made]

    cloud.mangle = cut
    device = Device(cloud, block=200, retry=Retry())
    connect = device.source.link.connect

    def mend():
        if cloud.broken:
            cloud.broken, cloud.inbox = None, []
            cloud.version, cloud.file = "3.0.0", bundle("later")
        connect()

    device.source.link.connect = mend
    assert finish(device) is True
    assert device.staged() == version_word("3.0.0")
    assert asked[3] == ("3.0.0", 0)


# An update over HTTP


def test_an_update_over_http_comes_through_the_source_handed_in():
    web = Web({URL: SMALL})
    cloud = Cloud(SMALL, url=URL, dProtocol=None)
    device = Device(cloud, http=web)
    assert device.source.cost == 700 and Device(cloud).source.cost == 900
    assert device.update() is True and device.staged() == NEW
    assert web.opened == [(URL, 0, b"")] and not web.is_open


def test_without_a_source_for_it_an_address_is_told_and_the_job_stays_open():
    cloud = Cloud(SMALL, url=URL, dProtocol=None)
    device = Device(cloud)
    assert device.update() is None and cloud.steps() == [("0", "110")]
    assert device.update() is None and len(cloud.steps()) == 1, "not at each poll"
    device.source.http = Web({URL: SMALL})
    cloud.push()
    assert device.update() is True


def test_an_expired_address_is_asked_for_anew():
    for status in (401, 403, 404, 410):
        cloud = Cloud(SMALL, url=URL, dProtocol=None)
        web = Web({URL: status, URL + "2": SMALL})
        device = Device(cloud, http=web)
        get = cloud.offer

        def offer(cloud=cloud, get=get):
            if len(cloud.gets()) > 1:
                cloud.fields["url"] = URL + "2"
            return get()

        cloud.offer = offer
        assert device.update() is True
        assert [url for url, _, _ in web.opened] == [URL, URL + "2"]


def test_addresses_that_always_expire_come_to_an_end():
    cloud = Cloud(SMALL, url=URL, dProtocol=None)
    web = Web({URL: 403})
    device = Device(cloud, http=web)
    error = device.update()
    assert (error.code, error.at) == (errors.HTTP_STATUS, 403)
    assert len(web.opened) == 4 and cloud.steps() == [("0", "73")]


def test_another_status_is_not_asked_about():
    cloud = Cloud(SMALL, url=URL, dProtocol=None)
    web = Web({URL: 500})
    assert Device(cloud, http=web).update().code == errors.HTTP_STATUS
    assert len(web.opened) == 1 and len(cloud.gets()) == 1


def test_an_address_that_expires_amid_the_file_goes_on_with_another():
    cloud = Cloud(SMALL, url=URL, dProtocol=None)
    web = Web({URL: SMALL, URL + "2": SMALL})
    device = Device(cloud, http=web, retry=Retry())
    read = web.readinto
    reads = []

    def expiring(mv):
        reads.append(1)
        if len(reads) == 3:
            cloud.fields["url"] = URL + "2"
            raise FwError(errors.HTTP_STATUS, 403)
        return read(mv[:300])

    web.readinto = expiring
    assert finish(device) is True and device.staged() == NEW
    first, second = web.opened
    assert first == (URL, 0, b"") and second[0] == URL + "2" and second[2] == b'"etag"'
    assert 0 < second[1] <= 600, "from where it was, or from the payload on"


def test_another_package_behind_the_new_address_begins_anew():
    cloud = Cloud(SMALL, url=URL, dProtocol=None)
    web = Web({URL: SMALL, URL + "2": bundle("later")})
    device = Device(cloud, http=web, retry=Retry())
    read = web.readinto
    reads = []

    def expiring(mv):
        reads.append(1)
        if len(reads) == 3:
            cloud.fields["url"] = URL + "2"
            cloud.version, cloud.file = "3.0.0", bundle("later")
            raise FwError(errors.HTTP_STATUS, 403)
        return read(mv[:300])

    web.readinto = expiring
    assert finish(device) is True and device.staged() == version_word("3.0.0")
    assert web.opened == [(URL, 0, b""), (URL + "2", 0, b"")]


def test_a_job_that_is_gone_when_it_is_asked_for_is_canceled():
    cloud = Cloud(SMALL, url=URL, dProtocol=None)
    device = Device(cloud, http=Web({URL: 403}))
    assert device.client.poll() is False
    assert device.client.poll() is True
    cloud.file = None
    assert device.update().code == errors_net.CANCELED
    assert cloud.steps() == [("-1", "114")]


def test_a_question_without_an_answer_is_asked_four_times():
    cloud = Cloud(SMALL, url=URL, dProtocol=None)
    device = Device(cloud, http=Web({URL: 403}))
    device.client.poll()
    assert device.client.poll() is True
    cloud.answers = False
    before = len(cloud.gets())
    assert device.update().code == errors_net.NO_ANSWER
    assert len(cloud.gets()) - before == 4
    assert cloud.steps() == [("0", "115")]


def test_a_page_of_another_length_or_content_is_refused():
    cloud = Cloud(SMALL, url=URL, dProtocol=None)
    for web in (Web({URL: SMALL + b"x"}), Web({URL: SMALL}, length=len(SMALL) - 1)):
        device = Device(cloud, http=web)
        assert device.update().code == errors_net.OTHER_LENGTH and device.staged() == 0
    page = b"<html>" + bytes(len(SMALL) - 6)
    device = Device(cloud, http=Web({URL: page}))
    assert device.update().code == errors_net.UNSIGNED
    assert cloud.steps()[-1] == ("0", "113"), "a portal's page"


def test_a_digest_is_checked_where_no_length_is_told_too():
    for data, code in ((SMALL, None), (SMALL[:-1] + b"x", errors.CORRUPT)):
        cloud = Cloud(SMALL, url=URL, dProtocol=None)
        found = Device(cloud, http=Web({URL: data}, length=None)).update()
        assert (found is True) if code is None else found.code == code


def test_mqtt_is_kept_alive_while_http_has_the_word():
    cloud = Cloud(SMALL, url=URL, dProtocol=None)
    device = Device(cloud, http=Web({URL: SMALL}))
    cloud.keepalive = 60
    device.client.poll()
    assert device.client.poll()
    device.clock.sleep_ms(31000)
    device.client.step()
    assert cloud.pings == 1
    cloud.broken = OSError(1)
    assert device.client.run() is True, "and its end is none of the download's"


# One at a time


def test_a_push_while_an_update_is_under_way_is_asked_for_afterwards():
    cloud = Cloud(bundle("stranger"))
    device = Device(cloud)
    device.client.poll()
    assert device.client.poll() is True
    cloud.inbox.insert(0, (UPGRADE, b""))
    cloud.push(version="9.9.9")
    cloud.inbox.append(cloud.inbox.pop(1))
    gets = len(cloud.gets())
    assert device.update().code == errors.BAD_SIGNATURE
    cloud.file = SMALL
    assert device.update() is True and len(cloud.gets()) > gets
    assert device.staged() == NEW


def test_a_job_that_failed_for_good_is_not_begun_again_unless_pushed():
    cloud = Cloud(bundle("stranger"))
    device = Device(cloud)
    assert device.update().code == errors.BAD_SIGNATURE
    asked = len(cloud.sent)
    assert device.update() is None
    assert [each for each in cloud.sent[asked:] if each[0].endswith("download")] == []
    assert len(cloud.steps()) == 1
    cloud.push()
    assert device.update().code == errors.BAD_SIGNATURE and len(cloud.steps()) == 2


def test_a_late_answer_does_not_begin_what_failed_for_good():
    cloud = Cloud(bundle("stranger"))
    device = Device(cloud)
    assert device.update().code == errors.BAD_SIGNATURE
    for name in ("1", "65535"):
        cloud.say(GET_REPLY, {"id": name, "code": 200, "data": cloud.offer()})
        assert device.update() is None, name
    assert len(cloud.steps()) == 1


def test_a_late_answer_is_one_nevertheless():
    cloud = Cloud(SMALL)
    cloud.answers = False
    device = Device(cloud)
    device.source.offer()
    device.clock.sleep_ms(11000)
    device.source.offer()
    assert len(cloud.gets()) == 2
    late = cloud.gets()[0][1]["id"]
    cloud.say(GET_REPLY, {"id": late, "code": 200, "data": cloud.offer()})
    assert device.update() is True


def test_a_job_that_could_not_be_fetched_is_tried_again():
    cloud = Cloud(SMALL)
    cloud.mangle = lambda at, made: []
    device = Device(cloud)
    assert device.update().code == errors_net.NO_ANSWER
    cloud.mangle = None
    device.clock.sleep_ms(6000)
    assert device.update() is True


def test_a_file_that_cannot_be_fetched_is_not_tried_all_the_time():
    cloud = Cloud(SMALL, url=URL, dProtocol=None)
    web = Web({URL: 503})
    device = Device(cloud, http=web)
    for shortest in (5000, 8750, 17500):
        assert device.update().code == errors.HTTP_STATUS
        opened, asked = len(web.opened), len(cloud.gets())
        device.clock.sleep_ms(shortest - 300)
        assert device.update() is None
        assert (len(web.opened), len(cloud.gets())) == (opened, asked), shortest
        device.clock.sleep_ms(shortest * 9 // 7 - shortest + 300)
    assert device.update().code == errors.HTTP_STATUS
    cloud.push()
    web.pages[URL] = SMALL
    assert device.update() is True, "a push is not waited with"


def test_a_job_that_is_committed_is_not_begun_again():
    cloud = Cloud(SMALL)
    device = Device(cloud)
    assert device.update() is True
    for _ in range(5):
        assert device.client.poll() is False


# Modules


def two(cloud):
    device = Device(cloud, module="MCU", version="1.0.0")
    radio = AlibabaSource(
        device.board, None, None, None, module="radio", version="5", link=device.source.link
    )
    return device, radio


def test_each_module_speaks_for_itself():
    cloud = Cloud()
    device, radio = two(cloud)
    for _ in range(3):
        assert device.source.offer() is None and radio.offer() is None
    params = [message["params"] for topic, message, _ in cloud.sent if "inform" in topic]
    assert params == [
        {"version": "1.0.0", "module": "MCU"},
        {"version": "5", "module": "radio"},
    ]
    assert [message["params"]["module"] for _, message, _ in cloud.gets()] == ["MCU", "radio"]
    cloud.file = SMALL
    device.source._ask = True
    cloud.fields["module"] = "radio"
    assert device.source.offer() is None and device.source.offer() is None
    assert radio.offer() == "aliyun://radio/2.0.0"


def test_an_answer_to_an_older_question_is_none_to_another_module():
    cloud = Cloud()
    cloud.answers = False
    device, radio = two(cloud)
    device.source.offer()
    device.clock.sleep_ms(11000)
    radio.offer()
    first, second = [message["id"] for _, message, _ in cloud.gets()]
    cloud.say(GET_REPLY, {"id": first, "code": 200, "data": {}})
    assert radio.offer() is None
    cloud.file = SMALL
    offer = cloud.offer()
    del offer["module"]
    cloud.say(GET_REPLY, {"id": second, "code": 200, "data": offer})
    assert radio.offer() == "aliyun://radio/2.0.0" and cloud.steps() == []


def test_each_module_has_one_job():
    cloud = Cloud()
    device, radio = two(cloud)
    device.source.offer()
    radio.offer()
    cloud.file = SMALL
    cloud.push(module="radio", version="6")
    cloud.push(module="MCU", version="2.0.0")
    assert device.source.offer() == "aliyun://MCU/2.0.0"
    assert radio.offer() == "aliyun://radio/6"


def test_a_job_for_a_module_this_device_lacks_is_refused():
    cloud = Cloud()
    device = Device(cloud)
    device.source.offer()
    cloud.file = SMALL
    cloud.push(module="camera")
    assert device.update() is None
    assert cloud.steps("camera") == [("-1", str(errors_net.WRONG_COMPONENT))]
    cloud.say(UPGRADE, {"data": {"version": "2", "module": "MCU", "files": [{}, {}]}})
    assert device.update() is None
    assert cloud.steps("MCU") == [("-1", str(errors.UNSUPPORTED))]


# After the reset


def reset(device):
    """The board restarts. Returns the version that runs."""
    found = boot_stage.run(device.board)
    if hasattr(device.board, "client_store"):
        del device.board.client_store
    device.clock.sleep_ms(10000)
    names = WHERE.split("/")
    device.source = AlibabaSource(device.board, device.cloud, *names, random=virtual_clock.low)
    device.client.source = device.source
    device.client.state = states.IDLE
    return found.head.version


def test_the_new_version_is_told_once_it_is_confirmed():
    cloud = Cloud(SMALL)
    device = Device(cloud)
    assert device.update() is True
    cloud.file = None
    cloud.sent = []
    assert reset(device) == NEW
    for _ in range(3):
        assert device.source.offer() is None
    assert cloud.sent == [], "on trial: the service would take it for the success"
    trial.confirm(device.board)
    device.source.offer()
    assert cloud.informs() == ["2.0.0"] and cloud.steps() == []
    reset(device)
    device.source.offer()
    assert cloud.informs() == ["2.0.0"] * 2 and cloud.steps() == []


def test_what_is_pushed_while_on_trial_waits_and_is_no_failure():
    cloud = Cloud(SMALL)
    device = Device(cloud)
    assert device.update() is True
    cloud.sent = []
    assert reset(device) == NEW
    device.source.offer()
    cloud.push()  # the platform offers it until it hears of the new version
    assert device.update() is None
    assert cloud.sent == []
    trial.confirm(device.board)
    cloud.file = None
    assert device.update() is None
    assert cloud.informs() == ["2.0.0"] and cloud.steps() == []
    assert len(cloud.gets()) == 1
    cloud.file = bundle("later")
    cloud.push(version="3.0.0")
    assert device.update() is True


def reverted(device, cloud):
    assert device.update() is True
    cloud.file = None
    cloud.sent = []
    for _ in range(3):
        assert reset(device) == NEW
        device.source.offer()
    assert cloud.sent == []
    assert reset(device) == version_word("1.0.0")


def test_a_revert_is_told_once_with_its_reason():
    cloud = Cloud(SMALL)
    device = Device(cloud)
    tired(device.board, "small")
    reverted(device, cloud)
    cloud.broken = OSError(1)
    raises(errors.CONNECT, device.source.offer)
    cloud.broken = None
    device.clock.sleep_ms(6000)
    device.source.offer()
    assert cloud.informs() == ["1.0.0"] and cloud.steps() == []
    reset(device)  # nothing is lost before it is told
    device.source.offer()
    device.source.offer()
    assert cloud.steps() == [("-1", str(errors_boot.NOT_CONFIRMED))]
    reset(device)
    device.source.offer()
    device.source.offer()
    assert cloud.informs() == ["1.0.0"] * 3 and len(cloud.steps()) == 1


def test_an_image_that_nobody_confirmed_is_no_failure_and_comes_again():
    cloud = Cloud(SMALL)
    device = Device(cloud)
    reverted(device, cloud)
    cloud.file = SMALL  # the job is open, as the service sees it
    assert device.update().code == errors_net.RESTING
    assert cloud.informs() == ["1.0.0"] and cloud.steps()[-1] == ("0", str(errors_net.RESTING))
    assert reset(device) == version_word("1.0.0")
    assert device.update() is True
    assert reset(device) == NEW
    trial.confirm(device.board)
    device.source.offer()
    device.source.offer()
    assert cloud.informs()[-1] == "2.0.0"
    assert not [step for step, _ in cloud.steps() if step[0] == "-"]


def test_a_revert_of_what_came_another_way_is_not_told():
    cloud = Cloud(SMALL)
    device = Device(cloud)
    device.source.report = lambda client: None  # as when another source of a group brought it
    reverted(device, cloud)
    device.source.offer()
    assert cloud.informs() == ["1.0.0"] and cloud.steps() == []


def test_without_a_client_store_a_revert_is_told_by_the_version():
    cloud = Cloud(SMALL)
    device = Device(cloud, layout=simboard.trial_layout("swap", "spi", 4))
    reverted(device, cloud)
    device.source.offer()
    assert cloud.informs() == ["1.0.0"] and cloud.steps() == []


def test_a_failure_that_could_not_be_told_is_told_after_the_next_connect():
    cloud = Cloud(bundle("stranger"), url=URL, dProtocol=None)
    device = Device(cloud, http=Web({URL: bundle("stranger")}))
    device.client.poll()
    assert device.client.poll()
    cloud.broken = OSError(1)
    assert device.update().code == errors.BAD_SIGNATURE
    assert cloud.steps() == []
    cloud.broken = None
    device.clock.sleep_ms(6000)
    device.source.offer()
    device.source.offer()
    assert cloud.steps() == [("-3", "23")]


# Steps


def test_an_error_that_is_final_has_its_step():
    for code, step in (
        (errors.URI_TOO_LONG, "-3"),
        (errors.BAD_SIGNATURE, "-3"),
        (errors.CORRUPT, "-3"),
        (errors.NOT_NEWER, "-1"),
        (errors.TOO_BIG, "-3"),
        (errors.INSTALL_DENIED, "-1"),
        (errors.DOWNLOAD_DENIED, "-1"),
        (errors.BAD_DIGEST, "-3"),
        (errors_boot.NOT_CONFIRMED, "-1"),
        (errors_boot.BLACK_LISTED, "-1"),
        (errors_net.CANCELED, "-1"),
        (400, "-1"),
    ):
        assert reports.step_of(code) == step, code


# Bare images

IMAGE = noise(900, 7)


def open_layout(**more):
    return with_client_store(simboard.trial_layout("swap", "spi", 4, **more))


def test_a_bare_image_is_refused_unless_the_layout_allows_it():
    for more in ({}, {"unsigned": False}):
        cloud = Cloud(IMAGE)
        device = Device(cloud, layout=open_layout(**more))
        assert device.update().code == errors_net.UNSIGNED
        assert device.staged() == 0 and device.board.lines == []
        assert cloud.steps() == [("0", "113")]


def test_a_bare_image_is_taken_loudly_where_it_is_allowed():
    cloud = Cloud(IMAGE)
    device = Device(cloud, layout=open_layout(unsigned=True))
    assert device.update() is True
    assert device.staged() == NEW
    assert "not signed" in device.board.lines[0]
    assert cloud.steps()[-1] == ("100", "")
    assert reset(device) == NEW
    assert simboard.read(device.board, simboard.active_slot(device.board)) == (NEW, IMAGE)


def test_a_layout_that_says_signed_too_takes_no_bare_image():
    cloud = Cloud(IMAGE)
    device = Device(cloud, layout=open_layout(unsigned=True, signed=True))
    assert device.update().code == errors_net.UNSIGNED and device.staged() == 0


def test_a_bare_image_needs_sha256_a_size_and_a_version():
    for fields, code in (
        ({"signMethod": None}, errors_net.UNSIGNED),
        ({"sign": None}, errors_net.UNSIGNED),
        ({"size": None}, errors_net.UNSIGNED),
        ({"version": "1.0.0-x"}, errors.BAD_VERSION),
        ({"version": "1.0.0"}, errors.NOT_NEWER),
    ):
        cloud = Cloud(IMAGE, **fields)
        device = Device(cloud, layout=open_layout(unsigned=True))
        assert device.update().code == code and device.staged() == 0


def test_a_bundle_is_checked_where_bare_images_are_allowed_too():
    cloud = Cloud(bundle("stranger"))
    device = Device(cloud, layout=open_layout(unsigned=True))
    assert device.update().code == errors.BAD_SIGNATURE and device.board.lines == []


# Hostile messages


def test_messages_that_are_none_are_passed_over_and_the_next_update_works():
    cloud = Cloud()
    device = Device(cloud)
    device.source.offer()
    good = {"code": "1000", "id": 1, "message": "success", "data": Cloud(SMALL).offer()}
    nasty = [
        b"",
        b"null",
        b"[" * 4000,
        b'{"data":' * 400,
        b"\xff" * 100,
        b'{"data":{"size":' + b"9" * 4000 + b"}}",
        json.dumps(good).encode()[:-10],
        b'{"data":{"version":"2","url":"http://x/' + b"y" * 3000 + b'"}}',
        json.dumps({"data": {"version": ["x"], "url": URL}}).encode(),
        json.dumps({"id": {"a": 1}, "code": 200, "data": {}}).encode(),
    ]
    for topic in (UPGRADE, GET_REPLY):
        for msg in nasty:
            cloud.inbox.append((topic, msg))
            device.source.offer()
            assert device.source.link.up
    assert device.source.link.error.code == errors_net.BAD_MESSAGE
    assert cloud.steps() == [] and device.source.offer() is None
    cloud.file = SMALL
    cloud.push()
    assert device.update() is True and device.staged() == NEW


def test_a_forged_answer_without_a_question_offers_nothing_twice():
    cloud = Cloud()
    device = Device(cloud)
    device.source.offer()
    device.source.offer()
    cloud.say(GET_REPLY, {"id": "77", "code": 200, "data": {}})
    device.source.offer()
    cloud.file = SMALL
    assert device.update() is None, "an empty answer to nothing is nothing"


def test_replies_with_blocks_that_nobody_asked_for_are_passed_over():
    cloud = Cloud(SMALL)
    asked = []

    def mangle(at, made):
        asked.append(at)
        return [made] + [bytes(5000), b"", made, b"\0" * 2000] * 5

    cloud.mangle = mangle
    device = Device(cloud, block=200)
    assert device.update() is True and device.staged() == NEW
    assert asked == [0, 200, 400, 600, 800]
