"""What hawkBit is told for each row of the table of verdicts, and how often a device tries."""

import fake_hawkbit
from fwcore import errors, errors_boot, errors_net
from fwcore.errors import FwError
from helpers import raises
from test_hawkbit import FAILURE, HERE, deployed
from ufota import client as states
from ufota.sources import poll, verdicts
from ufota.sources.retry import Retry
from ufota_testkit.virtual_clock import Clock, middle
from update_kit import bundle

BOTH = True  # runs on CPython and on MicroPython

OPEN = ("proceeding", "none")
# Of these the result of an image counts, or nothing is told: test_hawkbit.py
OTHERS = errors.NOT_NEWER, errors_boot.BLACK_LISTED, errors_boot.ON_TRIAL


def failing(world, error):
    """Each read of the artifact from now on ends in this error."""

    def fail():
        raise error

    world.http.after = fail
    return world


def test_only_what_is_final_closes_an_action():
    closed = stayed = 0
    for code in range(21, 164):
        if verdicts.row(code) == "-" or code in OTHERS:
            continue
        world = failing(deployed(), FwError(code, 7))
        assert world.update() == states.FAILED and world.client.error.code == code
        final = verdicts.is_final(code)
        said = [FAILURE] if final else [OPEN]
        if code in (errors.INSTALL_DENIED, errors.DOWNLOAD_DENIED):
            said.insert(0, ("rejected", "none"))
        assert world.server.said()[1:] == said, code
        assert world.server.details() == "error %d at 7" % code
        assert (world.server.action is None) == final, code
        closed += final
        stayed += not final
    assert closed > 20 and stayed > 50


def test_what_stays_open_is_told_once_and_taken_up_again():
    world = failing(deployed(), FwError(errors_net.CLOCK_NOT_SET))
    for _ in range(3):
        assert world.update() == states.FAILED
    failing(world, FwError(errors.WRITE_FAILED, 5))
    world.update()
    world.http.after = None
    assert world.update() == states.READY
    said = [each for each in world.server.said() if each != ("download", "none")]
    assert said == [OPEN, OPEN, ("downloaded", "none"), OPEN]


def test_the_page_of_a_portal_and_a_short_heap_pass():
    world = deployed()
    world.server.override["/image.fw"] = b"<html>log in</html>" * 40
    assert world.update() == states.FAILED and world.client.error.code == errors.MALFORMED
    assert world.server.details() == "error %d at 0" % errors.MALFORMED
    world.server.override.clear()
    failing(world, MemoryError())
    assert world.update() == states.FAILED and world.client.error.code == errors.NO_MEMORY
    world.http.after = None
    assert world.update() == states.READY and FAILURE not in world.server.said()


def fetched(world):
    return [each[1] for each in world.server.asked].count(HERE)


def asks(world):
    """Requests for the deployment."""
    path = fake_hawkbit.BASE + "/deploymentBase/5?"
    return len([each for each in world.server.asked if path in each[1]])


def test_for_an_address_that_expired_the_server_is_asked_at_once():
    for status in (401, 403, 404, 410):
        world = deployed()
        world.server.override["/image.fw"] = status, b"expired"
        assert world.update() == states.FAILED
        assert world.server.details() == "error %d at %d" % (errors.HTTP_STATUS, status)
        assert asks(world) == 1
        world.server.deploy("5", fake_hawkbit.HOST + "/new.fw")
        world.server.files["/new.fw"] = bundle("two_bundle")
        assert world.client.poll() and asks(world) == 2  # nobody made it due
        assert world.client.run() and FAILURE not in world.server.said()


def test_an_address_that_is_refused_again_rests():
    world = deployed()
    world.server.override["/image.fw"] = 403, b""
    for _ in range(2):
        assert world.client.poll()
        raises(errors.HTTP_STATUS, world.client.run)
    assert world.hawkbit._rest.left_ms() > 4000 and not world.client.poll()
    assert world.server.said().count(OPEN) == 1


def test_an_address_that_expires_in_the_middle_is_renewed_as_often_as_bytes_come():
    world = deployed()
    rest = None
    for done in (0, 1000, 2000):
        assert world.poll()
        world.client.done = done
        failing(world, FwError(errors.HTTP_STATUS, 403))
        raises(errors.HTTP_STATUS, world.client.run)
        rest = world.hawkbit._rest
        assert rest.left_ms() == 0, done
    assert world.poll()
    world.client.done = 2000
    raises(errors.HTTP_STATUS, world.client.run)
    assert rest.left_ms() > 4000


def test_a_refusal_with_a_retry_after_is_obeyed():
    world = deployed(retry=Retry(0, asked_s=0))
    assert world.poll()
    count = [0]

    def limited():
        count[0] += 1
        world.http.retry_after_s = 60 * (count[0] < 3)
        if count[0] < 3:
            raise FwError(errors.HTTP_STATUS, 403)

    world.http.after = limited
    assert world.client.run() and count[0] > 3
    assert OPEN not in world.server.said()[:-1]


def attempts(error, days):
    """How often the artifact was asked for on each day. Polls are an hour apart."""
    clock = poll.time = Clock()
    world = deployed()
    world.server.sleep = "01:00:00"
    failing(world, error)
    hawkbit, found = world.hawkbit, [0] * days
    hawkbit.pace.retry.random = middle
    while clock.now < days * 86400000:
        before = fetched(world)
        try:
            if world.client.poll():
                world.client.run()
        except FwError:
            pass
        found[clock.now // 86400000] += fetched(world) - before
        hawkbit._rest._pace.retry.random = middle
        clock.now += 1000
        waits = [hawkbit.pace.left_ms()]
        if hawkbit._rest.waits:
            waits.append(hawkbit._rest.left_ms())
        clock.now += min(waits)
    return found


def test_attempts_on_each_day():
    real = poll.time
    try:
        assert attempts(FwError(errors.CONNECT), 7) == [33] + [24] * 6
        assert attempts(FwError(errors.MALFORMED), 7) == [6] + [1] * 6
        assert attempts(FwError(errors.HTTP_STATUS, 403), 3) == [7, 1, 1]  # one at once
    finally:
        poll.time = real
