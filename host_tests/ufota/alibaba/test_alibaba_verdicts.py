"""What Alibaba's cloud is told for each error, how often a job is tried, and of which job."""

import json

from alibaba_kit import GET_REPLY, UPGRADE, Cloud, Device, Web
from fwcore import errors, errors_net
from fwcore.errors import FwError
from helpers import raises
from ufota.sources import verdicts
from ufota_testkit import virtual_clock
from update_kit import bundle

BOTH = True  # runs on CPython and on MicroPython
SMALL = bundle("small")
URL = "https://host/fw.bin"
DAY_MS = 86400000

# Final errors, with the step that ends the job; every other one leaves it open.
CHECKED = (21, 23, 25, 26, 29, 30, 31, 32, 33, 39, 41, 43)  # "-3"
FAILED = (27, 37, 38, 40, 80, 81, 82, 83, 84, 114, 125, 160, 256, 65535)  # "-1"


class Failing(Web):
    """A server of files whose every answer ends in this error."""

    error = None

    def readinto(self, mv):
        if self.error:
            raise self.error
        return super().readinto(mv)


def failing(error, **more):
    """A device that is offered a file, and meets this error in it."""
    cloud = Cloud(SMALL, url=URL, dProtocol=None)
    web = Failing({URL: SMALL})
    web.error = error
    return Device(cloud, http=web, **more)


def at_of(code):
    return 503 if code == errors.HTTP_STATUS else 0


def numbers():
    """All that have a row, and one of an application."""
    return [code for code in range(256) if verdicts.row(code) != "-"] + [256, 65535]


def test_the_service_is_told_by_the_table():
    assert all(verdicts.is_final(code) for code in CHECKED + FAILED)
    for code in numbers():
        device = failing(FwError(code, at_of(code)))
        assert device.update().code == code
        step = "-3" if code in CHECKED else "-1" if code in FAILED else "0"
        assert device.cloud.steps() == [(step, str(code))], code
        assert (step != "0") == verdicts.is_final(code), code


def test_only_what_is_final_is_not_tried_again_by_itself():
    for code in numbers():
        device = failing(FwError(code, at_of(code)))
        device.update()
        device.source.http.error = None
        device.clock.sleep_ms(7 * DAY_MS // 6)  # a difference of ticks holds no more than six days
        found = device.update()
        assert found is (None if verdicts.is_final(code) else True), code


def at_37():
    """A device amid an update, of which 37 per cent are told."""
    device = failing(None)
    device.client.poll()
    assert device.client.poll()
    device.source.percent = "37"
    device.source.tell("37")
    return device


def test_progress_stays_where_it_was():
    device = at_37()
    device.source.http.error = FwError(errors.TIMEOUT)
    assert device.update().code == errors.TIMEOUT
    assert device.cloud.steps() == [("37", ""), ("37", str(errors.TIMEOUT))]


def test_a_pause_is_told_once_for_each_error():
    from ufota.sources.retry import Retry

    device = failing(FwError(errors.TIMEOUT), retry=Retry())
    for _ in range(3):
        device.client.poll()
    for _ in range(20):
        device.client.step()
    assert device.cloud.steps() == [("0", str(errors.TIMEOUT))]


def test_a_job_that_was_ended_begins_at_0_when_it_is_pushed():
    device = at_37()
    for code in (errors.CORRUPT, errors.TIMEOUT):
        device.source.http.error = FwError(code)
        assert device.update().code == code
        device.cloud.push()
    assert device.cloud.steps() == [("37", ""), ("-3", "26"), ("0", "72")]


def attempts(error, days):
    """Files opened on each of these days, from the first attempt on."""
    device = failing(error)
    device.source.offer()  # it has logged in
    device.source.link.random = virtual_clock.middle
    web, begun_ms, found = device.source.http, device.clock.now_ms, {}
    while device.clock.now_ms - begun_ms < 7 * DAY_MS:
        before = len(web.opened)
        device.update(100)
        day = (device.clock.now_ms - begun_ms) // DAY_MS + 1
        found[day] = found.get(day, 0) + len(web.opened) - before
        device.clock.sleep_ms(device.source._rest_ms or DAY_MS // 4)
    return [found.get(day, 0) for day in days]


def test_a_job_is_tried_so_often_on_days_1_2_and_7():
    for error, due in (
        (FwError(errors.TIMEOUT), [33, 24, 24]),
        (FwError(errors_net.CLOCK_NOT_SET), [6, 1, 1]),
        (FwError(errors.CORRUPT), [1, 0, 0]),
    ):
        assert attempts(error, (1, 2, 7)) == due, (error, attempts(error, range(1, 8)))


# Which job


def broken(device, error):
    """The update fails for good while the link is down."""
    cloud = device.cloud
    cloud.broken = OSError(104)
    device.source.http.error = error
    assert device.update().code == error.code and cloud.steps() == []
    cloud.broken = None


def offering(version="2.0.0", error=errors.CORRUPT):
    """A device whose job has failed for good without a link; the job of the service follows."""
    device = failing(None)
    device.client.poll()
    assert device.client.poll()
    broken(device, FwError(error))
    device.cloud.version = version
    return device


def test_a_late_report_is_sent_while_the_job_is_the_same():
    device = offering()
    assert device.source.offer() is None and device.cloud.steps() == [], "not known yet"
    assert device.source.offer() is None and device.cloud.steps() == [("-3", "26")]
    assert device.source.offer() is None and len(device.cloud.steps()) == 1


def test_the_job_of_a_late_report_is_not_begun_again_after_a_reset():
    """Offered before the service heard its end; another job would be failed by its next end."""
    device = offering()
    device.source._closed = None  # as after a reset
    for _ in range(4):
        assert device.source.offer() is None
    assert device.cloud.steps() == [("-3", "26")]
    device.cloud.push()  # which means: try it again
    assert device.source.offer() == "aliyun:///2.0.0"


def test_a_late_report_does_not_fail_another_job():
    device = offering("3.0.0")
    device.source.http.error = None
    device.source.offer()
    assert device.source.offer() == "aliyun:///3.0.0" and device.cloud.steps() == []


def test_a_late_report_without_any_job_is_sent():
    device = offering()
    device.cloud.file = None
    for _ in range(3):
        device.source.offer()
    assert device.cloud.steps() == [("-3", "26")]


def test_a_push_of_another_job_comes_before_the_late_report():
    device = offering()
    device.cloud.push(version="3.0.0")
    device.source.offer()
    assert device.source.offer() == "aliyun:///3.0.0" and device.cloud.steps() == []


def test_a_job_that_could_not_be_opened_is_what_is_closed():
    """Not the one before it, which is what was under way last."""
    device = failing(FwError(errors.CORRUPT))
    device.update()
    device.cloud.version = "3.0.0"
    device.cloud.push()
    opened = device.source.open
    device.source.open = lambda *_: raise_(FwError(errors_net.CANCELED))
    assert device.update().code == errors_net.CANCELED
    device.source.open = opened
    device.cloud.sent = []
    for _ in range(5):
        assert device.source.offer() is None
    assert device.cloud.steps() == []


def raise_(error):
    raise error


def superseded(topic):
    """A device whose job has failed after another one came, on this topic, amid its file."""
    device = failing(None)
    cloud = device.cloud
    device.client.poll()
    assert device.client.poll()
    cloud.version = "3.0.0"
    new = {"id": "9", "code": 200, "data": cloud.offer()}
    cloud.callback(topic.encode(), json.dumps(new).encode())
    device.source.http.error = FwError(errors.CORRUPT)
    raises(errors.CORRUPT, device.client.run)
    device.source.http.error = None
    assert cloud.steps() == []
    return device


def test_the_end_of_an_old_job_does_not_fail_the_new_one():
    for topic in (UPGRADE, GET_REPLY):
        device = superseded(topic)
        device.source.offer()
        assert device.source.offer() == "aliyun:///3.0.0" and device.cloud.steps() == [], topic


def test_the_end_of_a_job_is_told_when_the_new_one_is_gone_again():
    device = superseded(UPGRADE)
    device.cloud.version = "2.0.0"
    device.source.offer()
    assert device.source.offer() is None and device.cloud.steps() == [("-3", "26")]
