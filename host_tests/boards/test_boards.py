"""The boards, on fakes of their ports: devices, identity, watchdog, and a life with updates."""

import sys

from boards_kit import IDENTITY, KEY, NAMES, World, read
from fake_ports import Module, Reset
from fwboot import main
from fwcore import errors, errors_boot, manifest
from fwcore import layout as rules
from fwcore.manifest import version_word
from fwcore.state import IDLE, TRIAL, State
from fwcore.statement import digest_of
from helpers import here, raises
from ufota import trial
from ufota.client import Client
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import TEARS, Disk, PowerCut, every_cut
from update_kit import MANIFEST_URL, FakeSource, bundle, payload, signed

if sys.implementation.name == "cpython":
    from fwtool.signing import p256_tables
else:  # fwtool as a package is for the host only; this file of it is not
    sys.path.append(here("../tools/fwtool/signing"))
    import p256_tables

BOTH = True  # runs on CPython and on MicroPython
HEAP = "128M"  # chips of 8 MiB and more

OLD = 1, noise(600, 1)
V2, V3 = version_word("2.0.0"), version_word("3.0.0")
NEW, NEWER = (V2, payload("small")), (V3, payload("later"))
BUNDLES = {name: bundle(name) for name in ("small", "later")}
PORTS = ("RPI_PICO_W", "ESP32_GENERIC", "PYBV11", "MIMXRT1060_EVK")  # one of each
RP2 = ("RPI_PICO_W", "RPI_PICO2_W")


def update(world, name):
    """A board that fetches the image `name` and leaves it for the next boot."""
    client = Client(world.start(), FakeSource({MANIFEST_URL: BUNDLES[name]}))
    client.start(MANIFEST_URL)
    assert client.run()


def boot(world):
    """A reset: (Board, version and image it would start)."""
    board = world.start()
    return board, read(main.run(board))


def factory(name):
    """A board as it is sold: with an identity, and running OLD."""
    world = World(name)
    with world.ports():
        world.provision()
        world.factory(*OLD)
    return world


def literal(name):
    """LAYOUT of a file in boards/."""
    found = {}
    with open(here("../boards/" + name)) as file:
        exec(file.read(), found)
    return found["LAYOUT"]


# The whole life


def life(name):
    world = World(name)
    with world.ports():
        assert boot(world)[1] is None  # blank chips
        world.provision()
        world.factory(*OLD)
        assert boot(world)[1] == OLD
        update(world, "small")
        board, runs = boot(world)
        assert runs == NEW and State(board).phase == TRIAL
        assert trial.confirm(board) is True
        board, runs = boot(world)
        assert runs == NEW and State(board).phase == IDLE
        update(world, "later")
        for _ in range(3):  # never confirmed
            assert boot(world)[1] == NEWER
        board, runs = boot(world)
        assert runs == NEW and State(board).phase == IDLE
    assert world.hardware.fed > 0
    assert world.hardware.watched == world.layout["watchdog_ms"]


def test_life_of_a_pico_w():
    life("RPI_PICO_W")


def test_life_of_a_pico_2_w():
    life("RPI_PICO2_W")


def test_life_of_an_esp32():
    life("ESP32_GENERIC")


def test_life_of_an_esp32_s3():
    life("ESP32_GENERIC_S3")


def test_life_of_a_pyboard():
    life("PYBV11")


def test_life_of_a_nucleo():
    life("NUCLEO_F429ZI")


def test_life_of_a_mimxrt():
    life("MIMXRT1060_EVK")


def test_a_rejected_image_goes_back_at_once():
    for name in RP2 + ("ESP32_GENERIC",):
        world = factory(name)
        with world.ports():
            update(world, "small")
            board, runs = boot(world)
            assert runs == NEW
            trial.reject(board, 300)
            assert boot(world)[1] == OLD


def test_an_image_cut_while_it_comes_is_none_and_the_next_try_is():
    for name in ("RPI_PICO_W", "ESP32_GENERIC"):
        world = factory(name)
        with world.ports():
            client = Client(world.start(), FakeSource({MANIFEST_URL: BUNDLES["small"]}))
            client.start(MANIFEST_URL)
            world.power.reset()
            world.power.cut_at(6, "junk")
            dark = False
            try:
                client.run()
            except PowerCut:
                dark = True
            assert dark
            world.power.reset()
            assert boot(world)[1] == OLD
            update(world, "small")
            assert boot(world)[1] == NEW


def test_without_its_card_a_nucleo_runs_what_it_has():
    world = factory("NUCLEO_F429ZI")
    world.absent.add("sd")
    with world.ports():
        board, runs = boot(world)
        assert runs == OLD
        try:
            board.device("sd")
        except OSError:
            return
    raise AssertionError("there is no card")


# Identity


def test_identity_outlives_a_reset_on_every_port():
    for name in PORTS:
        world = World(name)
        with world.ports():
            board = world.start()
            assert board.rot() is None
            assert (board.vendor_id, board.class_id) == (b"", b"")
            world.provision()
            board = world.start()
            assert board.rot() == IDENTITY[b"rot"]
            assert board.vendor_id == IDENTITY[b"vendor_id"]
            assert board.class_id == IDENTITY[b"class_id"]
            assert board.store().keys() == sorted(IDENTITY)


def test_before_provisioning_there_is_no_key():
    for name in PORTS:
        for asked in (False, True):
            world = World(name, signed=asked)
            with world.ports():
                board = world.start()
                raises(errors_boot.NO_KEY, board.key)
                board.store().put(b"key", b"\x00")
                raises(errors.BAD_KEY, board.key)
                world.provision()
                assert world.start().key()


def statement(board):
    """Digest and signature of the statement of "later"."""
    found = manifest.read(memoryview(signed("later")), board.key().verify)
    head = found.version, found.installed_size, found.installed_digest
    return digest_of(board, found.component, head), found.image_signature


def test_a_key_verifies_and_feeds_the_watchdog_meanwhile():
    for name in PORTS:
        world = World(name)
        with world.ports():
            world.provision()
            board = world.start()
            digest, signature = statement(board)
            board.watchdog(8000)
            fed = world.hardware.fed
            assert board.key().verify(digest, signature) is True
            assert world.hardware.fed - fed > 200  # once a round
            assert board.key().verify(digest, bytes(64)) is False


def frozen_key(tables=None):
    """What `fwtool` makes of a key for a firmware: maker_key.py."""
    tables = tables or p256_tables.tables(KEY)
    return Module(TABLES=tables, VENDOR_ID=b"vendor-of-tests!", CLASS_ID=b"class--of--tests")


def test_a_key_for_every_start_is_the_frozen_one_whatever_the_store_has():
    """An application can write the store."""
    for name in PORTS:
        world = World(name, signed="start")
        world.hardware.more["maker_key"] = frozen_key()
        with world.ports():
            world.provision()
            store = world.start().store()
            store.put(b"key", another_point())
            store.put(b"vendor_id", b"another vendor!!")
            store.put(b"class_id", b"another class!!!")
            board = world.start()
            assert (board.vendor_id, board.class_id) == (b"vendor-of-tests!", b"class--of--tests")
            digest, signature = statement(board)
            board.watchdog(8000)
            fed = world.hardware.fed
            assert board.key().verify(digest, signature) is True
            assert world.hardware.fed - fed == 52
            assert board.key() is board.key()


def another_point():
    """Somebody's public key: the curve's generator."""
    return bytes.fromhex(
        "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    )


def test_a_key_for_every_start_needs_nothing_of_the_store():
    world = World("RPI_PICO_W", signed="start")
    world.hardware.more["maker_key"] = frozen_key()
    with world.ports():
        assert world.start().key()  # not provisioned
    world.hardware.more["maker_key"] = frozen_key(p256_tables.tables(KEY)[:-1])
    with world.ports():
        raises(errors.BAD_KEY, world.start().key)


def test_without_a_frozen_key_nothing_of_the_store_is_taken():
    for name in PORTS:
        world = World(name, signed="start")
        with world.ports():
            world.provision()
            board = world.start()
            for ask in (board.key, lambda b=board: b.vendor_id, lambda b=board: b.class_id):
                try:
                    ask()
                except ImportError:
                    continue
                raise AssertionError("took what the store has")


def test_a_store_in_nvs_that_cannot_be_read_is_an_error_and_no_empty_one():
    world = World("ESP32_GENERIC")
    with world.ports():
        world.provision()
        for number in (-0x1101, -0x110C, -0x1103, 5):
            world.hardware.nvs_error = number
            for ask in (lambda: world.start().rot(), lambda: world.start().key()):
                try:
                    ask()
                except OSError as error:
                    assert error.errno == number
                    continue
                raise AssertionError("taken for an empty one")
        world.hardware.nvs_error = -0x1102  # not found
        assert world.start().rot() is None
        raises(errors_boot.NO_KEY, world.start().key)
        world.hardware.nvs_error = 0
        assert world.start().rot() == IDENTITY[b"rot"] and world.start().key()


def test_a_cut_while_an_identity_is_written_leaves_the_old_or_the_new_one():
    counts = []
    for name in ("RPI_PICO_W", "PYBV11"):

        def make(name=name):
            world = World(name)
            with world.ports():
                world.start().store().put(b"rot", b"old" * 5 + b"!")
            return world

        def act(world):
            with world.ports():
                world.start().store().put(b"rot", b"new" * 5 + b"!")

        def check(world):
            with world.ports():
                assert world.start().rot() in (b"old" * 5 + b"!", b"new" * 5 + b"!")
                world.provision()
                assert world.start().rot() == IDENTITY[b"rot"]

        counts.append(every_cut(make, act, check, TEARS))
    # Erase, record, commit, wipe, seal. A sector has no erase of its own, but is erased and
    # programmed whole for each of the other four.
    assert counts == [3 * 5, 3 * 4 * (1 + 32)]


# Devices


def test_a_board_is_where_its_layout_and_its_check_say():
    for name in NAMES:
        world = World(name)
        rules.check(world.layout)
        with world.ports():
            board = world.start()
            for device in world.layout["devices"]:
                found = board.device(device)
                spec = world.layout["devices"][device]
                assert found.ioctl(4, 0) * found.ioctl(5, 0) == spec["size"]
                assert spec["erase"] % found.ioctl(5, 0) == 0
                assert board.device(device) is found


def test_chips_are_opened_on_the_pins_that_the_readme_names():
    for name, pins in (
        ("PYBV11", [(2, "Y5")]),
        ("NUCLEO_F429ZI", [(1, "PA4"), (4, "PE4")]),
    ):
        world = World(name)
        with world.ports():
            board = world.start()
            for device in ("spi", "sd"):
                if device in world.layout["devices"]:
                    board.device(device)
        assert world.hardware.pins == pins
    chips = {"spi": {"size": 0x800000, "erase": 4096, "program": 256}}
    chips["sd"] = {"size": 0x10000, "erase": 512, "program": 512, "overwrite": True}
    for name, device, pins in (
        ("RPI_PICO_W", "spi", (0, 17)),
        ("RPI_PICO_W", "sd", (1, 13)),
        ("ESP32_GENERIC", "spi", (2, 5)),
        ("ESP32_GENERIC_S3", "spi", (2, 10)),
    ):
        world = World(name, devices=chips)
        with world.ports():
            world.start().device(device)
        assert world.hardware.pins == [pins]


def test_an_esp32_updates_its_firmware():
    world = World("ESP32_GENERIC")
    factory_disk = world.hardware.disk
    other = Disk(8 << 12, 4096, 16, power=world.power, name="ota_1")
    world.hardware.disk = lambda name: other if name == "ota_1" else factory_disk(name)
    with world.ports():
        board = world.start()
        target = board.systems["SYSTEM"]
        assert (
            target.version() == version_word(board.FIRMWARE) and target is board.systems["SYSTEM"]
        )
        assert target.slot().fits(8 << 12) and not target.slot().fits((8 << 12) + 1)
        target.install(1)
        assert world.hardware.boots == "ota_1"


def test_a_partition_that_is_not_in_the_table_is_an_oserror():
    world = World("ESP32_GENERIC")
    world.absent.add("ufota")
    with world.ports():
        try:
            world.start().device("ufota")
        except OSError:
            return
    raise AssertionError("found")


def test_a_flash_that_fails_answers_with_a_number():
    for name in ("ESP32_GENERIC", "MIMXRT1060_EVK"):
        world = World(name)
        with world.ports():
            flash = world.start().device(world.layout["active"]["device"])
            for act in (
                lambda flash=flash: flash.ioctl(6, 1),
                lambda flash=flash: flash.writeblocks(2, bytearray(256), 0),
            ):
                world.power.reset()
                world.power.fail_at(1)
                assert act() < 0


def test_what_a_pyboard_writes_is_in_flash_when_the_call_returns():
    world = World("PYBV11")
    with world.ports():
        flash = world.start().device("flash")
        assert flash.writeblocks(33, noise(512, 1)) == 0
    assert world.disks["flash"].data[33 * 512 : 34 * 512] == noise(512, 1)


def test_an_identity_in_sectors_has_a_sector_for_each_bank():
    for name in ("PYBV11", "NUCLEO_F429ZI"):
        region = World(name).layout["regions"]["identity"]
        assert region["start"] % 0x4000 == 0 and region["size"] == 3 * 0x4000


# Watchdog and reset


def test_any_board_object_feeds_the_watchdog_that_one_started():
    for name in PORTS:
        world = World(name)
        with world.ports():
            board = world.start()
            board.feed()  # none runs
            assert world.hardware.fed == 0
            board.watchdog(4321)
            world._module.Board().feed()
            assert (world.hardware.watched, world.hardware.fed) == (4321, 1)


def watched(world):
    """A board as main.py makes it: the watchdog runs before anything is asked."""
    board = world.start()
    board.watchdog(world.layout["watchdog_ms"])
    return board


def test_all_board_objects_have_one_store():
    """What one has put, another one's put does not undo."""
    for name in PORTS:
        world = World(name)
        with world.ports():
            one = world.start()
            assert one.store().get(b"rot") is None
            other = world._module.Board()
            for key in sorted(IDENTITY):
                other.store().put(key, IDENTITY[key])
            one.store().put(b"floor", b"\x07")
            assert world.start().rot() == IDENTITY[b"rot"]


def test_a_store_of_modules_that_were_dropped_is_not_used():
    """The application's board reads it anew: the boot stage's modules would stay in the heap."""
    for name in ("RPI_PICO_W", "PYBV11", "MIMXRT1060_EVK"):  # the store of an ESP32 is its NVS
        world = World(name)
        with world.ports():
            before = world.start().store()
            assert world._module.Board().store() is before
            kept = sys.modules.pop("fwcore.kv")
            try:
                assert world._module.Board().store() is not before
            finally:
                sys.modules["fwcore.kv"] = kept


def test_hung_is_true_after_the_watchdog_only():
    for name in NAMES:
        world = World(name)
        with world.ports():
            assert watched(world).hung() is False
            world.hardware.bite()
            assert watched(world).hung() is True
            assert world._module.Board().hung() is True  # of an application, made later
            world.hardware.cut()
            assert watched(world).hung() is False


def test_a_reset_by_hand_is_no_hang():
    """On rp2 machine.reset() is the watchdog's work, too, and its start hides whose it was."""
    for name in NAMES:
        world = World(name)
        with world.ports():
            for board in (world.start(), watched(world)):
                try:
                    board.reset()
                except Reset:
                    pass
                assert watched(world).hung() is False, name


def test_a_crash_is_no_hang():
    """What a stage records of an image that crashed is not made a hang by the next start."""
    world = factory("RPI_PICO_W")
    with world.ports():
        update(world, "small")
        for _ in range(3):
            board = watched(world)
            assert read(main.run(board)) == NEW
            state = State(board)
            state.reason = errors_boot.CRASHED  # as stage.py does it
            state.put()
            try:
                board.reset()
            except Reset:
                pass
        board = watched(world)
        assert read(main.run(board)) == OLD
        assert trial.last_result(board).reason == errors_boot.CRASHED


def test_a_reset_waits_for_a_ctrl_c_and_feeds_meanwhile():
    world = World("RPI_PICO_W")
    with world.ports():
        board = world.start()
        board.watchdog(8000)
        began = world.clock.now
        try:
            board.reset()
        except Reset:
            took = world.clock.now - began
    assert took == 3000
    assert world.hardware.fed == 30


def test_a_hang_on_trial_is_told_as_the_reason():
    world = factory("ESP32_GENERIC")
    with world.ports():
        update(world, "small")
        assert boot(world)[1] == NEW
        world.hardware.cause = world.hardware.WDT
        for _ in range(3):
            board, runs = boot(world)
        assert runs == OLD
        assert State(board).reason == errors_boot.HUNG


def test_flash_is_mapped_where_the_port_has_it_mapped():
    for name in NAMES:
        world = World(name)
        with world.ports():
            for port in ("rp2", "mimxrt"):
                sys.modules[port].Flash = lambda world=world: world.disks["flash"].data
            assert world.start().mapped("spi") is None
            whole = world.start().mapped("flash")
            if name in RP2 + ("MIMXRT1060_EVK",):
                world.disks["flash"].data[0x9000] = 7
                assert whole[0x9000] == 7  # no copy
                assert len(whole) == world.layout["devices"]["flash"]["size"]
            else:
                assert whole is None


def test_user_files_are_mounted_once_where_nothing_is_frozen():
    """There the port's _boot.py has mounted the partition, and with it came flashbdev."""
    world = World("ESP32_GENERIC")
    with world.ports():
        sys.modules["flashbdev"] = sys
        try:
            world.start().mount_user()
        finally:
            del sys.modules["flashbdev"]
    assert "vfs" not in world.disks.made


def test_all_on_one_chip_where_nothing_is_frozen():
    layout = literal("common/layout_chip.py")
    rules.check(layout)
    for name in ("RPI_PICO_W", "PYBV11", "NUCLEO_F429ZI"):
        world = World(name, **layout)
        with world.ports():
            world.provision()
            world.factory(*OLD)
            update(world, "small")
            board, runs = boot(world)
            assert runs == NEW and board.rot() == IDENTITY[b"rot"]
        assert list(world.disks.made) == ["spi"]
