"""Attacks on what starts: a chip that lies, a chip that was written elsewhere, a rogue client.

Each was a way in before the boot stage asked for statements. The names of the tests say what
must hold; "starts" means: main.run() hands this image over.
"""

from hashlib import sha256

from fwboot import main
from fwcore import errors, errors_boot, header
from fwcore.errors import FwError
from fwcore.header import NO_CAMPAIGN, Header
from fwcore.journal import _commit as commit
from fwcore.journal import _record as record
from fwcore.regions import fixed_slot
from fwcore.state import BACK, IDLE, NO_SIGNATURE, PENDING, TRIAL, State
from fwcore.statement import digest_of
from helpers import raises
from trial_kit import NEW, OLD, WORLDS, device, head_of, offer, quiet
from ufota import trial
from ufota_testkit import simboard
from ufota_testkit.noise import noise
from ufota_testkit.simboard import (
    Board,
    ToyKey,
    active_slot,
    candidate_slots,
    put,
    trial_layout,
)
from ufota_testkit.simdisk import PowerCut

BOTH = True  # runs on CPython and on MicroPython

ROGUE = b"ROGUE " * 150  # 900 bytes, which nobody signed
MADE_UP = Header(2 + (1 << 55), len(ROGUE), sha256(ROGUE).digest(), NO_CAMPAIGN)


def genuine(board, images):
    """Run the boot stage; what it starts is one of these images, as its slot reads just then.

    returns:  the Image, or None when nothing starts
    """
    try:
        found = main.run(board)
    except (OSError, FwError):
        return None
    if found:
        assert found.head.digest in [sha256(image).digest() for image in images], board.lines
    return found


# A chip or a card with two faces


class Chip:
    """In front of a disk: it remembers what it showed in this start, and may lie.

    since, lies:  it lies from this call on (reads and erases count), so many calls long
    rogue, at:    bytes it shows then, from this address on, but not in blocks written meanwhile
    forget:       bytes that a block written meanwhile reads honestly, then it is spoilt
    """

    since = forget = 1 << 30
    lies = 0
    rogue, at = b"", 0

    def __init__(self, disk):
        self._disk = disk
        self._written = {}
        self.shown = bytearray(len(disk.data))
        self.calls = 0

    def __getattr__(self, name):
        return getattr(self._disk, name)

    def readblocks(self, block, buf, offset=None):
        self.calls += 1
        code = self._disk.readblocks(block, buf, *(() if offset is None else (offset,)))
        start = block * 512 + (offset or 0)
        if self.since <= self.calls < self.since + self.lies:
            self._lie(start, buf)
        self.shown[start : start + len(buf)] = buf
        return code

    def _lie(self, start, buf):
        for i in range(len(buf)):
            number = (start + i) // 512
            if number in self._written:
                self._written[number] -= 1
                if self._written[number] < 0:
                    buf[i] ^= 0x55
            elif 0 <= start + i - self.at < len(self.rogue):
                buf[i] = self.rogue[start + i - self.at]

    def writeblocks(self, block, buf, offset=None):
        self._written[block] = self.forget
        return self._disk.writeblocks(block, buf, *(() if offset is None else (offset,)))

    def ioctl(self, request, argument):
        if request == 6:
            self.calls += 1
        return self._disk.ioctl(request, argument)


def faces(board, slot):
    """(address, bytes) of what a lying chip may show: its own image with a header that agrees,
    as a swap moves it and as a candidate, and its own image behind the genuine header."""
    inner_at = getattr(slot, "inner_at", slot.header_at)
    yield inner_at, _before(header.pack_internal(MADE_UP), slot.body_at - inner_at) + ROGUE
    yield slot.body_at, ROGUE
    if slot.external:
        packed = slot.pack(MADE_UP, header.device_key(board.rot()))
        yield slot.header_at, _before(packed, slot.body_at - slot.header_at) + ROGUE


def _before(packed, gap):
    return packed + NO_SIGNATURE + b"\xff" * (gap - len(packed) - 64)


def updated(mode, kind, face):
    """A device with a genuine update waiting, all its disks in the hands of a Chip."""
    board = device(mode, kind, signed=True)
    main.run(board)
    offer(board, 2)
    at, rogue = list(faces(board, candidate_slots(board)[0]))[face]
    for name in board.disks:
        board.disks[name] = Chip(board.disks[name])
    chip = board.disks[kind]
    chip.at, chip.rogue = at, rogue
    return board, chip


def five_starts(board):
    """What runs, if anything does, was digested in this very start, and is genuine."""
    for _ in range(5):
        for chip in board.disks.values():
            chip.shown[:] = bytes(len(chip.shown))
        found = genuine(board, (OLD, NEW))
        if found:
            at = found.slot.body_at
            shown = found.slot.storage.device.shown[at : at + found.head.size]
            assert sha256(shown).digest() == found.head.digest


def sweep(kinds, step):
    """Let the chip lie at each of its reads and erases; returns how many cases that were."""
    tried = 0
    for mode, kind in WORLDS:
        if kind not in kinds:
            continue
        for face in range(2 if mode == "direct" else 3):
            board, chip = updated(mode, kind, face)
            five_starts(board)
            for since in range(1, chip.calls + 1, step):
                for lies, forget in ((1, 1 << 30), (1 << 30, 1 << 30), (1 << 30, 512)):
                    board, chip = updated(mode, kind, face)
                    chip.since, chip.lies, chip.forget = since, lies, forget
                    five_starts(board)
                    tried += 1
    return tried


def test_a_chip_that_lies_at_any_read_gets_nothing_else_started():
    assert sweep(("spi", "flash"), 1) > 1000


def test_a_card_that_lies_at_any_read_gets_nothing_else_started():
    assert sweep(("sd",), 1) > 300


def test_a_chip_that_lies_once_the_check_is_over_costs_no_image():
    """The one that was reported: from the first erase on it shows another image, header and all,
    and forgets what it was given to keep."""
    board = device("swap", "spi", signed=True)
    main.run(board)
    offer(board, 2)
    slot = candidate_slots(board)[0]
    chip = Chip(board.disks["spi"])
    chip.at, chip.rogue = next(faces(board, slot))
    chip.lies, chip.forget = 1 << 30, 512

    def ioctl(request, argument):
        if request == 6:
            chip.since = 0
        return Chip.ioctl(chip, request, argument)

    chip.ioctl = ioctl
    board.disks["spi"] = chip
    for _ in range(4):
        genuine(board, (OLD, NEW))


# A client that was taken over: it has the candidate slot, and State(board).put()


def rogue_worlds():
    for mode, kind in WORLDS:
        board = device(mode, kind, signed=True)
        main.run(board)
        yield mode, board


def look(board, starts=3):
    for _ in range(starts):
        found = genuine(board, (OLD,))
    assert found and found.head.version == 1, board.lines


def test_a_rogue_client_cannot_have_an_unsigned_candidate_started():
    for _, board in rogue_worlds():
        offer(board, 5, ROGUE, signature=NO_SIGNATURE)
        look(board)


def test_a_rogue_client_cannot_name_an_image_as_the_old_one_to_go_back_to():
    for mode, board in rogue_worlds():
        slot = State(board).candidate_slots(board)[0]
        state = State(board)
        state.old = put(board, slot, 5, ROGUE, NO_SIGNATURE)
        state.phase, state.reason = BACK, 300
        state.kept = 1 if mode == "direct" else 0
        state.new = Header(1, len(OLD), bytes(32), NO_CAMPAIGN)
        state.put()
        look(board)


def test_a_rogue_client_cannot_say_that_the_other_slot_is_the_active_one():
    for _, board in rogue_worlds():
        put(board, State(board).candidate_slots(board)[0], 5, ROGUE, NO_SIGNATURE)
        state = State(board)
        state.active = 1
        state.put()
        look(board)


def test_a_rogue_client_cannot_say_that_an_image_is_on_trial_or_under_way():
    for _, board in rogue_worlds():
        for phase in range(5):
            state = State(board)
            slot = state.candidate_slots(board)[0]
            state.new = put(board, slot, 5, ROGUE, NO_SIGNATURE)
            state.phase, state.tries, state.location = phase, 3, 0
            state.old = head_of(1, OLD)
            state.kept, state.active = 0, 0
            state.put()
            for _ in range(5):
                genuine(board, (OLD,))


def test_a_rogue_client_cannot_have_an_old_or_a_rejected_image_started_on_trial():
    """It is the maker's, and its signature verifies; floor and black-list are asked as well."""
    for mode, board in rogue_worlds():
        for floor in 3, 0:
            state = State(board)
            state.floor = floor
            state.bad = bytes(128)
            if not floor:
                state.blacklist(head_of(1, OLD))
            state.verified = bytes(64)
            state.phase, state.tries, state.new = TRIAL, 3, head_of(1, OLD)
            state.old, state.active = head_of(1, OLD), 0
            state.put()
            for _ in range(3):
                assert genuine(board, ()) is None, mode


# Other products of the same maker, and older versions


def test_an_image_signed_for_something_else_is_refused():
    """Same maker, same key: another vendor id, class, component, or an older version."""
    for mode, kind in WORLDS:
        for change in ("vendor_id", "class_id", "component", "version"):

            class Other:
                vendor_id, class_id = simboard.VENDOR_ID, simboard.CLASS_ID

            component, head = "MAIN", head_of(2, NEW)
            if change == "component":
                component = "RADIO"
            elif change == "version":
                head = head_of(1, NEW)
            else:
                setattr(Other, change, b"another product!")
            signature = ToyKey().sign(digest_of(Other, component, head))
            board = device(mode, kind, signed=True)
            main.run(board)
            offer(board, 2, signature=signature)
            assert genuine(board, (OLD,)).head.version == 1
            assert State(board).reason == errors.BAD_SIGNATURE


# Boards whose active image and state are on a chip that others can write


class OnChip:
    """A board with image and state on an external chip, and its store inside."""

    def __init__(self, mode="direct", kind="spi", signed=True, **more):
        layout = trial_layout(mode, kind, signed=signed, **more)
        layout["state"]["external"] = True
        self.board = Board(layout)
        self.install(1, OLD)

    def install(self, version, image):
        """A factory's image, or an update that is through: it runs, and confirms."""
        put(self.board, active_slot(self.board), version, image)
        assert main.run(self.board).head.version == version
        trial.confirm(self.board)

    def copy(self):
        return {name: bytes(disk.data) for name, disk in self.board.disks.items()}

    def write_back(self, copy):
        for name, data in copy.items():
            self.board.disks[name].load(0, data)


def test_a_copy_of_the_chip_from_before_does_not_bring_an_old_version_back():
    for mode in "direct", "swap", "overwrite":
        device = OnChip(mode)
        before = device.copy()
        device.install(3, NEW)
        device.write_back(before)
        for _ in range(3):
            assert genuine(device.board, ()) is None
        assert State(device.board).floor == 3
        put(device.board, active_slot(device.board), 3, NEW)
        assert genuine(device.board, (NEW,)).head.version == 3


def test_a_record_from_before_is_none_even_where_no_floor_stands_against_it():
    """A factory's image that nobody signed, known to the record of its days only."""
    device = OnChip(downgrade=True)
    put(device.board, active_slot(device.board), 1, ROGUE, NO_SIGNATURE)
    state = State(device.board)
    state.remember(digest_of(device.board, "MAIN", head_of(1, ROGUE)))
    state.put()
    assert main.run(device.board).head.version == 1
    before = device.copy()
    offer(device.board, 2)
    main.run(device.board)
    trial.confirm(device.board)
    device.write_back(before)
    assert genuine(device.board, ()) is None
    assert State(device.board).count == 1 and State(device.board).floor == 0


def test_a_confirm_that_is_cut_never_loses_the_state_it_has_written():
    for cut in range(1, 12):
        device = OnChip()
        board = device.board
        offer(board, 2)
        assert main.run(board).head.version == 2
        board.power.reset()
        board.power.cut_at(cut, "half")
        try:
            trial.confirm(board)
        except PowerCut:
            pass
        board.power.reset()
        board.power.cycle()
        assert State(board).new.version == 2
        found = genuine(board, (NEW,))
        assert found and found.head.version == 2
        trial.confirm(board)
        assert State(board).floor == 2
        assert quiet(board, trial.confirm, board) is False


def test_an_anchor_that_a_cut_left_in_doubt_is_written_again():
    """Its commit reads well at the next start, and not any more later."""
    for mood in 0b01, 0b10, 0b110, 0b1110:
        for cut in range(1, 40):
            device = OnChip()
            board, before = device.board, device.copy()
            offer(board, 2)
            main.run(board)
            board.power.reset()
            board.power.mood = mood
            board.power.cut_at(cut, "moody")
            try:
                trial.confirm(board)
                break  # that was the last
            except PowerCut:
                pass
            board.power.reset()
            for _ in range(3):
                board.power.cycle()
                assert genuine(board, (NEW,))
                trial.confirm(board)
            for _ in range(3):
                board.power.cycle()
                device.write_back(before)
                assert genuine(board, ()) is None, (mood, cut)


def test_a_floor_that_a_cut_left_in_doubt_is_written_again():
    """Else an old card and one more cut bring an older image than one that has run."""
    images = {version: noise(1000 + version, version) for version in (10, 11, 12)}
    for mood in 0b110, 0b1110:
        for cut in range(1, 40):
            board, cards = simboard.make("sd", 1, signed=True), {}
            for version in 12, 10, 11:
                put(board, candidate_slots(board)[0], version, images[version])
                cards[version] = bytes(board.disks["sd"].data)
            main.run(board)
            if not cut_start(board, cut, "moody", mood):
                break
            for _ in range(2):
                board.power.cycle()
                assert main.run(board).head.version == 11
            board.power.cycle()
            board.disks["sd"].load(0, cards[12])
            assert cut_start(board, 4, "half", mood)
            board.power.cycle()
            board.disks["sd"].load(0, cards[10])
            found = main.run(board)
            assert not found or found.head.version == 11, (mood, cut)


def cut_start(board, cut, tear, mood):
    """A start in which power goes; False when it ended before that."""
    board.power.reset()
    board.power.mood = mood
    board.power.cut_at(cut, tear)
    try:
        main.run(board)
        return False
    except PowerCut:
        return True
    finally:
        board.power.reset()


def test_no_version_from_before_provisioning_is_a_floor_for_good():
    """A header that anybody wrote is confirmed while nobody can verify it."""
    for signed in True, "start":
        device = OnChip(signed=signed)
        board = device.board
        board.vault.load(0, b"\xff" * len(board.vault.data))
        board._rot, key, board._key = None, board._key, False
        put(board, active_slot(board), 1 << 62, NEW, NO_SIGNATURE)
        assert main.run(board).head.version == 1 << 62
        trial.confirm(board)
        board._rot, board._key = simboard.ROT, key
        assert State(board).floor == 0
        device.install(1, OLD)
        assert State(board).floor == 1


def test_a_permanent_update_counts_too():
    device = OnChip(downgrade=True)
    put(device.board, active_slot(device.board), 1, ROGUE, NO_SIGNATURE)
    state = State(device.board)
    state.remember(digest_of(device.board, "MAIN", head_of(1, ROGUE)))
    state.put()
    before = device.copy()
    offer(device.board, 2, tries=0)
    assert main.run(device.board).head.version == 2
    assert trial.confirm(device.board) is True
    device.write_back(before)
    assert genuine(device.board, ()) is None


def test_a_record_with_the_highest_number_there_is_does_not_end_all_puts():
    for mode, kind in WORLDS:
        for sealed in True, False:
            board = device(mode, kind, signed=True)
            main.run(board)
            plant_record(board, 0xFFFFFFFE, sealed)
            for _ in range(3):
                assert genuine(board, (OLD,))
            offer(board, 2)
            assert genuine(board, (NEW,)).head.version == 2
            trial.confirm(board)
            assert State(board).phase == IDLE and genuine(board, (NEW,))


def plant_record(board, number, sealed):
    """A journal's record of junk, alone, as it can be written by who knows no key."""
    region = board.layout["state"]
    disk = board.disks[region["device"]]
    parts = [record(number, b"junk"), commit(number)] + [commit(number)] * sealed
    disk.load(region["start"], b"\xff" * region["size"])
    at = region["start"]
    for part in parts:
        disk.load(at, part)
        at += 128


def test_a_rewritten_active_region_does_not_start():
    device = OnChip()
    put(device.board, active_slot(device.board), 9, ROGUE, NO_SIGNATURE)
    for _ in range(3):
        assert genuine(device.board, ()) is None


def test_a_state_of_another_device_is_none():
    """Its chip, moved over from a device of the same kind."""
    device, other = OnChip(), OnChip()
    other.board._rot = b"another device.."
    other.install(1, OLD)
    other.install(3, NEW)
    device.write_back(other.copy())
    found = genuine(device.board, (NEW,))
    assert found.head.version == 3  # the image is the maker's, and newer: that it may
    assert device.board.key().asked == 2  # but not by the other one's record


# Simple installation: an old card and a power cut


def test_an_old_card_and_a_power_cut_do_not_go_below_what_has_run():
    images = noise(1100, 1), noise(1200, 2), noise(1300, 3)
    board = simboard.make("sd", 1, signed=True)
    put(board, candidate_slots(board)[0], 11, images[0])
    assert main.run(board).head.version == 11
    old_card = bytes(board.disks["sd"].data)
    put(board, candidate_slots(board)[0], 12, images[1])
    assert main.run(board).head.version == 12
    put(board, candidate_slots(board)[0], 13, images[2])
    new_card = bytes(board.disks["sd"].data)
    board.power.cut_at(board.power.ops + 6, "half")
    try:
        main.run(board)
        raise AssertionError("no cut")
    except PowerCut:
        board.power.reset()
    board.disks["sd"].load(0, old_card)
    for _ in range(2):
        assert main.run(board) is None
    board.disks["sd"].load(0, new_card)
    assert main.run(board).head.version == 13


def test_an_image_that_has_run_once_does_not_give_way_to_an_older_one():
    """Its first start is the one that installs it; then an older one is written in its place."""
    for kind in simboard.KINDS:
        board = simboard.make(kind, 1, signed=True)
        put(board, candidate_slots(board)[0], 3, NEW)
        assert main.run(board).head.version == 3
        put(board, active_slot(board), 2, OLD)
        put(board, candidate_slots(board)[0], 2, OLD)
        assert genuine(board, ()) is None


def test_the_newest_that_has_run_may_come_back():
    board = simboard.make("sd", 1, signed=True)
    put(board, candidate_slots(board)[0], 11, NEW)
    assert main.run(board).head.version == 11
    active = active_slot(board)
    active.storage.device.data[active.body_at] ^= 1
    assert main.run(board).head.version == 11


# Recovery


def test_a_recovery_image_that_nobody_signed_does_not_start():
    layout = trial_layout("swap", "spi", signed=True)
    layout["devices"]["rec"] = {"size": 2048, "erase": 512, "program": 128}
    layout["recovery"] = {
        "device": "rec",
        "header": 0,
        "start": 256,
        "size": 1024,
        "format": "lfs2",
    }
    board = Board(layout)
    put(board, active_slot(board), 1, OLD)
    slot = fixed_slot(layout, layout["recovery"], board.disks["rec"])
    put(board, slot, 0, ROGUE, NO_SIGNATURE)
    board.pressed = True
    assert genuine(board, (OLD,)).device == "flash"
    board.pressed = False
    board.disks["flash"].data[active_slot(board).body_at] ^= 1
    assert genuine(board, ()) is None


def test_a_made_up_version_is_no_floor_where_the_recovery_image_confirms():
    """It runs because nobody signed the active image, whose header says what its writer likes."""
    board = with_made_up_header(True)
    raises(errors_boot.NOT_ON_TRIAL, trial.confirm, board)
    assert State(board).floor == 1
    put(board, active_slot(board), 2, NEW)
    assert main.run(board).head.version == 2
    trial.confirm(board)
    assert State(board).floor == 2


def test_a_made_up_version_is_one_where_nothing_is_recorded():
    board = with_made_up_header("start")
    trial.confirm(board)
    assert State(board).floor == 1 << 62


def with_made_up_header(signed):
    """A board that has confirmed version 1, and runs its recovery image now."""
    layout = trial_layout("direct", "spi", signed=signed)
    layout["state"]["external"] = True
    layout["devices"]["rec"] = {"size": 2048, "erase": 512, "program": 128}
    layout["recovery"] = dict(layout["active"], device="rec", size=1024)
    board = Board(layout)
    put(board, active_slot(board), 1, OLD)
    slot = fixed_slot(layout, layout["recovery"], board.disks["rec"])
    put(board, slot, 1, NEW, component="RECOVERY")
    assert main.run(board).head.version == 1
    trial.confirm(board)
    put(board, active_slot(board), 1 << 62, ROGUE, NO_SIGNATURE)
    assert main.run(board).device == "rec"
    return board


# No verifier in the firmware


def test_a_firmware_without_a_verifier_goes_on_with_the_image_it_knows():
    for what in ImportError("no module named 'fwcore.p256'"), MemoryError():
        for _, board in rogue_worlds():

            def key(what=what):
                raise what

            board.key = key
            offer(board, 2)
            for _ in range(3):
                assert main.run(board).head.version == 1
            waits = State(board).phase == PENDING
            assert waits == isinstance(what, MemoryError)
