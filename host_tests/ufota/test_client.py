"""The update client: every state, every refusal before an erase, every way to fail and go on."""

import asyncio

from fwboot.main import run as boot
from fwcore import errors, errors_net
from fwcore.errors import FwError
from fwcore.manifest import version_word
from helpers import raises
from ufota import client, client_async
from ufota_testkit import simboard
from ufota_testkit.noise import noise
from ufota_testkit.simboard import KINDS, candidate_slots, make, put
from ufota_testkit.simdisk import FAILING
from update_kit import (
    BASE,
    MANIFEST_URL,
    PAYLOAD_URL,
    FakeSource,
    Faulty,
    Key,
    Page,
    bundle,
    delivery,
    payload,
    refused,
    running,
    setup,
    signed,
    staged,
    update,
)

BOTH = True  # runs on CPython and on MicroPython

V2 = version_word("2.0.0")
V3 = version_word("3.0.0")
EMPTY = (0, None)


def both(name):
    """The pages of a bundle, and those of a manifest-first delivery."""
    return {MANIFEST_URL: bundle(name)}, delivery(name)


# Delivery


def test_both_deliveries_end_with_a_good_candidate_on_every_storage():
    for kind in KINDS:
        for pages in both("two"):
            made = setup(pages, kind)
            assert update(made)
            assert made[2].state == client.READY and made[2].error is None
            assert staged(made[0]) == [(V2, payload("two"))]
            assert running(made[0]) == (1, noise(1200, 1))
            assert not made[1].is_open


def test_own_lines_of_the_request_go_to_the_server_of_the_manifest_only():
    mine = b"Authorization: TargetToken x\r\n"
    for start, name, address, same in (
        ("http://host/x/y", "two", "http://host/x/payload.bin", True),
        ("http://host", "two", "http://host/payload.bin", True),
        ("http://other:81", "elsewhere", "http://other:81/two.bin", True),
        ("http://other:81/x", "elsewhere", "http://other:81/two.bin", True),
        ("http://host/x/y", "elsewhere", "http://other:81/two.bin", False),
        ("http://other/x", "elsewhere", "http://other:81/two.bin", False),
        ("http://other:810/x", "elsewhere", "http://other:81/two.bin", False),
        ("https://other:81/x", "elsewhere", "http://other:81/two.bin", False),
    ):
        made = setup({start: signed(name), address: payload(name)})
        made[1].header = mine
        made[2].start(start)
        assert made[2].run()
        assert made[1].lines == [mine, mine if same else b""], (start, address)
        assert made[1].header == mine


def test_a_heap_that_is_too_small_is_an_error_with_a_number():
    made = setup(delivery("two"))

    def readinto(mv):
        raise MemoryError

    made[2].start(MANIFEST_URL)
    made[1].readinto = readinto
    raises(errors.NO_MEMORY, made[2].step)
    assert made[2].state == client.FAILED and not made[1].is_open
    del made[1].readinto
    assert update(made)


def test_length_may_be_left_out_by_the_server():
    for pages in (
        {MANIFEST_URL: Page(bundle("two"), None)},
        {MANIFEST_URL: Page(signed("two"), None), PAYLOAD_URL: Page(payload("two"), None)},
    ):
        for gaps in (0, 2):
            made = setup(pages, gaps=gaps)
            assert update(made)
            assert staged(made[0]) == [(V2, payload("two"))]


def test_any_fragment_size_gives_the_same_candidate():
    cases = 0
    for size in list(range(1, 257)) + list(range(257, 5001, 97)) + [511, 512, 513, 4095, 4096]:
        for pages in both("two"):
            made = setup(pages, pieces=(size,))
            assert update(made), size
            assert staged(made[0]) == [(V2, payload("two"))], size
            cases += 1
    assert cases == 2 * (256 + 49 + 5)


def test_fragment_sizes_may_change_and_bytes_may_be_late():
    for pages in both("two"):
        for kind in KINDS:
            made = setup(pages, kind, pieces=(1, 700, 3, 4096, 255, 256, 257, 1024), gaps=2)
            assert update(made)
            assert staged(made[0]) == [(V2, payload("two"))]
            assert made[1].waited


def test_a_larger_buffer_and_one_handed_in_work_too():
    for size in (4096, 8192):
        buf = bytearray(size)
        made = setup({MANIFEST_URL: bundle("two")}, buf=buf)
        assert update(made)
        assert buf != bytearray(size)  # it was used
        assert staged(made[0]) == [(V2, payload("two"))]


def test_buffer_of_another_size_is_refused():
    board, source = make("sd", 1, Key()), FakeSource({})
    for size in (1, 1024, 2048, 4095, 4097, 5000, 6143):
        assert raises(errors.MISALIGNED, client.Client, board, source, bytearray(size)).at == size


def test_every_buffer_that_is_taken_is_large_enough_to_see_the_versions():
    for size in (None, 4096, 6144, 8192):
        for kind in KINDS:
            buf = size and bytearray(size)
            made = setup({MANIFEST_URL: bundle("small")}, kind, 2, buf=buf)
            put(made[0], candidate_slots(made[0])[0], 5, noise(300, 5))
            before = staged(made[0])[0]
            assert update(made)
            assert staged(made[0]) == [before, (V2, payload("small"))], (size, kind)
            put(made[0], simboard.active_slot(made[0]), V2, noise(1200, 1))
            ops = made[0].power.ops
            raises(errors.NOT_NEWER, update, made)
            assert made[0].power.ops == ops


def test_payload_address_is_resolved_as_a_browser_would():
    for start, name, address in (
        ("http://host/dir/update", "two", "http://host/dir/payload.bin"),
        ("http://host/update", "two", "http://host/payload.bin"),
        ("http://host", "two", "http://host/payload.bin"),
        ("http://host/a/b?c=/d/e", "two", "http://host/a/payload.bin"),
        ("http://host?c=/d/e", "two", "http://host/payload.bin"),
        ("http://host:81/a/b/c", "three", "http://host:81/three.bin"),
        ("http://host", "three", "http://host/three.bin"),
        ("http://host/x/y", "elsewhere", "http://other:81/two.bin"),
        ("http://host/x/y", "long", "http://host/x/" + "u" * 255),
    ):
        _board, source, machine = made = setup({start: signed(name), address: payload(name)})
        machine.start(start)
        assert machine.run(), start
        assert source.opened == [start, address]
        assert staged(made[0])[0][1] == payload(name)


def test_manifest_alone_without_an_address_is_refused():
    made = setup({MANIFEST_URL: signed("two_bundle"), BASE: payload("two")})
    refused(errors.BAD_URL, made)
    assert made[0].power.ops == 0


# States


def test_states_follow_the_table():
    for pages, gaps in ((both("two")[0], 0), (both("two")[1], 0), (both("two")[1], 1)):
        _board, _source, machine = setup(pages, gaps=gaps)
        assert machine.state == client.IDLE and not machine.step() and not machine.run()
        machine.start(MANIFEST_URL)
        seen = [machine.state]
        while machine.state != client.READY:
            machine.step()
            if machine.state != seen[-1]:
                seen.append(machine.state)
        assert seen == list(range(client.MANIFEST, client.READY + 1))
        assert not machine.step() and machine.run()


def test_failed_stays_failed_until_started_again():
    board, source, machine = made = setup({MANIFEST_URL: Page(bundle("two"), hangs=True)})
    made[1]._pages[MANIFEST_URL] = Page(bundle("two")[:3000], None)
    error = refused(errors.CUT_SHORT, made)
    assert error.at == 3000 - len(signed("two"))
    assert not machine.step() and not machine.run() and machine.error is error
    source._pages[MANIFEST_URL] = bundle("two")
    assert update(made)
    assert machine.error is None and staged(board) == [(V2, payload("two"))]


def test_start_in_the_middle_begins_anew():
    for steps in range(1, 9):
        board, _source, machine = setup({MANIFEST_URL: bundle("two"), BASE + "3": bundle("three")})
        machine.start(MANIFEST_URL)
        for _ in range(steps):
            machine.step()
        machine.start(BASE + "3")
        assert machine.run()
        assert staged(board) == [(V3, payload("three"))]


def test_start_reports_an_address_that_cannot_be_opened():
    _board, source, machine = setup({})
    raises(errors.CONNECT, machine.start, MANIFEST_URL)
    assert machine.state == client.FAILED and machine.error.code == errors.CONNECT


def test_source_may_leak_an_oserror_and_still_nothing_else_comes_out():
    for body in (b"", signed("two")[:50], bundle("two")[:2000]):
        made = setup({MANIFEST_URL: Page(body, None, error=OSError(104))})
        try:
            update(made)
            raise AssertionError("accepted")
        except FwError as error:
            assert error.code in (errors.READ_FAILED, errors.WRITE_FAILED)
        assert made[2].state == client.FAILED


# Callbacks


class Answers:
    """Approvals given in turn; records what was asked."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.asked = []

    def __call__(self, manifest):
        self.asked.append(manifest)
        return self._answers.pop(0)


def test_download_and_install_are_approved_once_each_and_see_the_manifest():
    download, install = Answers(True), Answers(True)
    board, _source, machine = made = setup(
        delivery("two"), approve_download=download, approve_install=install
    )
    assert update(made)
    assert download.asked == install.asked == [machine.manifest]
    assert machine.manifest.version == V2 and machine.manifest.size == 5000
    assert staged(board) == [(V2, payload("two"))]


def test_no_to_the_download_erases_and_fetches_nothing():
    made = setup(delivery("two"), approve_download=Answers(False))
    refused(errors.DOWNLOAD_DENIED, made)
    assert made[0].power.ops == 0 and made[1].opened == [MANIFEST_URL]


def test_no_to_the_install_leaves_no_candidate():
    for kind in KINDS:
        made = setup(delivery("two"), kind, approve_install=Answers(False))
        refused(errors.INSTALL_DENIED, made)
        assert staged(made[0]) == [EMPTY]


def test_later_waits_and_is_asked_again():
    for pages in both("two"):
        download, install = Answers(None, None, True), Answers(None, True)
        board, _source, machine = setup(pages, approve_download=download, approve_install=install)
        machine.start(MANIFEST_URL)
        assert not machine.run() and machine.state == client.APPROVE_DOWNLOAD
        assert board.power.ops == 0
        assert not machine.step() and machine.state == client.APPROVE_DOWNLOAD
        assert not machine.run() and machine.state == client.APPROVE_INSTALL
        assert staged(board) == [EMPTY]  # no header before the yes
        assert machine.run() and machine.state == client.READY
        assert len(download.asked) == 3 and len(install.asked) == 2
        assert staged(board) == [(V2, payload("two"))]


def test_progress_counts_payload_bytes_to_the_last():
    for pages in both("two"):
        done, totals = [], []

        def progress(count, total, done=done, totals=totals):
            done.append(count)
            totals.append(total)

        made = setup(pages, progress=progress)
        assert update(made)
        assert set(totals) == {5000}
        assert done == sorted(set(done))
        assert 0 < done[0] <= 4096 and done[-1] == 5000


def test_watchdog_is_fed_at_every_step_and_while_waiting():
    board, source, _machine = made = setup(delivery("two"), pieces=(100,), gaps=3)
    assert update(made)
    reads = 3 + 50
    assert board.fed >= 4 * reads and source.waited >= 3 * reads


def test_arun_lets_other_tasks_run_and_ends_like_run():
    async def main(pages, kind, gaps):
        pieces = (1000,) if gaps else (100,)
        board, _source, machine = setup(pages, kind, pieces=pieces, gaps=gaps)
        turns = []

        async def other():
            while True:
                turns.append(machine.state)
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        machine.start(MANIFEST_URL)
        assert await machine.arun()
        task.cancel()
        assert staged(board) == [(V2, payload("two"))]
        assert client.DOWNLOAD in turns and len(turns) > 8
        assert board.fed > 10

    for gaps in (0, 1):  # never waiting for a byte, and waiting for every one
        asyncio.run(main(both("two")[0], "sd", gaps))
        asyncio.run(main(both("two")[1], "spi", gaps))


class Asyncio:
    """Plays the module `asyncio` for arun(): records how long it would sleep, and does not."""

    def __init__(self):
        self.asked = []

    async def sleep(self, seconds):
        self.asked.append(seconds)


def sleeps_of(machine):
    """Run arun() to its end; returns every sleep it asked for, in seconds."""
    fake = client_async.asyncio = Asyncio()
    try:
        machine.arun().send(None)
    except StopIteration:
        return fake.asked
    finally:
        client_async.asyncio = asyncio
    raise AssertionError("it waits for something else")


def test_arun_sleeps_only_and_always_when_nothing_has_arrived():
    for pages in both("two"):
        for gaps in (0, 3):
            _board, source, machine = setup(pages, pieces=(500,), gaps=gaps)
            found = []
            read = source.readinto

            def note(mv, read=read, found=found):
                found.append(read(mv))
                return found[-1]

            source.readinto = note
            machine.start(MANIFEST_URL)
            asked = sleeps_of(machine)
            assert machine.state == client.READY
            assert found.count(None) == gaps * (len(found) - found.count(None))
            assert asked.count(0.05) == found.count(None)
            assert asked.count(0) == len(asked) - found.count(None)
            assert source.waited == 0  # that would stop the other tasks


def test_arun_tells_later_and_raises_like_run():
    async def main():
        _board, _source, machine = setup(
            delivery("two"), approve_download=Answers(None), approve_install=Answers(True)
        )
        machine.start(MANIFEST_URL)
        assert not await machine.arun() and machine.state == client.APPROVE_DOWNLOAD
        _board, _source, machine = setup({MANIFEST_URL: Page(bundle("two")[:900], None)})
        machine.start(MANIFEST_URL)
        try:
            await machine.arun()
            raise AssertionError("accepted")
        except FwError as error:
            assert error.code == errors.CUT_SHORT and machine.state == client.FAILED

    asyncio.run(main())


# Checks before the first erase


def test_checks_come_in_order_and_before_any_write():
    other = bytes(16)

    def prepared(name, vendor, class_, active):
        made = setup({MANIFEST_URL: signed(name), PAYLOAD_URL: payload("two")})
        made[0].vendor_id = vendor or made[0].vendor_id
        made[0].class_id = class_ or made[0].class_id
        put(made[0], simboard.active_slot(made[0]), active, noise(1200, 1))
        return made

    for code, name, vendor, class_, active in (
        (errors.BAD_SIGNATURE, "stranger", other, other, V3),
        (errors.WRONG_VENDOR, "other_component", other, other, V3),
        (errors.WRONG_CLASS, "other_component", None, other, V3),
        (errors_net.WRONG_COMPONENT, "other_component", None, None, V3),
        (errors.NOT_NEWER, "too_big", None, None, V3),
        (errors.NOT_NEWER, "too_big", None, None, V2),
        (errors.TOO_BIG, "too_big", None, None, V2 - 1),
        (errors.TOO_BIG, "huge", None, None, 1),
        (errors.TOO_BIG, "empty", None, None, 1),
        (errors.UNSUPPORTED, "combined", None, None, 1),
        (errors.WRONG_VENDOR, "other_vendor", None, None, 1),
        (errors.WRONG_CLASS, "other_class", None, None, 1),
    ):
        made = prepared(name, vendor, class_, active)
        raised = raises(code, update, made)
        assert made[2].error is raised and made[2].state == client.FAILED
        assert made[0].power.ops == 0, name
        assert made[1].opened == [MANIFEST_URL]
        assert running(made[0]) == (active, noise(1200, 1))


def test_largest_image_that_fits_is_taken():
    for kind in ("sd", "spi"):
        made = setup({MANIFEST_URL: bundle("three")}, kind, 2)
        assert update(made)
        assert (V3, payload("three")) in staged(made[0])


def test_image_that_fits_the_active_region_but_no_slot_is_refused():
    ask = Answers()
    made = setup({MANIFEST_URL: bundle("two")}, "internal", 2, approve_download=ask)
    refused(errors.TOO_BIG, made)
    assert made[0].power.ops == 0 and not ask.asked


def test_announced_length_that_differs_from_the_manifest_is_refused_before_any_erase():
    size, frame = 5000, len(signed("two"))
    cases = 0
    for length in (0, 1, size - 1, size + 1, 9999999999):
        body = (payload("two") + b"?")[:length]
        made = setup({MANIFEST_URL: signed("two"), PAYLOAD_URL: Page(body, length)})
        refused(errors_net.OTHER_LENGTH, made)
        assert made[0].power.ops == 0, length
        cases += 1
    for length in (frame + 1, frame + size - 1, frame + size + 1, 9999999999):
        body = (bundle("two") + b"?")[:length]
        made = setup({MANIFEST_URL: Page(body, length)})
        refused(errors_net.OTHER_LENGTH, made)
        assert made[0].power.ops == 0, length
        cases += 1
    small = bundle("small")  # all of it comes with the first read
    for length in (len(small) + 1, 9999999999):
        made = setup({MANIFEST_URL: Page(small, length)})
        refused(errors_net.OTHER_LENGTH, made)
        assert made[0].power.ops == 0, length
        cases += 1
    assert cases == 11


def test_small_bundle_with_bytes_behind_it_is_refused_before_any_erase():
    made = setup({MANIFEST_URL: Page(bundle("small") + b"?", None)})
    refused(errors.TOO_LONG, made)
    assert made[0].power.ops == 0


# Payloads that are not what was announced


def test_payload_short_long_or_flipped_leaves_no_candidate():
    good = payload("two")
    for bad, code in (
        (good[:-1], errors.CUT_SHORT),
        (good + b"\0", errors.TOO_LONG),
        (good[:4096], errors.CUT_SHORT),
        (b"", errors.CUT_SHORT),
    ):
        for kind in KINDS:
            for pages in (
                {MANIFEST_URL: Page(signed("two"), None), PAYLOAD_URL: Page(bad, None)},
                {MANIFEST_URL: Page(signed("two_bundle") + bad, None)},
            ):
                made = setup(pages, kind)
                # With no byte behind it a bundle is a manifest, whose address is empty.
                alone = not bad and len(pages) == 1
                refused(errors.BAD_URL if alone else code, made)
                assert staged(made[0]) == [EMPTY]


def test_each_flipped_byte_of_a_payload_is_found():
    good = payload("small")
    for at in range(0, len(good), 7):
        bad = bytearray(good)
        bad[at] ^= 1 << (at & 7)
        made = setup({MANIFEST_URL: signed("small") + bytes(bad)})
        refused(errors.CORRUPT, made)
        assert staged(made[0]) == [EMPTY]


def test_server_that_falls_silent_ends_the_update():
    for pages in (
        {MANIFEST_URL: Page(signed("two")[:100], 300, hangs=True)},
        {MANIFEST_URL: signed("two"), PAYLOAD_URL: Page(payload("two")[:999], 5000, hangs=True)},
        {MANIFEST_URL: signed("two"), PAYLOAD_URL: Page(payload("two"), None, hangs=True)},
    ):
        made = setup(pages)
        refused(errors.TIMEOUT, made)
        assert staged(made[0]) == [EMPTY]


# Choice of the slot


def chosen(board):
    """Index of the slot an update of version 2 goes to."""
    source = FakeSource({MANIFEST_URL: bundle("small")})
    machine = client.Client(board, source)
    machine.start(MANIFEST_URL)
    assert machine.run()
    return [version for version, _ in staged(board)].index(V2)


def test_empty_slot_first_else_the_oldest():
    for kind in KINDS:
        for versions, index in (
            ((0, 0), 0),
            ((5, 0), 1),
            ((0, 5), 0),
            ((5, 6), 0),
            ((6, 5), 1),
            ((V3, 5), 1),
        ):
            board = make(kind, 2, Key())
            for slot, version in zip(candidate_slots(board), versions):
                if version:
                    put(board, slot, version, noise(300, version % 1000))
            before = staged(board)
            assert chosen(board) == index, (kind, versions)
            assert staged(board)[1 - index] == before[1 - index]


def test_slot_with_a_torn_or_foreign_header_counts_as_empty():
    for spoil in ("torn", "foreign", "too long"):
        board = make("sd", 2, Key())
        slots = candidate_slots(board)
        put(board, slots[0], 5, noise(300, 5))
        put(board, slots[1], 9, noise(300, 9))
        data = board.disks["sd"].data
        if spoil == "torn":
            data[slots[1].header_at + 100] ^= 1
        elif spoil == "foreign":
            other = simboard.Board(simboard.layout("sd", 2), b"root of trust 2!")
            put(other, simboard.candidate_slots(other)[1], 9, noise(300, 9))
            data[:] = other.disks["sd"].data
            put(board, slots[0], 5, noise(300, 5))
        else:
            put(board, slots[1], 9, bytes(slots[1].end - slots[1].body_at))
            from fwcore import header

            head = header.Header(9, slots[1].end - slots[1].body_at + 1, bytes(32), bytes(16))
            board.disks["sd"].load(
                slots[1].header_at, header.pack_external(head, header.device_key(board.rot()))
            )
        assert chosen(board) == 1, spoil


def test_slot_that_cannot_be_read_is_never_chosen():
    for bad in (0, 1):
        board = make("sd", 2, Key())
        slots = candidate_slots(board)
        put(board, slots[1 - bad], 5, noise(300, 5))  # the other one is not even empty
        board.disks["sd"].bad_blocks.add(slots[bad].header_at // 512)
        before = bytes(board.disks["sd"].data[slots[bad].header_at : slots[bad].end])
        machine = client.Client(board, FakeSource({MANIFEST_URL: bundle("small")}))
        machine.start(MANIFEST_URL)
        assert machine.run()
        after = bytes(board.disks["sd"].data[slots[bad].header_at : slots[bad].end])
        assert after == before
        board.disks["sd"].bad_blocks.clear()
        assert staged(board)[1 - bad][0] == V2


def test_slot_that_only_a_write_makes_readable_is_used_when_there_is_no_other():
    for kind in KINDS:
        made = setup({MANIFEST_URL: bundle("small")}, kind)
        slot = candidate_slots(made[0])[0]
        slot.storage.device.change(slot.header_at, bytes(512), FAILING, 1)
        assert update(made)
        assert staged(made[0])[0][1] == payload("small")


def test_layout_without_candidates_is_refused():
    for pages in both("two"):
        made = setup(pages)
        del made[0].layout["candidates"]
        refused(errors.NO_SLOT, made)
        assert made[1].opened == [MANIFEST_URL] and made[0].power.ops == 0


def test_active_header_that_cannot_be_read_stops_the_update():
    board, _source, machine = setup({MANIFEST_URL: bundle("small")})
    board.disks["flash"].bad_blocks.add(1)
    machine.start(MANIFEST_URL)
    raises(errors.READ_FAILED, machine.run)
    assert board.power.ops == 0


def test_root_of_trust_is_needed_for_external_candidates_only():
    for kind, works in (("sd", False), ("internal", True)):
        board = simboard.Board(simboard.layout(kind), None, Key())
        put(board, simboard.active_slot(board), 1, noise(1200, 1))
        machine = client.Client(board, FakeSource({MANIFEST_URL: bundle("small")}))
        machine.start(MANIFEST_URL)
        if works:
            assert machine.run()
        else:
            raises(errors.BAD_KEY, machine.run)
            assert board.power.ops == 0


# Storage that fails


def test_every_storage_error_ends_the_update_and_the_next_one_works():
    for kind, ops in (("sd", 4), ("spi", 7), ("internal", 5)):
        count = 0
        while True:
            board, _source, machine = made = setup({MANIFEST_URL: bundle("small")}, kind)
            board.power.fail_at(count + 1)
            try:
                update(made)
                break  # there is no such operation any more
            except FwError as error:
                assert error.code == errors.WRITE_FAILED, (kind, count, error.code)
            count += 1
            assert machine.state == client.FAILED and staged(board) == [EMPTY]
            assert running(board) == (1, noise(1200, 1))
            assert update(made)
            assert staged(board) == [(V2, payload("small"))]
        assert count == ops, (kind, count)


def test_header_that_cannot_be_read_back_fails_and_the_next_boot_runs_old_or_new():
    for kind in KINDS:
        for heals in (True, False):
            board, source, machine = setup({MANIFEST_URL: bundle("small")}, kind)
            slot = candidate_slots(board)[0]
            disk = slot.storage.device
            machine.start(MANIFEST_URL)
            while machine.state != client.COMMIT:
                machine.step()
            goes_bad(disk, slot.header_at // disk.erase_size)
            raises(errors.WRITE_FAILED, machine.run)
            assert machine.state == client.FAILED and not source.is_open
            assert running(board) == (1, noise(1200, 1))
            if heals:  # the header was whole, and so is the image behind it
                disk.bad_blocks.clear()
            assert boot(board).head.version == (V2 if heals else 1)
            image = payload("small") if heals else noise(1200, 1)
            assert running(board) == (V2 if heals else 1, image)


def goes_bad(disk, block):
    """From the next write on the disk reports an error for every read of this block."""
    write = disk.writeblocks

    def last(*args):
        del disk.writeblocks
        disk.bad_blocks = {block}
        return write(*args)

    disk.writeblocks = last


def test_silent_corruption_is_read_back_and_refused():
    for kind, how, writes in (
        ("sd", "flip", 4),
        ("sd", "lose", 4),
        ("spi", "flip", 3),
        ("spi", "lose", 3),
        ("internal", "flip", 3),
    ):
        count = 0
        while True:
            made = setup({MANIFEST_URL: bundle("small")}, kind)
            name = made[0].layout["candidates"]["device"]
            faulty = Faulty(made[0].disks[name], count + 1, how)
            made[0].disks[name] = faulty
            try:
                assert update(made)
                if faulty.writes <= count:
                    break
                # Only the first write to a card may go wrong: it blanks a header that is
                # written again in the end.
                assert kind == "sd" and count == 0
            except FwError as error:
                assert error.code == errors.WRITE_FAILED, (kind, how, count, error.code)
                assert made[2].state == client.FAILED
                made[0].disks[name] = faulty.disk
                assert staged(made[0]) == [EMPTY], (kind, how, count)
            count += 1
        assert count == writes, (kind, how, count)


def test_card_pulled_at_any_moment_ends_in_a_numbered_error():
    calls = 0
    while True:
        made = setup({MANIFEST_URL: bundle("two")}, pieces=(1000,))
        card = Faulty(made[0].disks["sd"], pull=calls + 1)
        made[0].disks["sd"] = card
        try:
            if update(made):
                break
        except FwError as error:
            # The header read of a slot that does not answer leaves no slot at all.
            assert error.code in (errors.READ_FAILED, errors.WRITE_FAILED, errors.NO_SLOT)
            assert made[2].state == client.FAILED and not made[1].is_open
            assert running(made[0]) == (1, noise(1200, 1))
        calls += 1
    assert calls == 10, calls


def test_card_that_is_not_there_or_too_small_is_refused():
    board, _source, machine = setup({MANIFEST_URL: bundle("two")})
    board.pulled.add("sd")
    machine.start(MANIFEST_URL)
    raises(errors.READ_FAILED, machine.run)
    board.pulled.clear()
    board.layout["candidates"]["size"] = 0x6000
    machine.start(MANIFEST_URL)
    raises(errors.OUT_OF_DEVICE, machine.run)
    assert board.power.ops == 0
