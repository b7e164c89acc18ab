"""What the application says of its image: confirm, reject, wait for a check, and ask."""

import asyncio
import time

import micropython  # noqa: F401  (gives CPython's time its ticks)

from fwboot import main
from fwcore import errors, errors_boot
from fwcore import state as states
from fwcore.manifest import version_word
from fwcore.state import State
from helpers import raises
from ufota import trial
from ufota_testkit import simboard
from ufota_testkit.simboard import MODES
from ufota_testkit.simdisk import TEARS, every_cut
from update_kit import MANIFEST_URL, OLD, bundle, payload, trial_setup, update

BOTH = True  # runs on CPython and on MicroPython

V2 = version_word("2.0.0")
NEW = V2, payload("small")


def on_trial(mode="swap", kind="spi", trials=3, **options):
    """A board that runs NEW for the first time."""
    made = trial_setup({MANIFEST_URL: bundle("small")}, mode, kind, trials=trials, **options)
    assert update(made)
    assert boot(made[0]) == NEW
    made[0].fed = 0
    made[0].power.reset()
    return made[0]


def factory(**options):
    return trial_setup({}, "swap", **options)[0]


def boot(board):
    return simboard.read(board, main.run(board).slot)


def stateless():
    return simboard.make()


# confirm


def test_confirm_ends_the_trial_and_raises_the_floor_in_one_put():
    for mode in MODES:
        board = on_trial(mode)
        assert trial.confirm(board) is True
        ops = board.power.ops
        State(board).put()
        assert board.power.ops == 2 * ops
        state = State(board)
        assert (state.phase, state.tries, state.floor) == (states.IDLE, 0, V2)
        assert (state.result, state.reason) == (states.CONFIRMED, 0)


def test_confirm_again_writes_nothing():
    for mode in MODES:
        board = on_trial(mode)
        trial.confirm(board)
        board.power.reset()
        for _ in range(3):
            assert trial.confirm(board) is False
            assert trial.confirm(board, 1) is False
        assert board.power.ops == 0


def test_confirm_of_a_factory_image_raises_the_floor_and_leaves_no_result():
    board = factory()
    assert trial.confirm(board) is True
    assert State(board).floor == OLD[0] and State(board).phase == states.IDLE
    assert trial.last_result(board) is None


def test_floor_rises_to_what_is_asked_but_not_above_the_image_and_never_falls():
    for downgrade, asked, floor in (
        (False, None, V2),
        (True, None, 5),
        (False, 7, 7),
        (True, 7, 7),
        (False, V2 + 1, V2),
        (True, V2 + 1, V2),
        (False, 4, 5),
        (True, 4, 5),
        (False, 0, 5),
        (False, -1, 5),
    ):
        board = on_trial(downgrade=downgrade)
        state = State(board)
        state.floor = 5
        state.put()
        assert trial.confirm(board, asked) is True
        assert State(board).floor == floor, (downgrade, asked)
        assert boot(board) == NEW


def test_floor_can_be_raised_after_the_confirm():
    board = on_trial(downgrade=True)
    assert trial.confirm(board) is True and State(board).floor == 0
    assert trial.confirm(board, floor=V2) is True and State(board).floor == V2
    assert trial.confirm(board, floor=V2) is False


def test_confirm_leaves_an_update_that_waits():
    made = trial_setup({MANIFEST_URL: bundle("small")}, "swap")
    assert update(made)
    assert trial.confirm(made[0]) is True
    state = State(made[0])
    assert state.phase == states.PENDING and state.floor == OLD[0]
    assert boot(made[0]) == NEW


def test_confirm_is_refused_while_the_boot_stage_is_not_done():
    """After reject(), or by a recovery image that runs as an update could not be finished."""
    for phase in (states.FORWARD, states.BACK):
        board = on_trial()
        state = State(board)
        state.phase = phase
        state.put()
        board.power.reset()
        raises(errors_boot.NOT_ON_TRIAL, trial.confirm, board)
        assert board.power.ops == 0 and State(board).phase == phase


def test_confirm_in_direct_mode_speaks_of_the_slot_that_runs():
    board = on_trial("direct")
    assert State(board).active == 1
    assert trial.confirm(board) and State(board).floor == V2


# reject


def test_reject_brings_the_old_image_back_and_keeps_the_reason():
    for mode in MODES:
        board = on_trial(mode)
        digest = State(board).new.digest
        trial.reject(board, 1000)
        assert State(board).phase == states.BACK
        assert boot(board) == OLD
        result = trial.last_result(board)
        assert result == (states.REVERTED, 1000, V2, digest)
        assert result.result == states.REVERTED and result.digest == digest
        assert result.reason == 1000 and result.version == V2
        assert State(board).is_bad(digest)


def test_a_reason_out_of_bounds_or_one_that_spares_the_image_black_lists_all_the_same():
    for reason, kept in (
        (1, 1),
        (255, 255),
        (256, 256),
        (65535, 65535),
        (errors_boot.CRASHED, errors_boot.CRASHED),
        (0, errors_boot.BLACK_LISTED),
        (-1, errors_boot.BLACK_LISTED),
        (65536, errors_boot.BLACK_LISTED),
        (1 << 40, errors_boot.BLACK_LISTED),
        (errors_boot.INSTALL_FAILED, errors_boot.BLACK_LISTED),
        (errors.CORRUPT, errors_boot.BLACK_LISTED),
        (errors_boot.NOT_CONFIRMED, errors_boot.BLACK_LISTED),
        (errors_boot.HUNG, errors_boot.BLACK_LISTED),
    ):
        board = on_trial()
        digest = State(board).new.digest
        trial.reject(board, reason)
        assert State(board).reason == kept
        assert boot(board) == OLD and State(board).is_bad(digest)


def test_only_an_image_on_trial_can_be_rejected():
    board = on_trial()
    trial.confirm(board)
    for phase in (states.IDLE, states.PENDING, states.FORWARD, states.BACK):
        state = State(board)
        state.phase = phase
        state.put()
        board.power.reset()
        raises(errors_boot.NOT_ON_TRIAL, trial.reject, board, 1000)
        assert board.power.ops == 0 and State(board).phase == phase
    raises(errors_boot.NOT_ON_TRIAL, trial.reject, stateless(), 1000)


# Without a state region


def test_device_without_a_state_region_has_nothing_to_confirm_and_no_result():
    board = stateless()
    assert trial.confirm(board) is False
    assert trial.confirm_when(board, lambda: True, 0) is True
    assert trial.last_result(board) is None
    assert board.power.ops == 0


# confirm_when


class Clock:
    """Plays the module `time` of trial.py: it passes only while somebody sleeps or works."""

    def __init__(self):
        self.now = 0
        self.slept = []

    def __enter__(self):
        trial.time = self
        return self

    def __exit__(self, *_):
        trial.time = time

    def ticks_ms(self):
        return self.now

    def ticks_diff(self, later, earlier):
        return later - earlier

    def sleep_ms(self, ms):
        assert ms > 0
        self.slept.append(ms)
        self.now += ms


class Check:
    """Answers in turn; the last one again and again. An exception is raised."""

    def __init__(self, *answers, takes_ms=0, clock=None):
        self.answers = list(answers)
        self.times = []
        self._takes_ms = takes_ms
        self._clock = clock

    def __call__(self):
        if self._clock:
            self.times.append(self._clock.now)
            self._clock.now += self._takes_ms
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer


def test_confirm_comes_with_the_first_check_that_passes():
    for answers, waits in (
        ((True,), 0),
        ((False, True), 1),
        ((None, 0, OSError(113), 1), 3),
    ):
        board = on_trial()
        with Clock() as clock:
            assert trial.confirm_when(board, Check(*answers), 60000, 500) is True
        assert clock.slept == [500] * waits
        assert State(board).phase == states.IDLE and State(board).result == states.CONFIRMED


def test_check_that_never_passes_ends_in_time_and_confirms_nothing():
    for answer in (False, OSError(113)):
        for timeout_ms, wait_ms, times in (
            (0, 1000, [0]),
            (1000, 400, [0, 400, 800, 1000]),
            (1000, 500, [0, 500, 1000]),
            (3000, 5000, [0, 3000]),
        ):
            board = on_trial()
            with Clock() as clock:
                check = Check(answer, clock=clock)
                assert trial.confirm_when(board, check, timeout_ms, wait_ms) is False
            assert check.times == times and clock.now == timeout_ms
            assert State(board).phase == states.TRIAL and board.power.ops == 0


def test_default_wait_is_a_second():
    board = on_trial()
    with Clock() as clock:
        check = Check(False, clock=clock)
        assert trial.confirm_when(board, check, 3000) is False
    assert check.times == [0, 1000, 2000, 3000]


def test_watchdog_is_fed_every_second_however_long_the_wait():
    board = on_trial()
    fed = [0]

    with Clock() as clock:
        worst = [0]

        def feed():
            worst[0] = max(worst[0], clock.now - fed[0])
            fed[0] = clock.now

        board.feed = feed
        assert trial.confirm_when(board, Check(False), 7300, 2500) is False
        assert worst[0] == 1000 and fed[0] == 7300
        assert sum(clock.slept) == 7300 and max(clock.slept) == 1000


def test_watchdog_is_fed_right_before_and_right_after_the_check():
    board = on_trial()
    with Clock() as clock:
        events = []
        board.feed = lambda: events.append("feed")

        def check():
            events.append("check")
            return len(events) > 4

        assert trial.confirm_when(board, check, 10, 5) is True
        assert clock.slept == [5]
    assert events == ["feed", "check", "feed", "feed", "feed", "check"]


def test_time_that_the_check_takes_counts():
    board = on_trial()
    with Clock() as clock:
        check = Check(False, takes_ms=700, clock=clock)
        assert trial.confirm_when(board, check, 1000, 100) is False
    assert check.times == [0, 800]


def test_no_wait_at_all_still_ends():
    board = on_trial()
    with Clock() as clock:
        check = Check(False, clock=clock)
        assert trial.confirm_when(board, check, 3, 0) is False
    assert check.times == [0, 1, 2, 3]


def test_storage_error_of_the_confirm_is_not_taken_for_a_failed_check():
    board = on_trial()
    board.power.fail_at(1)
    check = Check(True)
    try:
        trial.confirm_when(board, check, 60000)
        raise AssertionError("accepted")
    except OSError:
        assert State(board).phase == states.TRIAL


def test_other_errors_of_the_check_are_the_applications():
    for function in (trial.confirm_when, run_async):
        board = on_trial()
        try:
            function(board, Check(ValueError()), 1000, 10)
            raise AssertionError("accepted")
        except ValueError:
            assert State(board).phase == states.TRIAL


# aconfirm_when


def run_async(board, check, *more):
    async def acheck():
        await asyncio.sleep(0)
        return check()

    return asyncio.run(trial.aconfirm_when(board, acheck, *more))


def test_async_confirm_comes_with_the_first_check_that_passes():
    for answers in ((True,), (False, OSError(113), asyncio.TimeoutError(), True)):
        board = on_trial()
        check = Check(*answers)
        assert run_async(board, check, 60000, 1) is True
        assert State(board).result == states.CONFIRMED and check.answers == [True]


def test_async_check_that_never_passes_ends_in_time():
    board = on_trial()
    start = time.ticks_ms()
    looks = []
    assert run_async(board, lambda: looks.append(1), 120, 50) is False
    assert 120 <= time.ticks_diff(time.ticks_ms(), start) < 2000
    assert 2 <= len(looks) <= 5  # it slept between them
    assert State(board).phase == states.TRIAL and board.fed >= 2 * len(looks)


def test_async_wait_gives_way_to_other_tasks():
    async def both():
        turns = []

        async def other():
            while True:
                turns.append(1)
                await asyncio.sleep(0.01)

        async def check():
            return len(turns) >= 5

        task = asyncio.create_task(other())
        try:
            return await trial.aconfirm_when(board, check, 5000, 20)
        finally:
            task.cancel()

    board = on_trial()
    assert asyncio.run(both()) is True


# Power cuts


def test_cut_in_confirm_leaves_it_on_trial_or_confirmed():
    for mode in MODES:
        cases, outcomes = cut_in_confirm(mode)
        assert cases >= 4 * len(TEARS) and outcomes == {states.TRIAL, states.IDLE}


def cut_in_confirm(mode):
    outcomes = set()

    def check(board):
        state = State(board)
        outcomes.add(state.phase)
        if state.phase == states.IDLE:
            assert (state.floor, state.result) == (V2, states.CONFIRMED)
        else:
            assert (state.phase, state.floor, state.tries) == (states.TRIAL, 0, 2)
        assert boot(board) == NEW
        assert trial.confirm(board) or State(board).phase == states.IDLE
        assert [boot(board) for _ in range(4)] == [NEW] * 4
        assert State(board).floor == V2

    return every_cut(lambda: on_trial(mode), trial.confirm, check), outcomes


def test_cut_in_reject_ends_with_the_old_image_in_any_case():
    for mode in MODES:
        cases, outcomes = cut_in_reject(mode)
        assert cases >= 4 * len(TEARS) and outcomes == {states.TRIAL, states.BACK}


def cut_in_reject(mode):
    outcomes = set()

    def check(board):
        outcomes.add(State(board).phase)
        found = boot(board)
        if found == NEW:  # as if it had not been said
            assert State(board).phase == states.TRIAL
            trial.reject(board, 1000)
            found = boot(board)
        assert found == OLD
        assert trial.last_result(board)[:3] == (states.REVERTED, 1000, V2)
        assert boot(board) == OLD and State(board).floor == 0

    return every_cut(lambda: on_trial(mode), reject_1000, check), outcomes


def reject_1000(board):
    trial.reject(board, 1000)


def test_moody_cut_in_either_still_ends_in_one_of_the_two():
    for mode in MODES:
        for act in (trial.confirm, reject_1000):
            assert moody_cut(mode, act) >= 4


def moody_cut(mode, act):
    def check(board):
        found = [boot(board) for _ in range(5)]
        assert found[-1] == found[-2] and found[-1] in (OLD, NEW)
        confirmed = State(board).result == states.CONFIRMED
        assert (found[-1] == NEW) == confirmed
        assert State(board).floor == (V2 if confirmed else 0)

    return every_cut(lambda: on_trial(mode), act, check, ("moody",))
