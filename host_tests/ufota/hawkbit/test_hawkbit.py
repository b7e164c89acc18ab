"""hawkBit as a source: a whole server in memory, a real client, the real boot stage.

Runs on CPython and on MicroPython. test_hawkbit_net.py has the same over sockets.
"""

import json
import time

import fake_hawkbit
from fake_hawkbit import FakeHawkbit
from fwboot import main
from fwcore import errors, errors_boot, errors_net
from fwcore.errors import FwError
from fwcore.state import CONFIRMED, REVERTED, TRIAL, State
from helpers import raises, vectors
from ufota import client as states
from ufota import trial
from ufota.fleet_client import FleetClient
from ufota.hawkbit import messages as ddi
from ufota.hawkbit.action import Action
from ufota.hawkbit.server import Server
from ufota.sources.hawkbit import HawkbitSource
from ufota.sources.http import HttpSource
from ufota.sources.poll import Pace
from ufota.sources.retry import Retry
from ufota.update import client_store
from ufota_testkit import simboard
from ufota_testkit.simdisk import every_cut
from update_kit import OLD, Key, bundle, running, staged, tired

BOTH = True
IMAGE = "http://cdn.example/image.fw"
HERE = fake_hawkbit.HOST + "/image.fw"
BLOCK = 512


class World:
    """A server that offers version 2, a board that runs version 1, and its application.

    mode:      of trial_layout(); "simple" for a layout without a state region
    has_store: True: the board has a client store
    options:   of HawkbitSource and of FleetClient; waits: True: the client asks approve();
               side: True: there is a second connection, .side
    """

    def __init__(self, mode="swap", has_store=True, blocks=20, **options):
        if mode == "simple":
            layout = simboard.layout("spi")
            region = {"device": "flash", "start": 0x2000, "size": 0x1800}
        else:
            layout = simboard.trial_layout(mode, "spi", blocks)
            start = layout["state"]["start"] + layout["state"]["size"]
            region = {"device": "flash", "start": start, "size": 12 * BLOCK}
        if has_store:
            layout["client"] = region
        self.board = simboard.Board(layout, simboard.ROT, Key())
        self.power = self.board.power
        simboard.put(self.board, simboard.active_slot(self.board), *OLD)
        self.server = FakeHawkbit()
        self.server.files["/image.fw"] = bundle("two_bundle")
        self.server.attributes = {}
        self.options = options
        self.power_on()

    def power_on(self):
        """The application begins, with nothing but what is on the chips."""
        if hasattr(self.board, "client_store"):
            del self.board.client_store
        mine = dict(self.options)
        theirs = {}
        for name in ("approve_download", "retry"):
            if name in mine:
                theirs[name] = mine.pop(name)
        if mine.pop("waits", False):
            theirs["approve_install"] = lambda manifest: self.hawkbit.approve(manifest)
        self.http = self.server.http()
        if mine.pop("side", False):
            mine["side"] = self.side = self.server.http()
        self.hawkbit = HawkbitSource(
            self.board,
            self.http,
            self.server.url,
            fake_hawkbit.TOKEN,
            pace=Pace(300, first_s=0),
            **mine,
        )
        self.client = FleetClient(self.board, self.hawkbit, **theirs)

    def reset(self):
        """The boot stage, then the application. Returns the version that runs."""
        found = main.run(self.board)
        self.power_on()
        return found.head.version

    def poll(self):
        """A poll that is due, and no action rests any more. True when an update has begun."""
        self.hawkbit.pace.notify()
        if self.hawkbit._rest:
            self.hawkbit._rest._pace.notify()
        return self.client.poll()

    def update(self):
        """Poll, and run what has begun to its end. Returns the client's state."""
        try:
            if self.poll():
                self.client.run()
        except FwError:
            pass
        return self.client.state

    def remembered(self):
        """What is remembered, None for nothing."""
        store = client_store.of(self.board)
        return store.get(b"hawkbit") if store else None


def deployed(mode="swap", **options):
    world = World(mode, **options)
    world.server.deploy("5", HERE)
    return world


CUTS = ("swap", True), ("direct", True), ("simple", True), ("swap", False), ("simple", False)
INSTALLED = [("download", "none"), ("downloaded", "none"), ("proceeding", "none")]
SUCCESS = ("closed", "success")
FAILURE = ("closed", "failure")


def check_cycle(mode, has_store):
    world = deployed(mode, has_store=has_store)
    assert world.update() == states.READY
    assert world.server.said() == INSTALLED
    assert not world.poll() and world.server.said() == INSTALLED  # waits for the reset
    assert world.reset() > 1
    if mode != "simple":
        assert world.update() in (states.IDLE, states.FAILED)
        assert SUCCESS not in world.server.said()  # on trial
        assert trial.confirm(world.board)
    world.update()
    assert world.server.said()[-1] == SUCCESS and world.server.action is None
    assert world.remembered() is None
    assert not world.poll()
    return world


def test_a_trial_is_a_success_once_the_application_confirmed_it():
    for mode in simboard.MODES:
        world = check_cycle(mode, True)
        assert trial.last_result(world.board).result == CONFIRMED


def test_without_a_state_region_it_is_one_once_the_new_image_runs():
    check_cycle("simple", True)


def test_without_a_client_store_the_server_is_told_when_it_offers_the_image_again():
    for mode in ("swap", "simple"):
        check_cycle(mode, False)


def test_an_image_that_nobody_confirmed_is_no_failure_and_comes_again():
    for mode in simboard.MODES:
        world = deployed(mode)
        world.update()
        for _ in range(3):
            assert world.reset() > 1
            world.update()
        for _ in range(2):
            assert world.reset() == 1
            assert (
                world.update() == states.FAILED and world.client.error.code == errors_net.RESTING
            )
            left = world.client.error.at
            assert world.server.details() == "error 89 at %d" % left
            heard = world.server.said().count(INSTALLED[2])
            for _ in range(5):
                world.update()
            assert world.server.said().count(INSTALLED[2]) == heard  # once in each start
            if left == 1:
                assert world.remembered() is None
                break
        assert FAILURE not in world.server.said() and world.server.action
        assert world.reset() == 1
        assert world.update() == states.READY
        assert world.reset() > 1
        trial.confirm(world.board)  # the network is back
        world.update()
        assert world.server.said()[-1] == SUCCESS and world.server.action is None


def test_a_revert_for_the_third_time_is_a_failure_with_its_reason():
    world = deployed()
    tired(world.board, "two_bundle")
    world.update()
    for _ in range(3):
        assert world.reset() > 1
        world.update()
    assert world.reset() == 1
    assert world.update() == states.IDLE
    assert world.server.said() == INSTALLED + [FAILURE]
    assert world.server.details() == "error 80 at 0"
    assert world.remembered() is None
    world.server.deploy("6", HERE)  # the same again
    assert world.update() == states.FAILED
    assert world.client.error.code == errors_boot.BLACK_LISTED
    assert world.server.heard[-1][1] == "6" and world.server.said()[-1] == FAILURE
    assert world.server.details() == "error 80 at 0"


def test_a_rejected_image_is_a_failure_with_the_applications_reason():
    world = deployed()
    world.update()
    world.reset()
    trial.reject(world.board, 300)
    assert not world.poll()
    assert world.server.said() == INSTALLED
    assert world.reset() == 1
    world.poll()
    assert world.server.details() == "error 300 at 0"
    assert trial.last_result(world.board).result == REVERTED


def test_an_image_that_the_boot_stage_refuses_is_a_failure():
    world = deployed()
    world.update()
    slot = State(world.board).candidate_slots(world.board)[0]
    slot.storage.device.data[slot.body_at + 5] ^= 1
    assert world.reset() == 1
    assert world.update() == states.IDLE
    assert world.server.details() == "error %d at 0" % errors.CORRUPT


def test_a_simple_device_whose_installation_failed_says_so():
    world = deployed("simple")
    world.update()
    slot = simboard.candidate_slots(world.board)[0]
    slot.storage.device.data[slot.body_at + 5] ^= 1
    assert world.reset() == 1
    world.update()
    assert world.server.details() == "error %d at 0" % errors_boot.INSTALL_FAILED
    assert world.remembered() is None


def test_another_image_that_came_between_leaves_the_action_open():
    world = deployed()
    world.update()
    state = State(world.board)
    state.end(0, 0)
    state.put()
    assert world.reset() == 1
    assert world.poll()  # offered again, and taken again
    assert world.server.said()[-1] == ("download", "none")


# Power is cut


def small(mode, has_store=True):
    world = World(mode, has_store, blocks=3)
    world.server.files["/image.fw"] = bundle("small")
    world.server.deploy("5", HERE)
    return world


def live(world):
    """What the application does in one life."""
    if world.board.layout.get("state"):
        if State(world.board).phase == TRIAL:
            trial.confirm(world.board)
    world.update()


def cycle(world):
    live(world)
    world.reset()
    live(world)


def closes_once(world):
    """After a cut the same action is done and closed, and never as a failure."""
    assert FAILURE not in world.server.said()
    if SUCCESS in world.server.said():
        assert world.reset() > 1
    for _ in range(6):
        version = world.reset()
        live(world)
        if world.server.action is None and not world.remembered():
            break
    assert version > 1 and world.server.action is None and world.remembered() is None
    assert world.server.said().count(SUCCESS) == 1 and FAILURE not in world.server.said()


def test_a_cut_anywhere_ends_in_one_success():
    for mode, has_store in CUTS:
        cases = every_cut(lambda case=(mode, has_store): small(*case), cycle, closes_once)
        assert cases > 30, (mode, has_store, cases)


def test_a_link_that_breaks_at_any_request_ends_in_one_success():
    for mode, has_store in CUTS:
        for sign in (1, -1):
            lost = 0
            while True:
                lost += 1
                world = small(mode, has_store)
                world.server.lost = lost * sign
                for _ in range(6):
                    live(world)
                    if world.client.state == states.READY:
                        world.reset()
                assert world.server.said().count(SUCCESS) == 1, (mode, lost, sign)
                assert FAILURE not in world.server.said() and world.remembered() is None
                if lost > len(world.server.asked):
                    break
            assert lost > 12


# What the chips and the application may do


def test_a_read_that_fails_is_no_verdict():
    world = deployed()
    world.update()
    world.reset()
    trial.confirm(world.board)
    world.board.pulled.add("flash")
    raises(errors.READ_FAILED, world.poll)
    assert SUCCESS not in world.server.said()
    world.board.pulled.clear()
    world.poll()
    assert world.server.said()[-1] == SUCCESS


def test_a_client_store_that_cannot_be_read_or_written_stops_nothing():
    world = deployed()
    world.board.pulled.add("flash")
    world.power_on()
    world.board.pulled.clear()
    store = client_store.of(world.board)

    def fails(*_):
        raise OSError(5)

    store.put = fails
    assert world.update() == states.READY and world.remembered() is None
    world.reset()
    trial.confirm(world.board)
    world.update()
    assert world.server.said()[-1] == SUCCESS


def test_another_result_is_not_taken_for_this_ones():
    world = deployed()
    world.update()
    world.reset()
    trial.confirm(world.board)
    state = State(world.board)
    state.new = state.new[:2] + (bytes(32),) + state.new[3:]
    state.new = simboard.header.Header(*state.new)
    state.put()
    assert world.update() == states.FAILED  # forgotten, offered again: it runs already
    assert world.server.said() == INSTALLED + [("download", "none"), SUCCESS]


def test_a_simple_device_without_a_good_header_has_not_installed_it():
    world = deployed("simple")
    world.update()
    assert world.reset() > 1
    slot = simboard.active_slot(world.board)
    slot.storage.device.data[slot.header_at] ^= 1
    world.poll()
    assert world.server.details() == "error %d at 0" % errors_boot.INSTALL_FAILED


def test_another_image_of_the_version_that_runs_is_a_failure():
    world = check_cycle("swap", True)
    world.server.files["/image.fw"] = bundle("small")
    world.server.deploy("6", HERE)
    world.update()
    assert world.server.details() == "error %d at 0" % errors.NOT_NEWER


def test_a_black_listed_image_whose_reason_is_lost_is_one_nevertheless():
    world = deployed()
    world.update()
    world.reset()
    trial.reject(world.board, 300)
    world.reset()
    world.poll()
    world.server.files["/image.fw"] = bundle("later")
    world.server.deploy("6", HERE)
    world.update()
    assert world.reset() > 1
    trial.confirm(world.board)
    world.poll()
    world.server.files["/image.fw"] = bundle("two_bundle")
    world.server.deploy("7", HERE)
    world.update()
    assert world.server.details() == "error %d at 0" % errors_boot.BLACK_LISTED


def test_the_artifacts_server_is_told_the_last_result():
    world = deployed()
    world.update()
    world.reset()
    trial.reject(world.board, 300)
    world.reset()
    world.poll()
    world.server.deploy("6", HERE)
    world.update()
    lines = [each[2] for each in world.server.asked if each[1] == HERE]
    assert b"Ufota-Result: reverted 300" in lines[-1] and b"Authorization" in lines[-1]


def test_an_update_that_the_application_aborts_is_offered_again():
    world = deployed()
    assert world.poll()
    world.client.abort()
    assert world.update() == states.READY


def test_connections_are_closed_between_polls():
    world = deployed()
    assert world.update() == states.READY and not world.http.is_open
    world.poll()
    assert not world.http.is_open


def test_places_that_do_not_fit_a_note_are_left_out():
    made = Action(World().board)
    for at in ("region", None, -1, 1 << 32):
        made.end(1, at)
        assert made.at == 0
        made.keep()
    made.end(1, (1 << 32) - 1)
    assert made.at == (1 << 32) - 1
    made.keep()


def test_a_server_answers_in_time_or_not_at_all_and_the_watchdog_is_fed():
    world = World()
    fed = world.board.fed
    world.poll()
    assert world.board.fed > fed
    made = world.hawkbit._server
    made._since_ms = time.ticks_add(time.ticks_ms(), -29000)
    assert made._wait(world.http) == 50
    made._since_ms = time.ticks_add(time.ticks_ms(), -30001)
    world.http.is_open = True
    raises(errors_net.NO_ANSWER, made._wait, world.http)
    assert not world.http.is_open


def test_a_server_without_a_token_and_one_with_tls():
    made = Server("https://h/t/controller/v1/d/", "", 64)
    assert made.url == "https://h/t/controller/v1/d" and made.has_tls
    assert made.credentials(HttpSource, "https://h/x") == b""
    made = Server("http://h/t", "GatewayToken g", 64)
    assert not made.has_tls
    assert made.credentials(HttpSource, "http://h:80/x") == b"Authorization: GatewayToken g\r\n"


def test_waits_begin_anew_after_a_poll_that_worked():
    world = World()
    for _ in range(3):
        world.http.down = True
        for _ in range(4):
            raises(errors.CONNECT, world.poll)
        assert 30000 < world.hawkbit.pace.left_ms() < 46000
        world.http.down = False
        world.poll()


# What the server may want


def test_the_interval_is_the_servers():
    for text, seconds in (
        ("00:10:00", 600),
        ("01:02:03", 3723),
        ("00:00:00", 1),
        ("9999:00:00", 604800),
        ("1:2", 300),
        ("", 300),
        ("ab:cd:ef", 300),
        ("-1:00:00", 300),
        ("::", 300),
    ):
        world = World()
        world.server.sleep = text
        assert not world.poll()
        assert world.hawkbit.pace.interval_s == seconds, text
        left_ms = world.hawkbit.pace.left_ms()
        assert seconds * 870 < left_ms <= seconds * 1130
        asked = len(world.server.asked)
        assert world.hawkbit.offer() is None and len(world.server.asked) == asked


def test_attributes_are_sent_when_they_are_wanted():
    world = World(attributes={"hw": "2"})
    world.server.attributes = None
    world.poll()
    assert world.server.attributes == {"mode": "merge", "data": {"hw": "2"}}
    world = World(attributes=lambda: {"version": "1"})
    world.server.attributes = None
    world.poll()
    assert world.server.attributes["data"] == {"version": "1"}


def test_attributes_are_sent_once_to_a_server_that_never_has_enough():
    world = World(attributes={"hw": "2"})
    link = {"configData": {"href": world.server.url + "/configData"}}
    world.server.override[fake_hawkbit.BASE] = json.dumps({"_links": link}).encode()
    world.poll()
    world.poll()
    puts = [one for one in world.server.asked if one[0] == "PUT"]
    assert len(puts) == 1
    world.server.override[fake_hawkbit.BASE] = b"{}"
    world.poll()
    world.server.override[fake_hawkbit.BASE] = json.dumps({"_links": link}).encode()
    world.poll()
    puts = [one for one in world.server.asked if one[0] == "PUT"]
    assert len(puts) == 2


def test_skip_and_a_closed_window_mean_not_now():
    for inner in (
        {"download": "skip"},
        {"update": "skip"},
        {"maintenanceWindow": "unavailable"},
    ):
        world = World()
        world.server.deploy("5", HERE, **inner)
        assert not world.poll() and not world.server.said()
        world.server.deploy("5", HERE, maintenanceWindow="available")
        assert world.update() == states.READY


def test_ahead_of_the_window_it_is_downloaded_and_waits():
    for inner in ({"update": "skip"}, {"maintenanceWindow": "unavailable"}):
        world = World(ahead=True, waits=True)
        world.server.deploy("5", HERE, **inner)
        for _ in range(2):
            assert world.update() == states.APPROVE_INSTALL
        assert world.server.said() == INSTALLED[:2]
        world.hawkbit.pace.notify()
        assert not world.client.step() and not world.http.is_open
        world.server.deploy("5", HERE)
        assert not world.client.step()  # not asked yet
        world.hawkbit.pace.notify()
        assert world.client.run() and world.server.said() == INSTALLED
        assert not world.http.is_open


def test_while_it_waits_another_action_takes_its_place():
    world = World(ahead=True, waits=True)
    world.server.deploy("5", HERE, update="skip")
    world.update()
    world.server.deploy("6", HERE)
    world.hawkbit.pace.notify()
    assert raises(errors_net.CANCELED, world.client.step)
    assert world.update() == states.READY
    assert [each[1] for each in world.server.heard] == ["5", "5", "6", "6", "6"]


def test_a_poll_that_fails_while_it_waits_is_no_news():
    world = World(ahead=True, waits=True)
    world.server.deploy("5", HERE, update="skip")
    world.update()
    world.http.down = True
    world.hawkbit.pace.notify()
    assert not world.client.step() and world.client.state == states.APPROVE_INSTALL
    assert world.hawkbit.pace.left_ms() >= 4000


def test_forced_is_told_and_not_stronger_than_a_no():
    for inner, forced in (({}, True), ({"download": "attempt", "update": "attempt"}, False)):
        world = World(approve_download=lambda manifest: False)
        world.server.deploy("5", HERE, **inner)
        assert world.update() == states.FAILED and world.hawkbit.forced == forced
        assert world.server.said() == [("download", "none"), ("rejected", "none"), FAILURE]
        assert world.server.details() == "error %d at 0" % errors.DOWNLOAD_DENIED
        assert not world.poll()


def test_the_applications_own_word_counts_at_the_install_too():
    answers = [None, None, False]
    world = World(waits=True, approve_install=lambda manifest: answers.pop(0))
    world.server.deploy("5", HERE)
    assert world.update() == states.APPROVE_INSTALL
    assert not world.client.step()
    raises(errors.INSTALL_DENIED, world.client.step)
    assert world.server.said()[-2:] == [("rejected", "none"), FAILURE]


def test_consent_is_asked_for():
    for answer, word in ((True, "confirmed"), (False, "denied")):
        asked = []

        def consent(name, version, asked=asked, answer=answer):
            asked.append((name, version))
            return answer if len(asked) > 1 else None

        world = World(consent=consent)
        world.server.deploy("5", HERE, agreed=False)
        assert not world.poll() and not world.server.heard  # later
        assert not world.poll()
        assert asked == [("app", "2.0.0")] * 2
        assert world.server.heard == [("confirmationBase", "5", {"confirmation": word})]
        assert world.update() == (states.READY if answer else states.IDLE)
        assert len(asked) == 2  # a no is not asked again


def test_without_somebody_to_ask_the_server_is_left_to_agree():
    world = World()
    world.server.deploy("5", HERE, agreed=False)
    assert not world.poll() and not world.server.heard
    world.server.agreed = True
    assert world.update() == states.READY


# Cancel


def test_a_cancel_while_it_downloads_ends_the_update():
    world = World(side=True)
    world.server.deploy("5", HERE)
    assert world.poll()

    def after():
        if world.client.done:
            raise AssertionError("went on")
        if world.client.state == states.DOWNLOAD:
            world.server.cancel("11")
            world.hawkbit.pace.notify()

    world.http.after = after
    raises(errors_net.CANCELED, world.client.run)
    assert world.server.said("cancelAction") == [SUCCESS]
    assert world.server.asked[-1][1].endswith("cancelAction/11/feedback")
    assert ("closed", "failure") not in world.server.said()
    assert staged(world.board)[0] == (0, None) and running(world.board) == OLD
    assert not world.side.is_open and not world.http.is_open
    world.http.after = None
    assert not world.poll()
    world.server.deploy("6", HERE)
    assert world.update() == states.READY


def test_a_cancel_while_it_waits_ends_the_update():
    world = World(ahead=True, waits=True)
    world.server.deploy("5", HERE, update="skip")
    world.update()
    world.server.cancel("11")
    world.hawkbit.pace.notify()
    raises(errors_net.CANCELED, world.client.step)
    assert world.server.said("cancelAction") == [SUCCESS]
    assert staged(world.board)[0] == (0, None)


def test_a_cancel_before_it_began_is_agreed_to():
    world = World()
    world.server.deploy("5", HERE)
    world.server.cancel("11")
    assert not world.poll()
    assert world.server.said("cancelAction") == [SUCCESS] and world.server.action is None
    assert world.server.heard[0][1] == "11"


def test_a_cancel_that_comes_too_late_is_rejected():
    for resets in range(2):
        world = deployed()
        world.update()
        for _ in range(resets):
            assert world.reset() > 1
        world.server.cancel("11")
        assert not world.poll()
        assert world.server.said("cancelAction") == [("rejected", "none")]
        if not resets:
            world.reset()
        trial.confirm(world.board)
        world.poll()
        assert world.server.said()[-1] == SUCCESS


def test_a_cancel_of_another_action_is_agreed_to_while_this_one_waits():
    world = deployed()
    world.update()
    world.server.action = "7", {}
    world.server.cancel("11")
    world.poll()
    assert world.server.said("cancelAction") == [SUCCESS]
    assert world.remembered() is not None


def test_a_cancel_is_heard_between_two_attempts_of_a_link():
    world = World(retry=Retry(0))
    world.server.deploy("5", HERE)
    assert world.poll()
    while world.client.state != states.DOWNLOAD:
        world.client.step()
    world.server.cancel("11")
    world.hawkbit.pace.notify()

    def breaks():
        world.http.after = None
        raise FwError(errors.CONNECT)

    world.http.after = breaks
    raises(errors_net.CANCELED, world.client.run)
    assert world.server.said("cancelAction") == [SUCCESS] and not world.http.is_open
    raises(errors_net.CANCELED, world.hawkbit.open, HERE)


# What cannot be said, and what the server has forgotten


def test_an_action_that_the_server_has_closed_is_forgotten():
    world = deployed()
    world.update()
    world.server.action = None
    world.reset()
    trial.confirm(world.board)
    assert world.remembered() is not None
    assert not world.poll() and world.remembered() is None


def test_an_action_that_is_closed_meanwhile_is_given_up():
    world = deployed()
    world.poll()
    world.server.action = None
    assert not list(world.hawkbit._stage("download", world.server.http()))
    raises(errors_net.CANCELED, world.client.run)
    assert not world.server.said()[1:]


def test_an_action_that_is_closed_as_it_is_taken_is_not_fetched():
    world = deployed()
    feedback = fake_hawkbit.BASE + "/deploymentBase/5/feedback"
    world.server.override[feedback] = 410, b""
    assert not world.poll()
    assert HERE not in [each[1] for each in world.server.asked]


def test_an_action_that_is_closed_as_its_image_is_committed_is_not_remembered():
    world = deployed()
    world.poll()
    while world.client.state != states.COMMIT:
        world.client.step()
    world.server.action = None
    assert world.client.run() and world.remembered() is None
    world.hawkbit.open(HERE)  # nothing was called off
    world.hawkbit.close()


def test_the_rest_of_one_action_is_not_that_of_the_next():
    world = deployed()
    for turn in range(5):
        if turn == 4:
            world.server.deploy("6", HERE)
        assert world.poll()
        world.http.down = True
        raises(errors.CONNECT, world.client.run)
        world.http.down = False
        assert world.hawkbit._rest.id == world.server.action[0]
    assert world.hawkbit._rest.left_ms() < 6000
    assert world.remembered() is None and FAILURE not in world.server.said()


def test_an_action_that_rests_lets_the_next_one_in():
    world = deployed()
    world.poll()
    world.http.down = True
    raises(errors.CONNECT, world.client.run)
    world.http.down = False
    world.hawkbit.pace.notify()
    assert not world.client.poll()  # it rests
    world.server.deploy("6", HERE)
    world.hawkbit.pace.notify()
    assert world.client.poll()


def test_the_result_is_said_again_until_it_is_heard():
    world = deployed()
    world.update()
    world.reset()
    trial.confirm(world.board)
    feedback = fake_hawkbit.BASE + "/deploymentBase/5/feedback"
    for status in (500, 503, 429, 401, 403, 408):
        world.server.override[feedback] = status, b""
        error = raises(errors.HTTP_STATUS, world.poll)
        assert error.at == status and world.remembered() is not None
    world.http.down = True
    raises(errors.CONNECT, world.poll)
    world.power_on()
    world.server.override.clear()
    assert not world.poll()
    assert world.server.said()[-1] == SUCCESS and world.remembered() is None


def test_a_failure_that_cannot_be_said_is_kept_through_a_reset():
    world = deployed()
    world.server.files["/image.fw"] = bundle("other_class")
    feedback = fake_hawkbit.BASE + "/deploymentBase/5/feedback"
    world.server.override[feedback] = 500, b""
    assert world.update() == states.FAILED
    assert world.client.error.code == errors.WRONG_CLASS and world.remembered() is not None
    assert world.reset() == 1
    world.server.override.clear()
    world.poll()
    assert world.server.said() == [FAILURE] and world.remembered() is None
    assert world.server.details() == "error %d at 0" % errors.WRONG_CLASS


def test_feedback_that_the_server_will_never_take_is_dropped():
    world = deployed()
    world.server.override[fake_hawkbit.BASE + "/deploymentBase/5/feedback"] = 422, b""
    assert world.update() == states.READY  # stages do not matter
    world.reset()
    trial.confirm(world.board)
    world.poll()
    assert world.remembered() is None


def test_stages_that_cannot_be_said_stop_nothing():
    world = deployed()
    world.server.override[fake_hawkbit.BASE + "/deploymentBase/5/feedback"] = 500, b""
    assert world.update() == states.READY and world.remembered() is not None


def test_a_link_that_breaks_never_ends_an_action():
    world = deployed()
    for _ in range(20):
        assert world.poll()
        world.http.down = True
        raises(errors.CONNECT, world.client.run)
        assert world.hawkbit._rest.left_ms() > 4000 and world.remembered() is None
        world.http.down = False
    assert world.update() == states.READY
    assert FAILURE not in world.server.said()


def test_progress_is_told_a_few_times():
    world = World(side=True)
    world.server.deploy("5", HERE)
    assert world.poll()

    class Half:
        state = states.DOWNLOAD
        size = 1000

    Half.manifest = Half
    for done in range(0, 1001, 70):
        Half.done = done
        world.hawkbit.report(Half)
    Half.done = 1000
    world.hawkbit.report(Half)
    told = [each[2]["status"] for each in world.server.heard[1:]]
    assert [each["result"]["progress"] for each in told] == [
        {"cnt": percent, "of": 100} for percent in (25, 50, 75)
    ]
    assert [each["details"] for each in told] == [
        ["Downloaded %d%%" % percent] for percent in (25, 50, 75)
    ]
    assert world.http.is_open and not world.side.is_open
    world.client.abort()
    assert world.poll()
    Half.done = 300
    world.hawkbit.report(Half)
    assert world.server.heard[-1][2]["status"]["result"]["progress"]["cnt"] == 25


def test_with_one_connection_nothing_is_said_while_it_downloads():
    world = deployed()
    assert world.poll()
    asked = len(world.server.asked)
    while world.client.state != states.VERIFY:
        world.hawkbit.pace.notify()
        world.client.step()
    assert [each[0] for each in world.server.asked[asked:]] == ["POST"]


def test_updates_of_other_sources_are_none_of_its_business():
    world = deployed(waits=True, ahead=True)
    world.client.start(HERE)
    assert world.client.run()
    assert len(world.server.asked) == 1 and not world.server.heard


# Whom the token is for


def test_the_token_goes_to_the_server_only():
    world = World()
    world.server.deploy("5", IMAGE)
    world.server.override["/image.fw"] = bundle("two_bundle")
    assert world.update() == states.READY
    for _method, url, header in world.server.asked:
        assert (b"Authorization: TargetToken secret" in header) == (url != IMAGE), url
    assert IMAGE in [each[1] for each in world.server.asked]


def test_a_look_alike_is_another_server():
    for href in (
        "http://ddi.example/image.fw",
        "https://ddi.example:8080/image.fw",
        "http://ddi.example.evil.example:8080/image.fw",
    ):
        world = World()
        world.server.deploy("5", href)
        world.update()
        found = [each[2] for each in world.server.asked if each[1] == href]
        assert len(found) == 1 and b"Authorization" not in found[0], href
    world = World()
    world.server.deploy("5", "http://DDI.example:8080/image.fw")
    world.update()
    assert b"Authorization" in world.server.asked[3][2]


def test_a_link_to_another_server_is_followed_without_the_token():
    world = World()
    href = "http://evil.example/DEFAULT/controller/v1/dev-1/deploymentBase/5"
    link = {"deploymentBase": {"href": href}}
    world.server.override[fake_hawkbit.BASE] = json.dumps({"_links": link}).encode()
    error = raises(errors.HTTP_STATUS, world.poll)
    assert error.at == 401 and b"Authorization" not in world.server.asked[-1][2]


def test_the_token_is_of_the_requests_only_and_not_of_the_connection():
    """In a group another source may use the same HttpService, for another server."""
    world = deployed()
    world.http.header = b"A: b\r\n"
    assert world.update() == states.READY
    lines = [each[2] for each in world.server.asked]
    assert all(b"Authorization" in each and b"A: b" not in each for each in lines)
    assert world.http.header == b"A: b\r\n"
    for method in ("begin", "open"):  # it fails
        world = deployed()
        world.http.header = b"A: b\r\n"
        setattr(world.http, method, lambda *_args: raised(FwError(errors.CONNECT)))
        world.update()
        assert world.http.header == b"A: b\r\n"


def raised(error):
    raise error


# A hostile server

DEPLOYMENT = fake_hawkbit.BASE + "/deploymentBase/5"


def hostile_polls():
    """Answers to a poll that no server should give."""
    links = {"_links": {"deploymentBase": {"href": "http://host/%s"}}}
    many = {"_links": {"l%d" % at: {"href": "http://host/"} for at in range(10000)}}
    few = {"_links": {"l%d" % at: {} for at in range(120)}}
    yield b""
    yield b"null"
    yield b"[]"
    yield b"5"
    yield b'"text"'
    yield b"{"
    yield b"\xff\xfe{}"
    yield b"[" * 1500
    yield b'{"a":' * 400 + b"1" + b"}" * 400
    yield b'{"_links":' + b"9" * 1500 + b"}"
    yield json.dumps(many).encode()
    yield json.dumps(few).encode()
    yield b'{"_links": []}'
    yield b'{"_links": "x"}'
    yield b'{"config": []}'
    yield b'{"config": {"polling": 5}}'
    yield b'{"config": {"polling": {"sleep": 5}}}'
    yield b'{"config": {"polling": {"sleep": "%s"}}}' % (b"0" * 1000)
    for href in (
        5,
        [],
        {},
        "ftp://host/x",
        "file:///etc/passwd",
        "javascript:1",
        "/relative",
        "x" * 1025,
        "http://host/\r\nX: y",
        "http://host/\u00fc",
        "HTTPX://host/",
    ):
        links["_links"]["deploymentBase"]["href"] = href
        yield json.dumps(links).encode()
    yield b'{"_links": {"deploymentBase": "http://host/"}}'


def hostile_jobs():
    """Answers to a deploymentBase that no server should give."""
    for inner in (
        5,
        [],
        {"chunks": 5},
        {"chunks": {}},
        {"chunks": [5]},
        {"chunks": [[]]},
        {"chunks": [{"artifacts": 5}]},
        {"chunks": [{"artifacts": [5]}]},
        {"chunks": [{"artifacts": [{"_links": 5}]}]},
        {"chunks": [{"artifacts": [{"_links": {"download": 5}}]}]},
        {"chunks": [{"artifacts": [{"_links": {"download": {"href": 5}}}]}]},
        {"chunks": [{"artifacts": [{"_links": {"download": {"href": "ftp://x"}}}]}]},
        {"download": 5},
        {"update": []},
        {"maintenanceWindow": {}},
    ):
        yield {"id": "5", "deployment": inner}
    names = "../../5", "5/6", "5?", "a" * 37, "\u0665", "5 "
    for identity in (None, "", [], {}, True, 1.5) + names:
        yield {"id": identity, "deployment": {"chunks": []}}
    yield {"deployment": {}}


def check_survives(world):
    """After a bad answer: nothing has changed, and the next poll works."""
    assert world.client.state in (states.IDLE, states.FAILED)
    assert running(world.board) == OLD and staged(world.board)[0] == (0, None)
    assert not world.http.is_open
    world.server.override.clear()
    world.server.deploy("5", HERE)
    assert world.update() == states.READY


def refusal(world):
    try:
        world.poll()
    except FwError as error:
        return error.code
    return None


def test_bad_answers_to_a_poll_are_numbered_errors():
    codes = errors_net.BAD_MESSAGE, errors.TOO_LONG
    for at, answer in enumerate(hostile_polls()):
        world = World()
        world.server.override[fake_hawkbit.BASE] = answer
        assert refusal(world) in codes, (at, answer[:60])
        check_survives(world)


def test_bad_answers_about_a_deployment_are_numbered_errors():
    for message in hostile_jobs():
        world = deployed()
        world.server.override[DEPLOYMENT] = json.dumps(message).encode()
        assert refusal(world) == errors_net.BAD_MESSAGE, message
        check_survives(world)


def test_statuses_to_a_poll_are_errors_and_the_next_one_comes():
    for status in (401, 403, 404, 410, 429, 500, 503):
        world = World()
        world.server.override[fake_hawkbit.BASE] = status, b"{}"
        assert raises(errors.HTTP_STATUS, world.poll).at == status
        assert world.hawkbit.pace.left_ms() >= 4000
        check_survives(world)


def test_bad_answers_about_cancel_and_consent_are_numbered_errors():
    for message in ({}, {"id": "11"}, {"id": 5.5}, {"id": "11", "cancelAction": []}):
        world = deployed()
        world.server.cancel("11")
        path = fake_hawkbit.BASE + "/cancelAction/11"
        world.server.override[path] = json.dumps(message).encode()
        assert refusal(world) == errors_net.BAD_MESSAGE, message
        check_survives(world)
    world = World(consent=lambda name, version: True)
    world.server.deploy("5", HERE, agreed=False)
    world.server.override[fake_hawkbit.BASE + "/confirmationBase/5"] = b'{"confirmation": []}'
    assert refusal(world) == errors_net.BAD_MESSAGE
    check_survives(world)


def test_sizes_and_hashes_that_lie_change_nothing():
    world = World()
    world.server.deploy("5", HERE)
    artifact = world.server.action[1]["chunks"][0]["artifacts"][0]
    artifact["size"] = 1 << 62
    artifact["hashes"] = {"sha1": 5}
    assert world.update() == states.READY


# Messages


def test_the_documented_messages_are_understood():
    known = vectors("hawkbit/hawkbit_ddi.json")
    names = {
        "poll_first": "configData",
        "poll_deploy": "deploymentBase",
        "poll_confirm": "confirmationBase",
        "poll_cancel": "cancelAction",
    }
    for name in ("poll_first", "poll_idle", "poll_deploy", "poll_confirm", "poll_cancel"):
        assert ddi.sleep_s(known[name]) == 300
        for link in names.values():
            href = ddi.link(known[name], link)
            assert (href != "") == (names.get(name) == link)
            assert not href or href == known[name]["_links"][link]["href"]
    found = ddi.job(known["deploymentBase"], "deployment", True)
    assert found == ("5", "https://cdn/fw.bin", "forced", "forced", True, "fw", "2.0.0")
    found = ddi.job(known["deploymentBase"], "deployment", False)
    assert found.url == "http://cdn/fw.bin"


def test_what_is_said_has_the_documented_shape():
    known = vectors("hawkbit/hawkbit_ddi.json")
    executions = {each["status"]["execution"] for each in known["feedback"]}
    finished = {each["status"]["result"]["finished"] for each in known["feedback"]}
    for execution in ("download", "downloaded", "proceeding", "rejected", "closed"):
        assert execution in executions
        said = json.loads(ddi.feedback("5", execution))
        expected = {"execution": execution, "result": {"finished": "none"}}
        assert said == {"id": "5", "status": expected}
    for each in ("success", "failure", "none"):
        assert each in finished
    said = json.loads(ddi.feedback("5", "closed", "failure", "error 1 at 2", 50))
    assert said["status"]["details"] == ["error 1 at 2"]
    assert said["status"]["result"] == {"finished": "failure", "progress": {"cnt": 50, "of": 100}}
    confirmations = [each["confirmation"] for each in known["confirmation_feedback"]]
    assert [json.loads(ddi.consent(each))["confirmation"] for each in (True, False)] == (
        confirmations
    )
    assert json.loads(ddi.attributes({"hwRevision": "2"})) == known["configData_put"]


def artifact(name, href, **links):
    made = {"filename": name, "_links": {"download": {"href": href}}}
    for key in links:
        made["_links"][key] = {"href": links[key]}
    return made


def chosen(*chunks):
    inner = {"chunks": [{"name": "n", "artifacts": list(chunk)} for chunk in chunks]}
    return ddi.job({"id": 5, "deployment": inner}, "deployment", True).url


def test_the_artifact_is_the_one_with_the_name_of_a_bundle_or_the_only_one():
    one = artifact("notes.txt", "http://h/1")
    two = artifact("app.fw", "http://h/2")
    three = artifact("app.ufota", "http://h/3")
    assert chosen([one]) == "http://h/1"
    assert chosen([one, two, three]) == "http://h/2"
    assert chosen([one], [three]) == "http://h/3"
    inner = {"chunks": [{"name": "first"}, {"name": "second"}]}
    assert ddi.job({"id": 5, "deployment": inner}, "deployment", True).name == "first"
    assert chosen([one, one]) == "" and chosen([], []) == "" and chosen() == ""
    nameless = {"_links": {"download": {"href": "http://h/4"}}, "filename": ["x.fw"]}
    assert chosen([nameless]) == "http://h/4"
    assert chosen([{"filename": "x.fw"}]) == ""
    assert chosen([artifact("g\u00f6\u00df.fw", "http://h/5")]) == "http://h/5"


def test_a_deployment_without_an_artifact_for_us_stays_open():
    world = World()
    world.server.deploy("5", HERE, chunks=[])
    for _ in range(3):
        assert not world.poll()
    assert world.server.said() == [("proceeding", "none")]
    assert world.server.details() == "error %d at 0" % errors.BAD_URL
    assert world.hawkbit._rest.left_ms() > 200000


def test_an_action_has_a_number_or_a_uuid():
    for known in (5, "5", "0aZ-" * 9):
        assert ddi.identity({"id": known}, "id") == str(known)


def test_names_that_are_shown_are_cut_and_never_an_error():
    inner = {"chunks": [{"name": "\u00e4" * 100, "version": 5}]}
    found = ddi.job({"id": 5, "confirmation": inner}, "confirmation", True)
    assert found.name == "\u00e4" * 64 and found.version == "" and found.id == "5"


def test_a_note_that_is_none_is_ignored():
    short = b"\x02" + bytes(38), b"\x03" + bytes(38)
    no_text = b"\x02" + bytes(38) + b"\xff", b"\x03" + bytes(38) + b"5\xc3"
    for value in (b"", b"\x02", bytes(39), b"\x07" + bytes(39)) + short + no_text:
        world = World()
        client_store.of(world.board).put(b"hawkbit", value)
        world.power_on()
        world.server.deploy("5", HERE)
        assert world.update() == states.READY, value
        assert not [each for each in world.server.asked if "//feedback" in each[1]]
