"""A download goes on where it was: after broken links, after resets, after both; never wrongly."""

from fwboot import main
from fwcore import errors
from fwcore.errors import FwError
from fwcore.manifest import version_word
from helpers import raises
from resume_kit import board_of, fleet_of
from ufota import client, fleet_client
from ufota.update import client_store
from ufota_testkit import simboard
from ufota_testkit.simboard import KINDS, candidate_slots, put
from ufota_testkit.simdisk import MOODY, every_cut
from update_kit import (
    BASE,
    MANIFEST_URL,
    OLD,
    Key,
    Page,
    bundle,
    delivery,
    payload,
    running,
    signed,
    staged,
    trial_setup,
)

BOTH = True  # runs on CPython and on MicroPython

NEW = version_word("2.0.0"), payload("two")
LATER = version_word("3.0.0"), payload("later")
END = len(signed("two"))


def pages_of(name):
    """A bundle, and a manifest-first delivery."""
    return {MANIFEST_URL: bundle(name)}, delivery(name)


def run_until(machine, done):
    """Step until so many bytes are in the candidate; then the board loses its power."""
    machine.start(MANIFEST_URL)
    while machine.done < done:
        machine.step()


# Broken links


def test_link_that_breaks_is_gone_on_with_and_no_byte_is_fetched_twice():
    for kind in KINDS:
        for pages in pages_of("two"):
            for drops in (700, 1000, 4096, 5000):
                board = board_of(kind)
                source, machine = fleet_of(board, pages, drops)
                machine.start(MANIFEST_URL)
                assert machine.run()
                assert staged(board) == [NEW]
                assert source.served == END + 5000, (kind, drops, source.asked)
                assert len(source.asked) > 1


def test_broken_link_without_a_retry_is_an_error_at_once():
    source, machine = fleet_of(board_of("sd"), pages_of("two")[0], 1000, retry=False)
    machine.start(MANIFEST_URL)
    try:
        machine.run()
        raise AssertionError("no error")
    except FwError as error:
        assert error.code == errors.CUT_SHORT and machine.state == client.FAILED
    assert source.asked == [0]


def test_a_link_that_cannot_even_be_opened_again_is_waited_for():
    for pages in pages_of("two"):
        for drops in (1000, 4096):
            for tries in (1, 3):
                board = board_of("sd")
                source, machine = fleet_of(board, pages, drops)
                real, failed = source.open, []

                def fail(*where, real=real, failed=failed, source=source, tries=tries):
                    if source.opened and len(failed) < tries:  # as when no name is found
                        failed.append(where)
                        raise FwError(errors.CONNECT)
                    real(*where)

                source.open = fail
                machine.start(MANIFEST_URL)
                assert machine.run() and staged(board) == [NEW]
                assert len(failed) == tries and source.served == END + 5000


def test_a_link_that_is_never_opened_again_is_given_up():
    source, machine = fleet_of(board_of("sd"), pages_of("two")[0], 1000)
    real = source.open

    def fail(*where):
        if source.opened:
            source.opened.append(where)
            raise FwError(errors.CONNECT)
        real(*where)

    source.open = fail
    machine.start(MANIFEST_URL)
    assert raises(errors.CONNECT, machine.run) and machine.state == client.FAILED
    assert len(source.opened) == 1 + 5


def test_attempts_without_progress_are_bounded():
    source, machine = fleet_of(board_of("sd"), {})
    try:
        machine.start(MANIFEST_URL)
        machine.run()
        raise AssertionError("no error")
    except FwError as error:
        assert error.code == errors.CONNECT
    assert len(source.opened) == 1 + 5


def test_server_without_ranges_starts_over_and_the_image_is_whole():
    for name in (MANIFEST_URL, BASE + "payload.bin"):
        for pages in pages_of("two"):
            if name not in pages:
                continue
            board = board_of("sd")
            source, machine = fleet_of(board, pages, 3000)
            body = pages[name].body if isinstance(pages[name], Page) else pages[name]
            source._pages = dict(pages)
            source._pages[name] = Page(body, ranges=False)
            machine.start(MANIFEST_URL)
            while machine.state != fleet_client.PAUSED:
                machine.step()
            source.drops = 0
            assert machine.run()
            assert staged(board) == [NEW]


def test_object_that_changed_starts_over_with_the_new_one():
    board = board_of("sd")
    source, machine = fleet_of(board, {MANIFEST_URL: Page(bundle("two"), tag=b'"a"')}, 2000)
    machine.start(MANIFEST_URL)
    while machine.state != fleet_client.PAUSED:
        machine.step()
    source.drops = 0
    source._pages = {MANIFEST_URL: Page(bundle("later"), tag=b'"b"')}
    assert machine.run()
    assert staged(board) == [LATER] and machine.manifest.version == LATER[0]


def test_server_that_never_knows_ranges_is_given_up_with_the_active_image_untouched():
    board = board_of("sd")
    pages = {MANIFEST_URL: Page(bundle("two"), ranges=False)}
    source, machine = fleet_of(board, pages, 3000)
    try:
        machine.start(MANIFEST_URL)
        machine.run()
        raise AssertionError("no error")
    except FwError as error:
        assert error.code == errors.CUT_SHORT
    assert len(source.asked) <= 8 and running(board) == OLD


# Resets


def test_download_survives_resets_and_fetches_at_most_a_block_again():
    for kind in KINDS:
        block = 4096
        for pages in pages_of("two"):
            board = board_of(kind)
            for done in (1000, 4500):
                source, machine = fleet_of(board, pages)
                run_until(machine, done)
                before = machine.done
                source, machine = fleet_of(board, pages)
                machine.start(MANIFEST_URL)
                while machine.state != client.DOWNLOAD:
                    machine.step()
                assert before - block <= machine.done <= before
            assert machine.run()
            assert staged(board) == [NEW], kind
            assert main.run(board) and running(board) == NEW


def test_all_is_here_but_the_header_when_the_install_waits_for_approval():
    for pages in pages_of("two"):
        board = board_of("spi")
        source, machine = fleet_of(board, pages, approve_install=lambda found: None)
        machine.start(MANIFEST_URL)
        assert not machine.run() and machine.state == client.APPROVE_INSTALL
        source, machine = fleet_of(board, pages)
        assert machine.poll()  # nobody told it the address again
        assert machine.run() and staged(board) == [NEW]
        assert source.served <= 2048  # the manifest, and what came with it
        assert not machine.poll()


def test_server_that_gives_no_length_is_asked_for_no_end_when_all_is_here():
    pages = {MANIFEST_URL: Page(bundle("two"), None)}
    board = board_of("spi")
    _, machine = fleet_of(board, pages, approve_install=lambda found: None)
    machine.start(MANIFEST_URL)
    assert not machine.run()
    del board.client_store
    source, machine = fleet_of(board, pages)
    machine.start(MANIFEST_URL)
    assert machine.run() and source.asked == [0] and staged(board) == [NEW]
    _, machine = fleet_of(board_of("spi"), {MANIFEST_URL: Page(bundle("two") + b"x", None)})
    machine.start(MANIFEST_URL)
    raises(errors.TOO_LONG, machine.run)


def test_reset_after_any_buffer_costs_no_byte_but_the_one_behind_the_manifest():
    for kind in KINDS:
        board = board_of(kind)
        _, machine = fleet_of(board, pages_of("two")[0])
        machine.start(MANIFEST_URL)
        while not machine.done:
            machine.step()
        del board.client_store
        source, again = fleet_of(board, pages_of("two")[0])
        again.start(MANIFEST_URL)
        assert again.run() and staged(board) == [NEW]
        assert source.served == END + 1 + len(NEW[1]) - machine.done, kind


def test_another_image_is_not_gone_on_with():
    board = board_of("spi")
    run_until(fleet_of(board, pages_of("two")[0])[1], 4096)
    source, machine = fleet_of(board, pages_of("later")[0])
    machine.start(MANIFEST_URL)
    assert machine.run() and staged(board) == [LATER]
    assert source.asked == [0]


def test_kept_bytes_that_went_bad_cost_one_more_download_and_nothing_else():
    for kind in KINDS:
        board = board_of(kind)
        run_until(fleet_of(board, pages_of("two")[0])[1], 1000)
        slot = candidate_slots(board)[0]
        slot.storage.device.data[slot.body_at + 7] ^= 1
        source, machine = fleet_of(board, pages_of("two")[0])
        machine.start(MANIFEST_URL)
        assert machine.run() and staged(board) == [NEW]
        assert source.asked[0] == 0 and source.asked[-1] == 0 and len(source.asked) == 3


def test_kept_bytes_that_went_bad_and_stay_recorded_are_not_believed_twice():
    """The record cannot be deleted; and the link breaks when the update begins anew."""
    for breaks in (False, True):
        board = board_of("spi")
        run_until(fleet_of(board, pages_of("two")[0])[1], 1000)
        slot = candidate_slots(board)[0]
        slot.storage.device.data[slot.body_at + 7] ^= 1
        client_store.of(board)._write = unwritable
        source, machine = fleet_of(board, pages_of("two")[0])
        if breaks:
            source.open = broken_once(source, 3)
        machine.start(MANIFEST_URL)
        for _ in range(200):
            if machine.state != client.READY:
                machine.step()
        assert machine.state == client.READY and staged(board) == [NEW]
        assert source.asked[0] == source.asked[2] == 0 < source.asked[1]
        assert len(source.asked) == 3, source.asked


def unwritable(values):
    raise OSError(5)


def broken_once(source, which):
    """source.open(), which finds no link at the call of this number."""
    plain, calls = source.open, []

    def open_(*args):
        calls.append(args)
        if len(calls) == which:
            raise FwError(errors.CONNECT)
        plain(*args)

    return open_


def test_download_that_is_denied_is_forgotten():
    board = board_of("spi")
    run_until(fleet_of(board, pages_of("two")[0])[1], 4096)
    source, machine = fleet_of(board, pages_of("two")[0], approve_install=lambda found: False)
    machine.start(MANIFEST_URL)
    try:
        machine.run()
        raise AssertionError("no error")
    except FwError as error:
        assert error.code == errors.INSTALL_DENIED
    assert client_store.of(board).keys() == [b"count"]
    source, machine = fleet_of(board, pages_of("two")[0])
    assert not machine.poll()
    machine.start(MANIFEST_URL)
    assert machine.run() and source.asked == [0]


def test_client_store_that_cannot_be_written_does_not_stop_an_update():
    board = board_of("sd")
    store = client_store.of(board)
    store.journal._storage = None  # whatever is written raises something

    def broken(*args):
        raise OSError(5)

    store.journal.put = store.journal.mark = broken
    source, machine = fleet_of(board, pages_of("two")[0])
    machine.start(MANIFEST_URL)
    assert machine.run() and staged(board) == [NEW]


def test_client_without_a_store_begins_anew():
    board = simboard.make("spi", 1, Key())
    run_until(fleet_of(board, pages_of("two")[0])[1], 4096)
    source, machine = fleet_of(board, pages_of("two")[0])
    assert not machine.poll()
    machine.start(MANIFEST_URL)
    assert machine.run() and source.asked == [0] and staged(board) == [NEW]


# Power cuts


def steps_of(kind):
    """(make, act, check) for sweeps: a download that was cut goes on."""
    pages = {MANIFEST_URL: bundle("two")}

    def act(board):
        source, machine = fleet_of(board, pages)
        machine.start(MANIFEST_URL)
        assert machine.run()

    def check(board):
        if hasattr(board, "client_store"):
            del board.client_store  # nothing is left in RAM
        assert main.run(board)
        if running(board) != NEW:
            assert running(board) == OLD
            act(board)
            assert main.run(board) and running(board) == NEW

    return board_of, act, check


def test_cut_anywhere_in_a_download_with_a_store_leaves_a_device_that_can_go_on():
    for kind, least in (("sd", 30), ("spi", 60), ("internal", 60)):
        make, act, check = steps_of(kind)

        def start(kind=kind, make=make):
            return make(kind)

        assert every_cut(start, act, check, MOODY) > least, kind


def test_cut_in_a_download_that_goes_on_leaves_a_device_that_can_go_on():
    for kind in KINDS:
        make, act, check = steps_of(kind)
        board = make(kind)
        run_until(fleet_of(board, {MANIFEST_URL: bundle("two")})[1], 4096)
        snapshot = board.power.snapshot()

        def again(board=board, snapshot=snapshot):
            board.power.restore(snapshot)
            if hasattr(board, "client_store"):
                del board.client_store
            return board

        assert every_cut(again, act, check, MOODY) > 20, kind


def test_cut_in_a_download_with_a_state_region_leaves_old_or_new():
    for mode in simboard.MODES:
        made = trial_setup({}, mode, key=Key())[0]
        layout_ = dict(made.layout)
        flash = layout_["devices"]["flash"]
        layout_["devices"] = dict(layout_["devices"], flash=dict(flash, size=flash["size"] + 6144))
        layout_["client"] = {"device": "flash", "start": flash["size"], "size": 6144}

        def make(layout_=layout_):
            board = simboard.Board(layout_, simboard.ROT, Key())
            put(board, simboard.active_slot(board), *OLD)
            return board

        small = version_word("2.0.0"), payload("small")

        def act(board):
            source, machine = fleet_of(board, {MANIFEST_URL: bundle("small")})
            machine.start(MANIFEST_URL)
            assert machine.run()

        def check(board, small=small):
            if hasattr(board, "client_store"):
                del board.client_store
            image = main.run(board)
            found = simboard.read(board, image.slot)
            if found != small:
                assert found == OLD
                act(board)
                image = main.run(board)
                assert simboard.read(board, image.slot) == small

        assert every_cut(make, act, check) > 20, mode
