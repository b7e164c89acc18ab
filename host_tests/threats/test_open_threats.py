"""Attacks that docs/THREATS.md calls open or limited, played: this is what they gain today.

A test here goes red when its attack is stopped or its limit moves; then its row is to be
written anew. What is stopped is played where it belongs, in the folders of the packages.
"""

from hashlib import sha256

from cryptolib import aes

from alibaba_kit import Cloud
from alibaba_kit import Device as AlibabaDevice
from fwboot import main
from fwboot.handover import Window
from fwcore import errors, errors_net
from fwcore.manifest import version_word
from fwcore.state import NO_SIGNATURE, State
from fwcore.statement import digest_of
from helpers import raises
from test_boot_attacks import ROGUE, OnChip, genuine, rogue_worlds
from test_firmware_targets import esp_board, install, start
from test_hawkbit import HERE, World
from test_payload import fetch, simple
from trial_kit import NEW, OLD, WORLDS, device, head_of, offer
from ufota import trial
from ufota.client import Client
from ufota.decoders.decrypt import unwrap
from ufota.update.writer import UpdateWriter
from ufota_testkit.simboard import active_slot, candidate_slots, put
from update_kit import (
    AFTER,
    CLASS_KEY,
    MANIFEST_URL,
    FakeSource,
    bundle,
    payload,
    running,
    setup,
    signed,
    staged,
    update,
)

BOTH = True  # runs on CPython and on MicroPython

V2 = version_word("2.0.0")


# Network, and a server that was taken over


def test_freeze():
    """3.0.0 is out; who answers for the server gives 2.0.0, which runs, for ever."""
    board, _source, machine = setup({MANIFEST_URL: bundle("two")})
    put(board, active_slot(board), V2, payload("two"))
    for _ in range(400):
        machine.start(MANIFEST_URL)
        raises(errors.NOT_NEWER, machine.run)  # as from an honest server without news
    assert board.power.ops == 0


def test_superseded_release():
    """3.0.0 is out, and mends 2.0.0; who answers for the server gives 2.0.0 to a device on 1."""
    made = setup({MANIFEST_URL: bundle("two")})
    assert update(made)
    assert staged(made[0])[0][0] == V2


def test_mix_and_match():
    """Released together: firmware and application 2.0.0, then both 3.0.0."""
    board, chip = esp_board()
    install(board, chip, "system_three")
    start(board, chip)
    trial.confirm(board)
    assert UpdateWriter(board).begin(signed("small")).version == V2
    # An application that names the firmware it needs is kept out until that is there.
    board, _chip = esp_board()
    raises(errors_net.NEEDS, UpdateWriter(board).begin, signed("needs_system"))


def test_job_after_job():
    """A service was taken over, and names another action or job each time."""
    good = bundle("small")
    garbage = good[:-1] + bytes((good[-1] ^ 1,))
    world = World()
    world.server.files["/image.fw"] = garbage
    fetched = []
    for number in range(9):
        world.server.deploy(str(number), HERE)
        world.hawkbit.pace.notify()  # the server sets the interval, of a second at least
        before = world.power.ops
        assert world.client.poll()
        raises(errors.CORRUPT, world.client.run)
        fetched.append(world.power.ops - before)
    assert min(fetched) > len(payload("small")) // 512
    cloud = Cloud(garbage)
    device = AlibabaDevice(cloud)
    for number in range(9):
        cloud.push(version="2.0.%d" % number)
        before, now_ms = device.board.power.ops, device.clock.now_ms
        assert device.update().code == errors.CORRUPT
        assert device.board.power.ops > before and device.clock.now_ms - now_ms < 1000


# Card and chip


def test_image_at_rest_is_read():
    """An encrypted bundle; the slot on the card has the image in clear."""
    board = simple("sd")
    card = board.disks["sd"]
    assert AFTER[200:300] not in bundle("packed_encrypted")
    fetch(board, "packed_encrypted")
    assert AFTER in bytes(card.data)


def test_chip_changes_after_the_last_hash():
    """Another chip answers when the file system reads what the boot stage has verified."""
    on_chip = OnChip()
    image = main.run(on_chip.board)
    window = Window(image.slot.storage, image.slot.body_at, image.head.size, 128)
    buf = bytearray(128)
    assert window.readblocks(0, buf) == 0 and buf == OLD[:128]
    on_chip.board.disks["flash"].load(image.slot.body_at, ROGUE[:128])
    assert window.readblocks(0, buf) == 0 and buf == ROGUE[:128]
    assert genuine(on_chip.board, ()) is None  # not at the next start


def test_card_that_an_image_runs_from_changes():
    """In direct mode one of the two slots may be on a card."""
    board = device("direct", "sd", signed=True)
    main.run(board)
    offer(board, 2)
    image = main.run(board)
    window = Window(image.slot.storage, image.slot.body_at, image.head.size, 512)
    board.disks["sd"].load(image.slot.body_at, ROGUE[:512])
    buf = bytearray(512)
    assert image.head.version == 2 and window.readblocks(0, buf) == 0 and buf == ROGUE[:512]
    assert genuine(board, (OLD,)).head.version == 1


def test_chip_copy_between_two_confirms():
    """It undoes a verdict: an image that was rejected here may be offered once more."""
    on_chip = OnChip()
    board = on_chip.board
    before = on_chip.copy()
    head = offer(board, 2)
    assert main.run(board).head.version == 2
    trial.reject(board, 300)
    assert main.run(board).head.version == 1 and State(board).is_bad(head.digest)
    on_chip.write_back(before)
    assert main.run(board).head.version == 1 and not State(board).is_bad(head.digest)
    assert State(board).floor == 1  # which the copy does not lower


def test_arm_signature_binds_no_version():
    """With another header an old image of the maker is a new one; one of nobody is none."""
    for mode, kind in WORLDS:
        board = device(mode, kind, floor=5, signed=True, arm_signature=True)
        for image in OLD, ROGUE:
            good = board.key().sign(sha256(OLD).digest())
            put(board, active_slot(board), 9, image, good)
            found = main.run(board)
            assert (found and found.head.version) == (9 if image is OLD else None), mode


# Keys


def test_class_key_of_one_device():
    """It opens payloads of the whole class, and makes none that a device takes."""
    genuine_payload = payload("packed_encrypted")
    key = unwrap(CLASS_KEY, genuine_payload[:24])
    iv, blocks = genuine_payload[24:40], genuine_payload[40:]
    plain = aes(key, 2, iv).decrypt(blocks)
    assert plain[: len(AFTER)] == AFTER
    forged = b"ROGUE " + plain[6:]
    pages = {MANIFEST_URL: signed("packed_encrypted") + genuine_payload[:40]}
    pages[MANIFEST_URL] += aes(key, 2, iv).encrypt(forged)
    board = simple("sd")
    before = running(board)
    machine = Client(board, FakeSource(pages))
    machine.start(MANIFEST_URL)
    raises(errors.CORRUPT, machine.run)
    assert staged(board) == [(0, None)] and running(board) == before


# Code on the device


def test_code_records_an_image_of_its_own():
    """With `signed: True` it reads the root of trust, and records what nobody signed."""
    for _, board in rogue_worlds():
        slot = State(board).active_slot(board)[0]
        head = put(board, slot, 9, ROGUE, NO_SIGNATURE)
        state = State(board)
        state.remember(digest_of(board, "MAIN", head))
        state.put()
        assert main.run(board).head.digest == sha256(ROGUE).digest()


def test_code_lowers_the_floor():
    """With `signed: "start"` an old image of the maker starts again; one of its own does not."""
    board = device("direct", "flash", floor=2, signed="start")
    assert main.run(board) is None
    state = State(board)
    state.floor = 0
    state.put()
    assert main.run(board).head.version == 1
    put(board, State(board).active_slot(board)[0], 9, ROGUE, NO_SIGNATURE)
    assert main.run(board) is None


def test_root_of_trust_of_one_device():
    """With it a candidate of that device has a good MAC. It is not started without the maker."""
    for _, board in rogue_worlds():
        for slot in candidate_slots(board):
            put(board, slot, 9, NEW, NO_SIGNATURE)
        offer(board, 9, NEW, signature=NO_SIGNATURE)
        for _ in range(3):
            assert main.run(board).head == head_of(1, OLD)
