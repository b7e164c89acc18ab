"""At each byte: a card is pulled, loses contact or hears a wrong bit, or the board is reset.

Whatever the call says is true, it ends soon, and the next one works.
"""

from bdev import errors
from ufota_testkit.chips.fake_sd import (
    BEYOND,
    BLOCK,
    BOUNCE,
    PULL,
    RESET,
    SDHC,
    SDSC2,
    SLOWEST,
    TYPICAL,
    Reset,
    Times,
)
from ufota_testkit.chips.wired_sd import Rig
from ufota_testkit.noise import noise

BOTH = True  # runs on CPython and on MicroPython
LONG = (
    "test_pulled_at_every_byte",
    "test_pulled_from_a_bus_whose_line_then_is_low",
    "test_pulled_while_a_slow_card_is_busy_or_searches",
    "test_power_lost_for_a_moment_at_every_byte",
    "test_a_bit_that_comes_wrong_at_any_byte_is_harmless_or_an_error",
    "test_a_reset_of_the_board_at_any_byte_leaves_a_card_that_starts",
)
FEW = 17  # the step of what `make test` has of these

OLD = noise(16 * BLOCK, 1)
NEW = noise(16 * BLOCK, 2)
FIRST = 3  # block of all transfers
QUICK = Times(access_us=2, gap_us=2, write_us=5, stop_us=5, ncr=1)
MOST_MS = 3500  # of any call, whatever happens to the card


def rig_of(times=QUICK):
    rig = Rig(SDSC2, 256, times)
    renew(rig)
    return rig


def renew(rig):
    rig.disk.data[: len(OLD)] = OLD


def read(card, count):
    """True when it says it is done, and then it is right."""
    buf = bytearray(count * BLOCK)
    done = card.readblocks(FIRST, buf) == 0
    assert not done or buf == OLD[FIRST * BLOCK : (FIRST + count) * BLOCK]
    return done


def write(card, count):
    return card.writeblocks(FIRST, memoryview(NEW)[: count * BLOCK]) == 0


# name: (function, blocks)
ACTS = {"read one": (read, 1), "read": (read, 3), "write one": (write, 1), "write": (write, 3)}


def act_reads(name):
    return ACTS[name][0] == read


def steps(name):
    """Every byte of one block; of many, where bytes repeat, every third."""
    return 1 if ACTS[name][1] == 1 else 3


def clocked(rig, act, count):
    """Bytes that the act takes when nothing happens."""
    card = rig.start()
    before = rig.bus.bytes
    assert act(card, count)
    renew(rig)
    return rig.bus.bytes - before


def honest(rig, act, count, done):
    """The disk holds old or new blocks; new ones when a write is done, and no others change."""
    data, start, new = rig.disk.data, FIRST * BLOCK, 0
    assert data[:start] == OLD[:start]
    if act == write:
        for at in range(0, count * BLOCK, BLOCK):
            block = data[start + at : start + at + BLOCK]
            if block == NEW[at : at + BLOCK]:
                assert new == at // BLOCK  # in their order
                new += 1
            else:
                assert block == OLD[start + at : start + at + BLOCK]
        assert new == count or not done
    rest = start + new * BLOCK
    assert data[rest : len(OLD)] == OLD[rest:]


def sweep(name, event, floats=0xFF, times=QUICK, step=1):
    """Let it happen at each byte of an act; returns (cases, those that were done all the same)."""
    act, count = ACTS[name]
    rig = rig_of(times)
    rig.socket.floats = floats
    length = clocked(rig, act, count)
    card, outlived = rig.start(), 0
    for at in range(0, length, step):
        renew(rig)
        rig.socket.event, rig.socket.event_in = event, at
        card.error = 0, 0
        done, ms = rig.took_ms(act, card, count)
        assert ms < MOST_MS and rig.cs() == 1, (at, ms)
        assert done or card.error[0], at
        honest(rig, act, count, done)
        outlived += done
        if event == PULL:
            if at % 16 == 0:
                result, ms = rig.took_ms(act, card, count)
                assert result is False and ms < MOST_MS, (at, ms)
            rig.socket.insert(rig.card)
        renew(rig)
        if not act(card, count):  # all was done before: only now it is found out
            assert done, at
            assert act(card, count), (at, card.error)
        assert card.error[0] == errors.CARD_BACK, (at, card.error)
    return length, outlived


def test_pulled_or_without_power_at_a_share_of_the_bytes():
    for name in ACTS:
        for event, floats, times in (
            (PULL, 0xFF, QUICK),
            (PULL, 0x00, QUICK),
            (PULL, 0xFF, TYPICAL),
            (BOUNCE, 0xFF, QUICK),
        ):
            length, outlived = sweep(name, event, floats, times, FEW)
            assert length > 520 and outlived <= 1 + length // 520, (name, event, outlived)


def test_pulled_at_every_byte():
    for name in ACTS:
        length, outlived = sweep(name, PULL)
        # Only when the last answer is out.
        assert length > 520 and outlived <= 3, (name, length, outlived)


def test_pulled_from_a_bus_whose_line_then_is_low():
    for name in ACTS:  # at one byte of a read of one, what follows is a block of zeros
        length, outlived = sweep(name, PULL, 0x00, QUICK, 1 if name == "read one" else 5)
        assert length > 520 and outlived <= 3, (name, length, outlived)


def test_pulled_while_a_slow_card_is_busy_or_searches():
    for name in ACTS:
        length, outlived = sweep(name, PULL, 0xFF, TYPICAL, 11)
        assert outlived <= 1, (name, length, outlived)


def test_power_lost_for_a_moment_at_every_byte():
    for name in ACTS:
        length, outlived = sweep(name, BOUNCE)
        assert length > 520 and outlived <= 8, (name, length, outlived)


def test_pulled_at_every_byte_of_a_start():
    for floats in (0xFF, 0x00):
        rig = rig_of()
        rig.socket.floats = floats
        rig.start()
        length = rig.bus.bytes
        assert length > 140
        for event in (PULL, BOUNCE):
            for at in range(length):
                rig = rig_of()
                rig.socket.floats = floats
                rig.socket.event, rig.socket.event_in = event, at
                result, ms = rig.took_ms(rig.start)
                assert ms < MOST_MS
                if isinstance(result, OSError):
                    assert result.args[0] > 0 and result.args[1] >= 130, result
                else:  # pulled after all was known; bounced before it was asked anything
                    assert at >= length - 3 or event == BOUNCE and at < 20, at
                rig.socket.insert(rig.card)
                assert read(rig.start(), 2)


def flipped(name, way, step, bits):
    """Flip a bit of each byte of an act; returns (cases, those that were done all the same)."""
    act, count = ACTS[name]
    rig = rig_of()
    length = clocked(rig, act, count)
    card, cases, outlived = rig.start(), 0, 0
    for at in range(0, length, step):
        for bit in bits:
            renew(rig)
            rig.socket.bit = bit
            setattr(rig.socket, way, at)
            card.error = 0, 0
            done, ms = rig.took_ms(act, card, count)
            assert ms < MOST_MS, (at, bit, ms)
            assert done or card.error[0], at
            honest(rig, act, count, done)
            setattr(rig.socket, way, None)
            renew(rig)
            assert act(card, count) or act(card, count), (at, bit, card.error)
            cases += 1
            outlived += done
    return cases, outlived


def test_a_bit_that_comes_wrong_at_a_share_of_the_bytes_is_harmless_or_an_error():
    for way in ("flip_out", "flip_in"):
        for name in ACTS:
            cases, outlived = flipped(name, way, FEW, (4,))
            looked_at = (way == "flip_out") == act_reads(name)
            assert cases > 30 and (outlived <= cases // 10 + 1 or not looked_at), (
                way,
                name,
                cases,
                outlived,
            )


def test_a_bit_that_comes_wrong_at_any_byte_is_harmless_or_an_error():
    for way in ("flip_out", "flip_in"):
        for name in ACTS:
            if (way == "flip_out") != act_reads(name):
                flipped(name, way, 7, (4,))
                continue
            cases, outlived = flipped(name, way, steps(name), (4,))
            # What nobody looks at: clocks without a meaning, most of them before a command.
            assert cases > 520 and outlived < 50, (way, name, cases, outlived)


def test_any_bit_of_a_command_an_answer_or_a_token():
    for way in ("flip_out", "flip_in"):
        for name in ("read one", "write one"):
            act, count = ACTS[name]
            rig = rig_of()
            card, done = rig.start(), 0
            for at in list(range(24)) + list(range(515, 535)):
                for bit in range(8):
                    renew(rig)
                    rig.socket.bit = bit
                    setattr(rig.socket, way, at)
                    done = act(card, count)
                    honest(rig, act, count, done)
                    setattr(rig.socket, way, None)
                    renew(rig)
                    assert act(card, count) or act(card, count), (at, bit, card.error)


def test_a_rejected_write_whose_response_is_flipped_into_accepted_is_found_by_the_status():
    rig = rig_of()
    card = rig.start()
    found = 0
    for at in range(520, 545):
        rig.card.responses = [0x0D]
        rig.socket.bit, rig.socket.flip_out = 3, at
        assert not write(card, 1), at
        found += card.error[0] == errors.STATUS
        rig.socket.flip_out = None
    assert found == 1


def test_a_start_that_hears_wrong_is_an_error_or_right():
    for way in ("flip_out", "flip_in"):
        rig = rig_of()
        rig.start()
        for at in range(rig.socket.bytes):
            rig = rig_of()
            rig.socket.bit = at % 8
            setattr(rig.socket, way, at)
            result, ms = rig.took_ms(rig.start)
            assert ms < MOST_MS, (at, ms)
            if not isinstance(result, OSError):
                assert result.count == 256
                assert read(result, 2)
            setattr(rig.socket, way, None)
            assert read(rig.start(), 2)


def test_a_reset_of_the_board_at_a_share_of_the_bytes_leaves_a_card_that_starts():
    for name in ACTS:
        resets(name, FEW)


def test_a_reset_of_the_board_at_any_byte_leaves_a_card_that_starts():
    for name in ACTS:
        resets(name, steps(name))


def resets(name, step):
    """The card still waits for the rest of a block, a token or a stop, or goes on sending."""
    act, count = ACTS[name]
    rig = rig_of()
    for at in range(0, clocked(rig, act, count), step):
        renew(rig)
        card = rig.start()
        rig.socket.event, rig.socket.event_in = RESET, at
        try:
            act(card, count)
            raise AssertionError("no reset")
        except Reset:
            pass
        honest(rig, act, count, False)
        rig.connect()
        card, ms = rig.took_ms(rig.start)
        assert not isinstance(card, OSError), (name, at, card)
        assert ms < 600, (at, ms)
        honest(rig, act, count, False)  # nothing was written by starting it
        assert act(card, count)


def test_a_reset_while_the_slowest_card_is_busy():
    for times, most in ((SLOWEST, 3000), (BEYOND, 9000)):
        rig = Rig(SDHC, 1024, times)
        for at in (0, 6, 20, 300, 560, 575, 640):
            rig.socket.event, rig.socket.event_in = RESET, at
            try:
                rig.start().writeblocks(0, OLD[: 3 * BLOCK])
            except Reset:
                pass
            rig.connect()
            rig.socket.event = None
            card, ms = rig.took_ms(rig.start)
            assert not isinstance(card, OSError) and ms < most, (at, card, ms)
            assert card.writeblocks(0, OLD[: 3 * BLOCK]) == 0


def test_a_busy_card_is_waited_for_by_the_start_that_follows_a_reset():
    for count, places in ((1, (545, 560, 580)), (3, (545, 560, 1200))):
        for at in places:
            rig = Rig(SDHC, 1024, BEYOND)
            card = rig.start()
            rig.socket.event, rig.socket.event_in = RESET, at
            try:
                write(card, count)
                raise AssertionError("no reset")
            except Reset:
                pass
            rig.connect()
            card, ms = rig.took_ms(rig.start)
            assert not isinstance(card, OSError) and ms < 9000, (at, card, ms)
            assert not rig.card.illegal and write(card, count)


def test_a_reset_in_a_write_of_a_card_without_crc_spoils_one_block_at_most():
    """It takes what ends its write for the rest of the block: torn, as by a power cut."""
    spoilt = 0
    for name in ("write one", "write"):
        act, count = ACTS[name]
        rig = rig_of()
        rig.card.refused = (59,)
        for at in range(0, clocked(rig, act, count), FEW):
            renew(rig)
            card = rig.start()
            assert card.crc is False
            rig.socket.event, rig.socket.event_in = RESET, at
            try:
                act(card, count)
                raise AssertionError("no reset")
            except Reset:
                pass
            rig.connect()
            card, ms = rig.took_ms(rig.start)
            assert not isinstance(card, OSError) and ms < 700, (name, at, card, ms)
            data, torn = rig.disk.data, 0
            for block in range(16):
                here = data[block * BLOCK : (block + 1) * BLOCK]
                new = NEW[(block - FIRST) * BLOCK :][:BLOCK] if block >= FIRST else b""
                torn += here not in (OLD[block * BLOCK : (block + 1) * BLOCK], new)
                assert block in range(FIRST, FIRST + count) or here != new
            assert torn <= 1, (name, at)
            spoilt += torn
            assert act(card, count)
    assert spoilt
