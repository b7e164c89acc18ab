"""Payloads that are not the image itself: deflated, patches, encrypted, all of it at once."""

from fwboot import main
from fwcore import errors, errors_net, formats
from fwcore.errors import FwError
from fwcore.manifest import version_word
from helpers import raises
from resume_kit import NoWait, board_of
from test_firmware_targets import esp_board
from ufota import client
from ufota.decoders import chain
from ufota.decoders import errors as decoder_errors
from ufota.fleet_client import FleetClient
from ufota.patch_client import PatchClient
from ufota.trial import confirm
from ufota.update import payload
from ufota.update.writer import UpdateWriter
from ufota_testkit import simboard
from ufota_testkit.simboard import KINDS, MODES
from ufota_testkit.simdisk import every_cut
from update_kit import (
    AFTER,
    CLASS_KEY,
    MANIFEST_URL,
    OLD,
    PAYLOAD_URL,
    FakeSource,
    Key,
    bundle,
    running,
    signed,
    staged,
    trial_setup,
)
from update_kit import payload as payload_of

BOTH = True  # runs on CPython and on MicroPython

NEW = version_word("2.0.0"), AFTER
GOOD = (
    "packed_deflated",
    "packed_patch",
    "packed_deflated_patch",
    "packed_arm",
    "packed_encrypted",
    "packed_all",
)
ENCRYPTED = "packed_encrypted", "packed_all"
DECODERS = range(150, 170)


def with_key(board, key=CLASS_KEY):
    board.class_key = lambda: key
    return board


def simple(kind="sd"):
    return with_key(board_of(kind))


def fetch(board, name, **more):
    """Run the update `name` to its end. Returns the source."""
    source = FakeSource({MANIFEST_URL: bundle(name)}, pieces=(333, 7, 512, 1))
    machine = client.Client(board, source, **more)
    machine.start(MANIFEST_URL)
    assert machine.run()
    assert machine.done == len(payload_of(name))
    return source


def boot(board):
    image = main.run(board)
    return simboard.read(board, image.slot)


def fails(code, board, name):
    """The update ends with this error; nothing is staged, and OLD runs. Returns writes."""
    board.power.reset()
    raises(code, fetch, board, name)
    assert running(board) == OLD
    assert NEW not in staged(board)
    return board.power.ops


def test_each_kind_is_installed_whatever_brings_it():
    for name in GOOD:
        for kind in KINDS:
            board = simple(kind)
            fetch(board, name)
            assert staged(board) == [NEW], name
            assert boot(board) == NEW
        for mode in MODES:
            board = with_key(trial_setup({}, mode)[0])
            fetch(board, name)
            assert boot(board) == NEW and confirm(board) and boot(board) == NEW


def test_each_kind_is_written_in_any_pieces():
    for name in GOOD:
        for step in 1, 7, 100, 5000:
            board, data = simple(), payload_of(name)
            update = UpdateWriter(board)
            update.begin(signed(name))
            for at in range(0, len(data), step):
                update.write(data[at : at + step])
            assert update.done == len(data)
            update.end()
            assert staged(board) == [NEW]
            raises(errors_net.NOT_BEGUN, update.write, b"x")


def test_a_patch_for_another_image_is_refused_before_anything_is_erased():
    assert not fails(errors_net.WRONG_PRECURSOR, simple(), "packed_for_another")
    board = simple()
    slot = simboard.active_slot(board)
    slot.storage.device.load(slot.header_at, bytes(112))
    raises(errors_net.WRONG_PRECURSOR, fetch, board, "packed_patch")


def test_a_manifest_that_does_not_say_enough_is_refused():
    """fwtool makes none like these."""
    for change, code in (
        ({"format": 9}, errors.UNSUPPORTED),
        ({"format": formats.DEFLATED | formats.RAW | 0x800}, errors.UNSUPPORTED),
        ({"installed_digest": b""}, errors.MALFORMED),
        ({"precursor": b""}, errors.MALFORMED),
    ):
        board = simple()
        update = UpdateWriter(board)
        found = update.read(signed("packed_deflated_patch"))
        for name in change:
            setattr(found, name, change[name])
        board.power.reset()
        raises(code, update.accept, found)
        assert not board.power.ops


def test_what_has_not_begun_takes_no_payload():
    """After abort(), and after an image that nobody signed, where the boot stage asks for that."""
    for name in GOOD:
        board = simple()
        update = UpdateWriter(board)
        update.begin(signed(name))
        update.abort()
        raises(errors_net.NOT_BEGUN, update.write, b"x")
        update.begin(signed(name))
        board.layout["signed"] = True
        raises(errors.BAD_SIGNATURE, update.begin, signed("image_unsigned"))
        raises(errors_net.NOT_BEGUN, update.write, b"x")
        raises(errors_net.NOT_BEGUN, update.end)


def test_what_comes_out_must_be_what_was_signed():
    assert fails(errors.CORRUPT, simple(), "packed_other_image")


def test_a_device_without_the_class_key_is_told_before_anything_is_erased():
    for name in ENCRYPTED:
        assert not fails(decoder_errors.NO_CLASS_KEY, with_key(simple(), None), name)
        assert not fails(decoder_errors.NO_CLASS_KEY, board_of("sd"), name)
        fails(decoder_errors.WRONG_CLASS_KEY, with_key(simple(), bytes(16)), name)


def test_a_device_is_no_oracle_for_what_is_encrypted():
    """Its errors, and what it erases and writes, are the same whatever was changed."""
    data, head = payload_of("packed_encrypted"), 24  # bytes of the wrapped key
    told = {True: set(), False: set()}
    for at in range(0, len(data), 3):
        for bits in 0x01, 0x80:
            bad = bytearray(data)
            bad[at] ^= bits
            told[at < head].add(_told("packed_encrypted", bad))
    for last in range(256):
        if last != data[-17]:
            told[False].add(_told("packed_encrypted", data[:-17] + bytes((last,)) + data[-16:]))
    assert len(told[True]) == len(told[False]) == 1, told
    assert {each[:2] for each in told[True] | told[False]} == {(errors.CORRUPT, 0)}


def test_nor_is_it_where_decoders_follow():
    data = payload_of("packed_all")
    for at in range(len(data)):
        bad = bytearray(data)
        bad[at] ^= 0x41
        assert _told("packed_all", bad)[:2] == (errors.CORRUPT, 0)


def _told(name, data):
    """(code, at, operations of the storage) of an update that brings these bytes instead."""
    board = simple()
    source = FakeSource({MANIFEST_URL: signed(name) + bytes(data)})
    machine = client.Client(board, source)
    board.power.reset()
    machine.start(MANIFEST_URL)
    error = raises(errors.CORRUPT, machine.run)
    return error.code, error.at, board.power.ops


def test_a_port_without_a_cipher_is_told_before_anything_is_erased():
    def missing(name):
        raise ImportError

    built_in, payload.built_in = payload.built_in, missing
    try:
        for name in ENCRYPTED:
            assert not fails(decoder_errors.NO_CIPHER, simple(), name)
        fetch(simple(), "packed_deflated_patch")
    finally:
        payload.built_in = built_in


def test_a_build_without_the_filter_says_so_before_anything_is_erased():
    real = chain.names
    chain.names = lambda number: ("of_another_build",)
    try:
        for name in GOOD:
            assert not fails(errors.UNSUPPORTED, simple(), name)
    finally:
        chain.names = real


def test_a_payload_that_is_cut_or_damaged_is_a_numbered_error_and_old_runs():
    for name in GOOD:
        data = payload_of(name)
        for at in range(0, len(data), 5):
            bad = bytearray(data)
            bad[at] ^= 0x41
            _damaged(bytes(bad), name)
            _damaged(data[:at], name)


def _damaged(data, name):
    board = simple()
    update = UpdateWriter(board)
    update.begin(signed(name))
    try:
        for at in range(0, len(data), 300):
            update.write(data[at : at + 300])
        update.end()
    except FwError as error:
        known = errors.CORRUPT, errors.CUT_SHORT, errors.TOO_LONG
        if name in ENCRYPTED:
            assert error.args == (errors.CORRUPT, 0)
        assert error.code in known or error.code in DECODERS, error.code
    else:  # nobody looks at these bits
        assert staged(board) == [NEW] and len(data) == len(payload_of(name))
        return
    assert running(board) == OLD and staged(board) == [(0, None)]
    fetch(board, name)  # and the good one afterwards
    assert staged(board) == [NEW]


def test_a_broken_link_is_gone_on_with_and_no_byte_is_fetched_twice():
    for name in GOOD:
        for part in 2, 5:
            board, source = simple(), FakeSource({MANIFEST_URL: bundle(name)}, pieces=(50,))
            source.drops = len(signed(name)) + len(payload_of(name)) // part
            machine = FleetClient(board, source, retry=NoWait(attempts=9))
            machine.start(MANIFEST_URL)
            assert machine.run() and staged(board) == [NEW]
            assert source.served == len(bundle(name)) and len(source.asked) > 1


def test_after_a_reset_the_download_begins_again():
    for name in GOOD:
        board = simple()
        pages = {MANIFEST_URL: bundle(name)}
        source = FakeSource(pages, pieces=(50,))
        machine = FleetClient(board, source, buf=bytearray(4096))
        machine.start(MANIFEST_URL)
        for _ in range(10):
            machine.step()
        source = FakeSource(pages)
        machine = FleetClient(board, source)
        machine.start(MANIFEST_URL)
        assert machine.run() and staged(board) == [NEW]
        assert source.served == len(bundle(name))


def test_fragments_in_any_order_are_for_images_only():
    for name in GOOD:
        board = simple()
        raises(errors.UNSUPPORTED, UpdateWriter(board).begin, signed(name), False, 512)
        assert staged(board) == [(0, None)]


def test_firmware_may_be_deflated_but_is_no_patch():
    board, chip = esp_board()
    update = UpdateWriter(board)
    raises(errors.UNSUPPORTED, update.begin, signed("packed_system_patch"))
    update.begin(signed("packed_system"))
    chip.sizes[1 - chip.runs] = len(AFTER)
    update.write(payload_of("packed_system"))
    update.end()
    assert bytes(chip.disks[1 - chip.runs].data[: len(AFTER)]) == AFTER


# The whole image instead of a patch


class Server(FakeSource):
    """Sends a patch to who tells its image, else the whole one."""

    def __init__(self, patch, whole):
        super().__init__({MANIFEST_URL: b""})
        self.both = patch, whole

    def open(self, url, at=0, tag=b""):
        self._pages = {MANIFEST_URL: bundle(self.both[b"Ufota-Image" not in self.header])}
        super().open(url, at, tag)


def test_the_image_that_runs_is_told_where_patches_are_wanted():
    for mode in ("direct", None):
        for patches in True, False:
            board = with_key(trial_setup({}, mode)[0] if mode else simple())
            source = Server("packed_deflated_patch", "small")
            machine = (PatchClient if patches else FleetClient)(board, source)
            machine.start(MANIFEST_URL)
            assert machine.run()
            told = [b"Ufota-Image: 1 " in line for line in source.lines]
            assert told == [patches]
            assert source.header == b""


def test_where_a_patch_fails_the_whole_image_is_asked_for():
    for patch in ("packed_for_another", "packed_other_image", "packed_all"):
        board = board_of("sd")  # has no class key
        source = Server(patch, "small")
        machine = PatchClient(board, source)
        machine.start(MANIFEST_URL)
        assert machine.run()
        assert [b"Ufota-Image" in line for line in source.lines] == [True, False]
        assert staged(board) == [(NEW[0], payload_of("small"))]


def test_a_whole_image_that_is_no_good_is_not_fetched_again():
    data = bytearray(bundle("small"))
    data[-1] ^= 1
    source = FakeSource({MANIFEST_URL: bytes(data)})
    machine = PatchClient(simple(), source)
    raises(errors.CORRUPT, lambda: (machine.start(MANIFEST_URL), machine.run()))
    assert len(source.opened) == 1


def test_only_the_server_of_the_manifest_is_told_what_runs():
    source = FakeSource({MANIFEST_URL: signed("two"), PAYLOAD_URL: payload_of("two")})
    machine = PatchClient(simple(), source)
    machine.start(MANIFEST_URL)
    assert machine.run() and source.opened == [MANIFEST_URL, PAYLOAD_URL]
    assert [b"Ufota-Image" in line for line in source.lines] == [True, False]


def test_where_only_the_patch_is_there_its_error_is_told():
    board = board_of("sd")
    source = Server("packed_for_another", "packed_for_another")
    machine = PatchClient(board, source)
    raises(errors_net.WRONG_PRECURSOR, lambda: (machine.start(MANIFEST_URL), machine.run()))
    assert len(source.opened) == 2 and machine.state == client.FAILED


# Power


def test_a_cut_anywhere_in_a_patched_update_leaves_old_or_new():
    cases = 0
    for mode in MODES:

        def make(mode=mode):
            return with_key(trial_setup({}, mode, key=Key())[0])

        def act(board):
            fetch(board, "packed_all")

        def check(board):
            found = boot(board)
            assert found in (OLD, NEW)
            if found == OLD:
                fetch(board, "packed_all")
                assert boot(board) == NEW
            assert confirm(board) and boot(board) == NEW

        cases += every_cut(make, act, check)
    assert cases > 200, cases
