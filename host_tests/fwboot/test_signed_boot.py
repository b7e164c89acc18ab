"""With `signed` in the layout nothing is copied or started that the maker did not sign.

A client that was taken over has the device's root of trust, its card and its state, but not
the maker's key.
"""

from hashlib import sha256

from fwboot import main
from fwcore import errors, header
from fwcore.errors import FwError
from fwcore.p256 import PublicKey
from fwcore.regions import has_room
from fwcore.state import BACK, CONFIRMED, FORWARD, IDLE, NO_SIGNATURE, REFUSED, TRIAL, State
from helpers import vectors
from images import load
from trial_kit import (
    NEW,
    OLD,
    WORLDS,
    boot,
    head_of,
    idle,
    no_boot,
    offer,
    quiet,
    spoil,
)
from ufota import trial
from ufota_testkit.simboard import (
    Board,
    active_slot,
    candidate_slots,
    make,
    put,
    read,
    trial_layout,
)

BOTH = True  # runs on CPython and on MicroPython

MAKER = b"maker"


def signed(image, by=MAKER):
    digest = sha256(image).digest()
    return sha256(by + digest).digest() + sha256(digest + by).digest()


class Key:
    """Stands for the maker's public key."""

    asked = 0

    def verify(self, digest, signature):
        self.asked += 1
        return signature == sha256(MAKER + digest).digest() + sha256(digest + MAKER).digest()


def device(mode, kind, room=True, **more):
    """A Board that wants signatures. room: its pages hold one behind a header."""
    map = trial_layout(mode, kind, signed=True, **more)
    if not room:
        map["devices"][kind]["program"] = 8
    board = Board(map, key=Key())
    put(board, active_slot(board), 1, OLD)
    return board


def sign(board, signature, location=0):
    """Put a signature where candidates have it: behind the header; True when there is room."""
    slot = State(board).candidate_slots(board)[location]
    if not has_room(slot):
        return False
    slot.storage.device.load(slot.header_at + header.EXTERNAL_SIZE, signature)
    return True


def offer_signed(board, signature, **more):
    """offer() with the signature behind the header, or else in the state alone."""
    head = offer(board, 2, signature=signature, **more)
    sign(board, signature, more.get("location", 0))
    return head


def worlds():
    for mode, kind in WORLDS:
        for room in (True, False):
            if room or (kind == "spi" and mode != "direct"):
                yield mode, kind, room


def test_the_page_of_a_header_has_room_or_the_state_has():
    for mode, kind, room in worlds():
        board = device(mode, kind, room)
        assert has_room(candidate_slots(board)[0]) == (room and mode != "direct")


def test_what_the_maker_signed_comes_in():
    for mode, kind, room in worlds():
        board = device(mode, kind, room)
        offer_signed(board, signed(NEW))
        state = boot(board, 2)
        assert (state.phase, state.signature) == (TRIAL, signed(NEW))
        assert board.key().asked == 1
        trial.confirm(board)
        idle(board, 2, CONFIRMED)
        assert board.key().asked == 1  # nothing is verified at an ordinary start


def test_what_the_maker_did_not_sign_is_refused_before_any_copy():
    for mode, kind, room in worlds():
        for signature in (NO_SIGNATURE, b"\xff" * 64, signed(NEW, b"rogue"), signed(OLD)):
            board = device(mode, kind, room)
            offer_signed(board, signature)
            before = [bytes(disk.data) for disk in board.disks.values()]
            boot(board, 1)
            region = board.layout["state"]
            for disk, data in zip(board.disks.values(), before):
                if disk is board.disks["flash"]:
                    end = region["start"] + region["size"]
                    assert disk.data[: region["start"]] == data[: region["start"]]
                    assert disk.data[end:] == data[end:]
                else:
                    assert disk.data == data
            idle(board, 1, REFUSED, errors.BAD_SIGNATURE)


def test_a_signature_in_the_state_does_not_replace_one_behind_the_header():
    board = device("swap", "spi")
    offer(board, 2, signature=signed(NEW))
    boot(board, 1)
    idle(board, 1, REFUSED, errors.BAD_SIGNATURE)


def test_a_signature_in_the_state_is_of_the_image_it_came_with():
    board = device("swap", "spi", room=False)
    slot = candidate_slots(board)[0]
    put(board, slot, 2, NEW)
    state = State(board)
    state.new, state.signature = head_of(2, OLD), signed(OLD)
    state.put()
    spoil(active_slot(board))
    quiet(board, no_boot, board)
    state = State(board)
    state.new, state.signature = head_of(2, NEW), signed(NEW)
    state.put()
    boot(board, 2)


def test_a_candidate_comes_to_the_rescue_only_when_it_is_signed():
    for mode, kind, room in worlds():
        if mode == "direct" or not room:
            continue
        board = device(mode, kind)
        put(board, candidate_slots(board)[0], 2, NEW)
        spoil(active_slot(board))
        sign(board, signed(NEW, b"rogue"))
        quiet(board, no_boot, board)
        sign(board, signed(NEW))
        state = boot(board, 2)
        assert (state.phase, state.signature) == (TRIAL, signed(NEW))


def test_an_unsigned_image_in_the_other_slot_is_not_taken_unasked():
    board = device("direct", "spi")
    put(board, candidate_slots(board)[0], 2, NEW)
    idle(board, 1)
    offer_signed(board, signed(NEW))
    boot(board, 2)


def test_a_swap_a_rogue_says_is_under_way_does_not_go_on():
    for mode, kind, room in worlds():
        for signature in (NO_SIGNATURE, signed(NEW, b"rogue"), signed(OLD)):
            board = device(mode, kind, room)
            offer(board, 2, signature=signature)
            state = State(board)
            state.phase, state.old = FORWARD, head_of(1, OLD)
            state.put()
            before = bytes(active_slot(board).storage.device.data[: 3 * 512])
            boot(board, 1)
            assert active_slot(board).storage.device.data[: 3 * 512] == before
            state = idle(board, 1, 2, errors.BAD_SIGNATURE)
            assert state.is_bad(head_of(2, NEW).digest)


def test_a_swap_that_was_cut_goes_on_when_it_is_signed():
    for mode, kind, room in worlds():
        if mode == "direct":
            continue
        board = device(mode, kind, room)
        offer_signed(board, signed(NEW))
        board.power.reset()
        board.power.cut_at(90 if mode == "overwrite" and not room else 28, "half")
        try:
            main.run(board)
        except BaseException as error:
            assert type(error).__name__ == "PowerCut"
        board.power.reset()
        phase = State(board).phase
        boot(board, 2)
        assert board.key().asked == 2 or phase == TRIAL, (mode, kind, room, phase)


def test_without_a_usable_key_nothing_is_signed_and_the_active_image_runs():
    def bad_key():
        raise FwError(errors.BAD_KEY)

    def unreadable():
        raise OSError(5)

    for key in (bad_key, unreadable):
        for mode, kind, room in worlds():
            board = device(mode, kind, room)
            board.key = key
            offer_signed(board, signed(NEW))
            boot(board, 1)
            idle(board, 1, REFUSED, errors.BAD_SIGNATURE)
        board = simple(signed(NEW))
        board.key = key
        assert main.run(board).head.version == 1


def test_a_signature_that_cannot_be_read_is_no_crash():
    board = device("swap", "spi")
    offer_signed(board, signed(NEW))
    slot = candidate_slots(board)[0]
    board.disks["spi"].bad_blocks = {slot.header_at // 512}
    boot(board, 1)
    idle(board, 1, REFUSED, errors.READ_FAILED)


def test_layouts_that_ask_for_no_signature_ask_for_no_key():
    board = device("swap", "spi")
    board.layout["signed"] = False
    offer(board, 2)
    boot(board, 2)
    assert board.key().asked == 0


# Simple installation


def simple(signature, kind="spi"):
    board = make(kind, 2, Key())
    board.layout["signed"] = True
    slot = candidate_slots(board)[0]
    load(slot, 2, NEW)
    slot.storage.device.load(slot.header_at + header.EXTERNAL_SIZE, signature)
    return board


def test_simple_installation_asks_for_the_signature_too():
    for kind in ("spi", "sd"):
        board = simple(signed(NEW), kind)
        assert main.run(board).head.version == 2
        assert read(board, active_slot(board)) == (2, NEW)
        for signature in (NO_SIGNATURE, signed(NEW, b"rogue")):
            board = simple(signature, kind)
            ops = board.power.ops
            assert main.run(board).head.version == 1
            assert board.power.ops == ops
            assert "Update image signature check failed" in board.lines


def test_a_signature_is_not_looked_at_where_the_body_is_bad():
    board = simple(NO_SIGNATURE)
    spoil(candidate_slots(board)[0])
    assert main.run(board).head.version == 1
    assert "Update image integrity check failed" in board.lines
    assert board.key().asked == 0


def test_simple_installation_takes_the_best_that_is_signed():
    board = simple(signed(NEW))
    slot = candidate_slots(board)[1]
    load(slot, 3, OLD)
    assert main.run(board).head.version == 2


# The real curve


def test_a_p256_signature_is_verified_over_the_digest_of_the_image():
    group = vectors("wycheproof/ecdsa_secp256r1_sha256_p1363_test.json")["testGroups"][0]
    key = PublicKey(bytes.fromhex(group["publicKey"]["uncompressed"]))
    for case in group["tests"][:2]:
        image, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
        board = device("swap", "spi")
        board.key = lambda key=key: key
        offer(board, 2, image, signature=signature)
        sign(board, signature)
        found = main.run(board)
        assert found.head.version == (2 if case["result"] == "valid" else 1)
        assert State(board).phase == (TRIAL if case["result"] == "valid" else IDLE)
        assert BACK not in (State(board).phase,)
