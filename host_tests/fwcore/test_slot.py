"""Slots: Arm's arithmetic, bounds on every size, and the header as the last write."""

from hashlib import sha256

from fwcore import errors, header
from fwcore.regions import (
    StageSlot,
    SwapSlot,
    bare_size,
    block_size,
    fixed_slot,
    read_signature,
    storage_of,
)
from fwcore.regions import slots as slots_of
from fwcore.slot import Slot, active_slot, candidate_slots
from fwcore.slot_reader import Reader
from fwcore.slot_writer import Writer
from fwcore.storage import Storage, up
from helpers import raises
from images import CAMPAIGN, head_of, load, packed, stream
from ufota_testkit.noise import noise
from ufota_testkit.simboard import ROT, Board, layout, trial_layout
from ufota_testkit.simdisk import Disk

BOTH = True  # runs on CPython and on MicroPython

ERASE, UNIT = 1024, 128
KEY = header.device_key(ROT)


KINDS = ("internal", "external", "stage")


def slot_of(kind, storage, body_at, end, room=0):
    """A slot at address 0. kind: one of KINDS"""
    if kind == "stage":
        return StageSlot(storage, 0, body_at, end, room)
    return Slot(storage, 0, body_at, end, kind == "external", room)


def nor(external=True, size=16 * ERASE):
    """Three slots of 5 KiB on NOR, 512 bytes past the start; returns (disk, slots)."""
    disk = Disk(size, ERASE, UNIT)
    return disk, candidate_slots(Storage(disk, ERASE, UNIT), 0, size, 3, external)


def card():
    """Two slots of 4 KiB on a card."""
    disk = Disk(16 * 512, 512, 512, overwrite=True)
    return disk, candidate_slots(Storage(disk, 512, 512, True), 0, 16 * 512, 2)


def spans(start, size, locations, erase=4096, program=256, external=True, room=0):
    storage = Storage(Disk(65536, erase, program), erase, program)
    slots = candidate_slots(storage, start, size, locations, external, room)
    return [(slot.header_at, slot.body_at - slot.header_at, slot.end) for slot in slots]


def buffer(size=1024):
    return memoryview(bytearray(size))


# Arithmetic


def test_area_is_rounded_inwards_and_cut_into_whole_erase_blocks():
    assert spans(0, 65536, 1) == [(0, 512, 65536)]
    assert spans(1, 65535, 1) == [(4096, 512, 65536)]
    assert spans(0, 65535, 1) == [(0, 512, 61440)]
    assert spans(4352, 45824, 2) == [(8192, 512, 28672), (28672, 512, 49152)]


def test_blocks_that_do_not_divide_are_left_over_between_the_slots():
    assert spans(0, 13 * 4096, 3) == [(0, 512, 16384), (16384, 512, 32768), (32768, 512, 49152)]
    assert spans(0, 11 * 4096, 4)[3] == (8 * 4096, 512, 10 * 4096)


def test_header_takes_whole_program_units():
    assert [spans(0, 65536, 1, 4096, program)[0][1] for program in (1, 8, 256, 512, 1024)] == [
        296,
        296,
        512,
        512,
        1024,
    ]
    assert [
        spans(0, 65536, 1, 4096, program, external=False)[0][1] for program in (1, 8, 32, 256)
    ] == [112, 112, 128, 256]


def test_header_and_signature_take_whole_program_units():
    assert [
        spans(0, 65536, 1, 4096, program, room=64)[0][1] for program in (1, 8, 128, 256, 512, 1024)
    ] == [360, 360, 384, 512, 512, 1024]
    assert [
        spans(0, 65536, 1, 4096, program, external=False, room=64)[0][1]
        for program in (1, 8, 32, 128, 256)
    ] == [176, 176, 192, 256, 256]


def test_slots_never_overlap_and_stay_in_the_area():
    for locations in range(1, 9):
        for start in (0, 1, 4095, 4096):
            for size in (40960, 45824, 50000):
                last = start
                for at, _, end in spans(start, size, locations):
                    assert last <= at < end <= start + size
                    assert at % 4096 == end % 4096 == 0
                    last = end


def test_fits_counts_header_and_whole_erase_blocks():
    slot = Slot(Storage(Disk(8192, 1024, 128), 1024, 128), 0, 384, 4096, True)
    assert slot.fits(0)
    assert slot.fits(4096 - 384)
    assert not slot.fits(4096 - 384 + 1)
    for end in (3073, 4000, 4095):  # the last block is not all its own
        ragged = Slot(slot.storage, 0, 384, end, True)
        assert ragged.fits(3072 - 384)
        assert not ragged.fits(3072 - 384 + 1)


# Slots of layouts with a state region


def swap_layout(flash_erase, spi_erase):
    """Active region from 0x1000 on, image 0x180 behind its header; candidates from 0x200 on."""
    made = trial_layout("swap", "spi", blocks=8)
    made["devices"]["flash"].update({"size": 0x8000, "erase": flash_erase})
    made["devices"]["spi"].update({"size": 0x8000, "erase": spi_erase})
    made["active"].update({"header": 0x1000, "start": 0x1180, "size": 0x1E80})
    made["candidates"].update({"start": 0x200, "size": 0x6F00})
    return made


def test_the_candidate_of_a_swap_has_a_spare_block_and_then_the_active_regions_shape():
    for flash_erase, spi_erase, block in (
        (512, 512, 0x200),
        (4096, 512, 0x1000),
        (512, 4096, 0x1000),
        (1024, 2048, 0x800),
    ):
        made = swap_layout(flash_erase, spi_erase)
        board = Board(made)
        assert block_size(made) == block
        found = slots_of(made, board.device("spi"))
        assert len(found) == 1
        slot = found[0]
        first = block  # 0x200 rounded up
        assert (slot.header_at, slot.inner_at) == (first, first + block)
        assert slot.body_at == first + block + 0x180
        assert slot.end == 0x7100 // block * block
        assert slot.external
        made["candidates"]["internal"] = True
        assert not slots_of(made, board.device("spi"))[0].external


def test_a_fixed_region_is_a_slot_with_its_header_where_it_says():
    for headers, kind, signed, room, size in (
        (None, Slot, False, 0, 128),
        ("stage", StageSlot, False, 0, 128),
        (None, Slot, True, 64, 256),
        ("stage", StageSlot, "start", 64, 128),
    ):
        made = trial_layout("direct", "spi", signed=signed)
        if headers:
            made["headers"] = headers
        board = Board(made)
        region = {"device": "flash", "header": 1024, "start": 2048, "size": 512}
        slot = fixed_slot(made, region, board.device("flash"))
        assert (slot.header_at, slot.body_at, slot.end) == (1024, 2048, 2560)
        assert (type(slot), slot.header_size(), slot.room) == (kind, size, room)
        other = slots_of(made, board.device("spi"))[0]
        assert (type(other), other.body_at, other.room) == (kind, size, room)
        assert not slot.external


def test_a_device_must_reach_as_far_as_its_regions():
    board = Board(trial_layout("swap", "spi"))
    size = len(board.disks["flash"].data)
    for start, length, fits in (
        (0, size, True),
        (512, size - 512, True),
        (512, size - 511, False),
    ):
        region = {"device": "flash", "start": start, "size": length}
        if fits:
            assert storage_of(board, region).size == size
        else:
            raises(errors.OUT_OF_DEVICE, storage_of, board, region)
    for signed, headers, least in ((False, None, 112), (True, None, 176), (True, "stage", 120)):
        made = dict(board.layout, signed=signed)
        if headers:
            made.update({"mode": "direct", "headers": headers})
        device = board.device("flash")
        for at, fits in ((size - least, True), (size - least + 1, False)):
            region = {"device": "flash", "header": at, "start": 0, "size": 512}
            if fits:
                assert fixed_slot(made, region, device).header_at == at
            else:
                raises(errors.OUT_OF_DEVICE, fixed_slot, made, region, device)


def test_the_header_of_each_kind_comes_back_as_it_was_packed():
    head = header.Header(7, 600, bytes(range(32)), CAMPAIGN)
    for kind in KINDS:
        disk = Disk(4096, ERASE, UNIT)
        slot = slot_of(kind, Storage(disk, ERASE, UNIT), 512, 2048)
        packed_head = slot.pack(head, KEY)
        slot.write_header(packed_head)
        assert disk.data[: len(packed_head)] == packed_head
        found = slot.read_header(buffer(), KEY)
        assert found[:3] == head[:3]
        assert found.campaign == (bytes(16) if kind == "stage" else CAMPAIGN)


def test_a_header_that_moves_with_its_image_is_written_where_it_belongs():
    disk = Disk(4096, ERASE, UNIT)
    slot = SwapSlot(Storage(disk, ERASE, UNIT), 0, 1024, 1024 + 256, 4096, True)
    head = header.Header(7, 600, bytes(range(32)), CAMPAIGN)
    slot.write_inner(head)
    assert disk.data[1024 : 1024 + 112] == header.pack_internal(head)
    assert disk.data[1024 + 112 : 1024 + 128] == b"\xff" * 16
    assert disk.data[:1024] == b"\xff" * 1024
    forgets(disk, 5)
    disk.data[1024:2048] = b"\xff" * 1024
    disk._used[:] = bytes(len(disk._used))
    raises(errors.WRITE_FAILED, slot.write_inner, head)


def test_a_signature_is_right_behind_the_header_of_each_kind():
    signature = noise(64, 4)
    for program in (8, 128, 256, 512, 1024):
        for kind, bare in (("internal", 112), ("external", 296), ("stage", 56)):
            disk = Disk(4096, 1024, program)
            slot = slot_of(kind, Storage(disk, 1024, program), 1024, 4096, 64)
            assert bare_size(slot) == bare
            assert slot.header_size() == up(bare + 64, program)
            slot.write_header(slot.pack(head_of(1, b"abc"), KEY) + signature)
            assert disk.data[bare : bare + 64] == signature
            end = slot.header_size()
            assert disk.data[bare + 64 : end] == b"\xff" * (end - bare - 64)
            assert read_signature(slot, buffer()) == signature
            assert slot.read_header(buffer(), KEY).version == 1


def test_a_layout_that_asks_for_no_signature_has_none():
    for kind, bare in (("internal", 112), ("external", 296), ("stage", 56)):
        disk = Disk(4096, 1024, 512)
        slot = slot_of(kind, Storage(disk, 1024, 512), 1024, 4096)
        assert slot.room == 0 and slot.header_size() == 512 and bare_size(slot) == bare
        slot.write_header(slot.pack(head_of(1, b"abc"), KEY) + noise(64, 4))
        assert read_signature(slot, buffer()) == b""


def test_a_swap_keeps_the_signature_behind_the_candidates_own_header():
    made = trial_layout("swap", "spi", signed=True)
    slot = slots_of(made, Board(made).device("spi"))[0]
    assert (slot.room, slot.header_size(), bare_size(slot)) == (64, 384, 296)
    assert slot.body_at - slot.inner_at == 256
    slot.write_header(slot.pack(head_of(1, b"abc"), KEY) + noise(64, 4))
    slot.write_inner(head_of(1, b"abc"))
    assert read_signature(slot, buffer()) == noise(64, 4)
    assert slot.storage.device.data[slot.inner_at + 112 : slot.body_at] == b"\xff" * 144


# Devices that are not what the layout says


def test_device_whose_blocks_do_not_divide_those_of_the_layout_is_refused():
    """An erase of one of the layout's blocks would take the neighbour along."""
    for block in (768, 2048, 4096):
        disk = Disk(0xC000, block, 256)
        for find in (slots_of, active_slot):
            assert raises(errors.MISALIGNED, find, layout("spi"), disk).at == block
        assert disk.power.ops == 0
    for block in (256, 512, 1024):
        disk = Disk(0xC000, block, 256)
        storage = slots_of(layout("spi"), disk)[0].storage
        assert active_slot(layout("spi"), disk).storage.erase_size == 1024
        storage.erase(0x800, 1024)
        assert disk.wear == [int(0x800 <= i * block < 0xC00) for i in range(0xC000 // block)]


def test_device_that_ends_before_its_slots_is_refused():
    behind = layout("spi")
    behind["active"]["header"] = 0x2000  # takes one program unit behind the image
    signed = layout("spi")
    signed["signed"] = True
    signed["active"]["header"] = 0x2000 + 1024 - 112  # and the signature the next block
    for find, map, end in (
        (slots_of, layout("spi"), 0x5400),
        (active_slot, layout("spi"), 0x1C00),
        (active_slot, behind, 0x2400),
        (active_slot, signed, 0x2800),
    ):
        find(map, Disk(end, 1024, 256))
        disk = Disk(end - 1024, 1024, 256)
        assert raises(errors.OUT_OF_DEVICE, find, map, disk).at == end - 1024
        assert disk.power.ops == 0


# Reading


def test_header_reads_back_from_either_kind_of_slot():
    for external in (True, False):
        _, slots = nor(external)
        for i in range(3):
            head = load(slots[i], 7 + i, noise(100, i))
            assert slots[i].read_header(buffer(), KEY if external else None) == head


def test_header_refuses_what_is_not_there():
    _, slots = nor()
    raises(errors.BAD_MAC, slots[0].read_header, buffer(), KEY)
    raises(errors.BAD_KEY, slots[0].read_header, buffer(), None)
    _, slots = nor(external=False)
    raises(errors.BAD_CRC, slots[0].read_header, buffer(), None)


def test_size_beyond_the_slot_is_refused_with_the_header():
    for external in (True, False):
        disk, slots = nor(external)
        room = slots[0].end - slots[0].body_at
        for size, fits in ((room, True), (room + 1, False), (1 << 32, False), (2**64 - 1, False)):
            head = header.Header(1, size, bytes(32), CAMPAIGN)
            disk.load(0, packed(slots[0], head))
            if fits:
                assert slots[0].read_header(buffer(), KEY).size == size
            else:
                raises(errors.TOO_BIG, slots[0].read_header, buffer(), KEY)
                raises(errors.TOO_BIG, Reader, slots[0], size)


def test_read_error_is_an_oserror():
    disk, slots = nor()
    load(slots[0], 1, noise(3000))
    for block, function, args in (
        (0, slots[0].read_header, (buffer(), KEY)),
        (2, slots[0].digest, (3000, buffer(), lambda: None)),
    ):
        disk.bad_blocks = {block}
        try:
            function(*args)
        except OSError:
            continue
        raise AssertionError("a read error went unseen")


def test_reader_gives_each_byte_once_and_digests_it():
    for _, slots in (nor(), card()):
        for size in (0, 1, 127, 128, 129, 1023, 1024, 1025, 2048, 3000):
            image = noise(size, size)
            load(slots[1], 1, image)
            reader = Reader(slots[1], size)
            buf = buffer()
            found = b""
            while reader.left:
                count = reader.step(buf)
                found += bytes(buf[:count])
            assert found == image
            assert reader.digest() == sha256(image).digest()


def test_digest_feeds_after_every_buffer():
    _, slots = nor()
    image = noise(3000)
    load(slots[0], 1, image)
    fed = []
    assert slots[0].digest(3000, buffer(512), lambda: fed.append(1)) == sha256(image).digest()
    assert len(fed) == 6


# Writing


def test_any_fragment_size_gives_the_same_slot():
    for make in (nor, card):
        for size in (1, 127, 128, 129, 511, 512, 513, 1500, 3000):
            image = noise(size, size)
            for piece in (1, 7, 127, 128, 129, 512, 640, 1024, 3000):
                if piece > 1 or size < 600:
                    disk, slots = make()
                    writer = stream(slots[1], image, piece)
                    assert writer.digest() == sha256(image).digest()
                    at = slots[1].body_at
                    end = up(at + size, disk.program_size)
                    assert disk.data[at : at + size] == image
                    assert disk.data[at + size : end] == b"\xff" * (end - at - size)


def test_neighbours_are_not_touched():
    for make, pieces in ((nor, (640, 1000, 1024, 9999)), (card, (512, 1000, 9999))):
        for piece in pieces:
            disk, slots = make()
            disk.load(0, noise(len(disk.data), 5))
            before = bytes(disk.data)
            slot = slots[1]
            image = noise(slot.end - slot.body_at)  # the largest that fits
            stream(slot, image, piece)
            assert disk.data[: slot.header_at] == before[: slot.header_at]
            assert disk.data[slot.body_at : slot.end] == image
            assert disk.data[slot.end :] == before[slot.end :]


def test_writer_that_was_not_begun_erases_its_own_slot_only():
    disk, slots = nor()
    disk.load(0, noise(len(disk.data), 5))
    Writer(slots[1], 2000).write(memoryview(noise(2000)))
    assert disk.wear == [0] * 5 + [1] * 3 + [0] * 8


def test_slot_is_empty_from_begin_until_its_header():
    for make in (nor, card):
        _, slots = make()
        load(slots[0], 5, noise(2000, 5))
        image = noise(1500, 6)
        writer = Writer(slots[0], len(image))
        assert slots[0].read_header(buffer(), KEY).version == 5
        writer.begin()
        raises(errors.BAD_MAC, slots[0].read_header, buffer(), KEY)
        writer.write(memoryview(image))
        raises(errors.BAD_MAC, slots[0].read_header, buffer(), KEY)
        slots[0].write_header(packed(slots[0], head_of(6, image)))
        assert slots[0].read_header(buffer(), KEY).version == 6
        assert slots[0].digest(1500, buffer(), lambda: None) == sha256(image).digest()


def test_blocks_are_erased_one_by_one_as_the_image_comes():
    disk, slots = nor()
    writer = Writer(slots[0], 4000)
    writer.begin()
    assert disk.wear[:5] == [1, 0, 0, 0, 0]
    mv = memoryview(noise(4000))
    writer.write(mv[: 1024 - 384])
    assert disk.wear[:5] == [1, 0, 0, 0, 0]
    writer.write(mv[1024 - 384 : 1024 - 383])  # waits for a whole unit
    writer.write(mv[1024 - 383 : 1024 - 384 + 128])
    assert disk.wear[:5] == [1, 1, 0, 0, 0]
    writer.write(mv[1024 - 384 + 128 :])
    assert disk.wear[:6] == [1, 1, 1, 1, 1, 0]  # 384 + 4000 bytes take five blocks


def test_too_big_is_said_before_anything_is_touched():
    for make in (nor, card):
        disk, slots = make()
        room = slots[0].end - slots[0].body_at
        Writer(slots[0], room)
        raises(errors.TOO_BIG, Writer, slots[0], room + 1)
        assert disk.power.ops == 0


def test_more_bytes_than_announced_are_refused_and_not_written():
    disk, slots = nor()
    writer = Writer(slots[0], 256)
    writer.begin()
    writer.write(memoryview(noise(200)))
    ops = disk.power.ops
    raises(errors.TOO_LONG, writer.write, memoryview(noise(57)))
    assert disk.power.ops == ops
    writer.write(memoryview(noise(56)))
    raises(errors.TOO_LONG, writer.write, memoryview(b"x"))


def test_header_that_storage_did_not_keep_is_an_error():
    for make in (nor, card):
        for lost in (0, 8, 111, 231, 232, 263, 295):
            disk, slots = make()
            forgets(disk, lost)
            head = packed(slots[0], head_of(1, b"abc"))
            raises(errors.WRITE_FAILED, slots[0].write_header, head)


def forgets(disk, lost):
    """From here on the disk flips a bit of byte `lost` of every write."""
    write = disk.writeblocks

    def weak(block, buf, *rest):
        buf = bytearray(buf)
        buf[lost] ^= 1
        return write(block, buf, *rest)

    disk.writeblocks = weak


def test_header_is_padded_with_ff():
    disk, slots = nor()
    slots[0].write_header(packed(slots[0], head_of(1, b"abc")))
    assert disk.data[296:384] == b"\xff" * 88
    disk = Disk(4096, ERASE, UNIT)
    slot = slot_of("external", Storage(disk, ERASE, UNIT), 384, 4096, 64)
    slot.write_header(packed(slot, head_of(1, b"abc")) + noise(64, 4))
    assert disk.data[296:384] == noise(64, 4) + b"\xff" * 24


def test_failed_write_is_an_oserror():
    image = memoryview(noise(2000))
    for make in (nor, card):
        disk, slots = make()
        writer = Writer(slots[0], 2000)
        writer.begin()
        disk.fail_at(disk.power.ops + 3)
        try:
            writer.write(image)
        except OSError:
            continue
        raise AssertionError("a write error went unseen")
