"""The fake NOR chip does what data sheets say, and records what no driver may do.

Spoken to in bytes, without the driver: a fake that forgives would hide the driver's errors.
"""

from ufota_testkit.chips.fake_nor import KINDS, FakeNor, Kind
from ufota_testkit.chips.fake_spi import Bus, Clock
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import ALL, Power, PowerCut, Violation

BOTH = True  # runs on CPython and on MicroPython

SIZE = 128 * 1024
READ, PROGRAM, SECTOR, BLOCK_32, BLOCK = 0x03, 0x02, 0x20, 0x52, 0xD8


class Talk:
    """A chip, and commands to it as bytes."""

    def __init__(self, kind="W25Q128JV", **options):
        self.clock = Clock()
        self.chip = FakeNor(self.clock, kind, size=SIZE, **options)
        self.bus = Bus(self.clock, self.chip)
        self.cs = self.bus.pin(self.chip)

    def say(self, *head, data=b"", count=0):
        """One command; returns `count` bytes of answer."""
        answer = bytearray(count)
        self.cs(0)
        try:
            self.bus.write(bytes(head))
            if data:
                self.bus.write(data)
            if count:
                self.bus.readinto(answer)
        finally:
            self.cs(1)
        return bytes(answer)

    def at(self, op, at, data=b"", count=0, width=3):
        return self.say(*([op] + list(at.to_bytes(width, "big"))), data=data, count=count)

    def status(self):
        return self.say(0x05, count=1)[0]

    def change(self, op, at, data=b"", width=3):
        """WREN and a command that changes the array; returns how long it is busy, in us."""
        self.say(0x06)
        self.at(op, at, data, width=width)
        start = self.clock.now_ns
        while self.status() & 1:
            self.clock.sleep_us(10 if op == PROGRAM else 1000)
        return (self.clock.now_ns - start) // 1000


def test_ids_repeat_and_tables_begin_with_their_name():
    talk = Talk()
    assert talk.say(0x9F, count=7) == b"\xef\x40\x18\xef\x40\x18\xef"
    assert talk.say(0x5A, 0, 0, 0, 0, count=8) == b"SFDP\x06\x01\0\xff"
    assert talk.say(0x5A, 0, 0, 2, 0, count=4) == b"DP\x06\x01"
    assert Talk("W25X40").say(0x5A, 0, 0, 0, 0, count=4) == b"\xff" * 4


def test_programming_clears_bits_and_wraps_in_its_page():
    talk = Talk()
    talk.change(PROGRAM, 0x1F0, b"\x0f" * 4)
    talk.change(PROGRAM, 0x1F2, b"\x3c" * 4)
    assert talk.chip.data[0x1F0:0x1F6] == b"\x0f\x0f\x0c\x0c\x3c\x3c" and not talk.chip.illegal
    talk.change(PROGRAM, 0x2FE, b"abcd")
    assert talk.chip.data[0x2FE:0x300] == b"ab" and talk.chip.data[0x200:0x202] == b"cd"
    assert talk.chip.illegal == ["page wraps"]
    page = noise(300)
    talk.change(PROGRAM, 0x400, page)
    assert talk.chip.data[0x400:0x500] == page[256:] + page[44:256]  # the last 256, in place
    assert "more than a page" in talk.chip.illegal


def test_nothing_changes_without_write_enable_and_it_ends_with_the_operation():
    talk = Talk()
    talk.at(PROGRAM, 0, b"x")
    talk.at(SECTOR, 0)
    assert talk.chip.illegal == ["no WREN"] * 2 and talk.chip.data[0] == 0xFF
    talk.say(0x06)
    assert talk.status() == 2
    talk.say(0x04)
    assert talk.status() == 0
    talk.change(PROGRAM, 0, b"x")
    assert talk.status() == 0 and talk.chip.data[0] == 0x78


def test_erases_take_their_size_and_time():
    for profile, times in (
        ("typ", (45000, 120000, 150000, 700)),
        ("max", (400000, 1600000, 2000000, 3000)),
        ("slow", (1200000, 4800000, 6000000, 9000)),
        ("none", (0, 0, 0, 0)),
    ):
        talk = Talk(profile=profile)
        talk.clock.sleep_us(talk.chip.power_up_us)
        for i in range(3):
            op, size = ((SECTOR, 4096), (BLOCK_32, 32768), (BLOCK, 65536))[i]
            talk.chip.load(0, bytes(SIZE))
            took = talk.change(op, 65536 + 4096 * i + 5)  # low bits of the address do not count
            start = (65536 + 4096 * i) // size * size
            assert talk.chip.data.index(b"\xff") == start
            assert talk.chip.data.count(b"\xff") == size
            assert times[i] <= took <= times[i] + 1020, took
        talk.chip.load(0, b"\xff" * SIZE)
        took = talk.change(PROGRAM, 0, b"x" * 256)
        assert times[3] <= took <= times[3] + 30, took
        assert talk.chip.wear[16:20] == [3, 2, 2, 2] and talk.chip.erases == [4096, 32768, 65536]


def test_a_busy_chip_tells_its_status_and_nothing_else():
    talk = Talk()
    talk.chip.load(0, b"here")
    talk.say(0x06)
    talk.at(SECTOR, 8192)
    assert talk.status() == 3
    assert talk.at(READ, 0, count=4) == b"\xff" * 4 and talk.say(0x9F, count=3) == b"\xff" * 3
    talk.at(PROGRAM, 100, b"lost")
    assert len(talk.chip.illegal) == 3
    talk.clock.sleep_ms(46)
    assert talk.status() == 0 and talk.at(READ, 0, count=4) == b"here"
    assert talk.chip.data[100:104] == b"\xff" * 4


def test_power_down_hears_only_release():
    talk = Talk()
    talk.say(0xB9)
    assert talk.say(0x9F, count=3) == b"\xff" * 3 and talk.status() == 0xFF
    talk.say(0xAB)
    assert talk.say(0x9F, count=3) == b"\xef\x40\x18"


def test_a_slow_chip_hears_nothing_after_power_release_and_a_silent_reset():
    talk = Talk(profile="slow")
    for event, us in ((lambda: None, 150000), (lambda: talk.say(0xAB), 400)):
        event()
        assert talk.status() == 0xFF and talk.say(0x9F, count=3) == b"\xff" * 3
        talk.clock.sleep_us(us - 100)
        talk.say(0xB9)  # which is not heard
        assert talk.at(READ, 0, count=2) == b"\xff\xff"
        talk.clock.sleep_us(100)
        assert talk.status() == 0 and talk.say(0x9F, count=3) == b"\xef\x40\x18"
        talk.chip.load(0, b"ab")
        talk.say(0xB9)
    talk.say(0xAB)
    talk.clock.sleep_us(400)
    for silent, status in ((False, 1), (True, 0xFF)):
        talk.chip.silent = silent
        talk.say(0x66)
        talk.say(0x99)
        talk.clock.sleep_us(99000)
        assert talk.status() == status
        talk.clock.sleep_us(1000)
        assert talk.status() == 0
    assert talk.chip.resets == 2 and not talk.chip.unknown


def test_reset_takes_both_commands_and_spoils_what_is_under_way():
    talk = Talk(Kind(b"\x9d\x60\x18", 0, address="3 or 4"))
    talk.say(0xB7)
    talk.say(0x66)
    talk.say(0x05)
    talk.say(0x99)
    assert talk.chip.wide
    talk.say(0x66)
    talk.say(0x99)
    assert not talk.chip.wide and talk.status() & 1
    talk.clock.sleep_us(30)
    talk.chip.load(0, bytes(SIZE))
    talk.say(0x06)
    talk.at(SECTOR, 0)
    talk.say(0x66)
    talk.say(0x99)
    assert "reset while busy" in talk.chip.illegal
    assert talk.chip.data[:4096] not in (bytes(4096), b"\xff" * 4096)


def test_4_byte_mode_outlives_the_mcu_but_not_its_power():
    talk = Talk("MX25L25635E")
    talk.chip.load(0x1234, b"here")
    talk.say(0xB7)
    assert talk.at(READ, 0x1234, count=4, width=4) == b"here"
    assert talk.at(READ, 0x1234, count=4) != b"here"
    talk.chip.power_up()
    assert talk.at(READ, 0x1234, count=4) == b"here"
    talk = Talk("N25Q256A")
    talk.say(0xB7)
    assert not talk.chip.wide and talk.chip.illegal
    talk.say(0x06)
    talk.say(0xB7)
    assert talk.chip.wide
    talk = Talk("W25Q256JV")
    talk.chip.load(0x1234, b"here")
    assert talk.at(0x13, 0x1234, count=4, width=4) == b"here"
    assert talk.at(0x0C, 0x1234, data=b"\0", count=4, width=4) == b"here"
    talk.change(0x12, 0, b"x", 4)
    assert talk.chip.data[0] == 0x78
    talk.change(0x21, 0, b"", 4)
    assert talk.chip.data[0] == 0xFF and not talk.chip.illegal and not talk.chip.unknown


def test_commands_of_other_chips_are_unknown():
    talk = Talk("W25X40")
    for op in 0x66, 0x99, 0x12, 0x21, 0x42:
        talk.say(op, 0, 0, 0, 0)
    talk.say(0xB7)
    assert talk.chip.unknown == [0x66, 0x99, 0x12, 0x21, 0x42, 0xB7] and not talk.chip.wide


def test_protected_places_refuse_in_silence_and_drop_write_enable():
    talk = Talk()
    talk.chip.status = 0x18  # half of it, the upper one
    for at in 65536, SIZE - 1:
        assert talk.change(PROGRAM, at, b"x") <= 20 and talk.chip.data[at] == 0xFF
    assert talk.status() == 0x18 and not talk.chip.illegal
    talk.change(PROGRAM, 65535, b"x")
    assert talk.chip.data[65535] == 0x78


def test_reads_wrap_at_the_end_and_bits_flip():
    talk = Talk()
    talk.chip.load(SIZE - 2, b"yz")
    talk.chip.load(0, b"ab")
    assert talk.at(READ, SIZE - 2, count=4) == b"yzab"
    talk.chip.flips = {1: 3}
    talk.chip.flip_reads = 1
    assert talk.at(READ, 0, count=2) == b"aa" and talk.at(READ, 0, count=2) == b"ab"
    talk.chip.worn = {0}
    talk.change(SECTOR, 0)
    assert talk.at(READ, 0, count=2) == b"ab"


def test_tables_are_those_of_the_standard():
    for name, kind in KINDS.items():
        if not kind.sfdp:
            continue
        talk = Talk(name)
        head = talk.say(0x5A, 0, 0, 0, 0, count=24)
        assert head[8] == 0 and head[15] == 0xFF and head[11] == kind.sfdp
        basic = talk.say(0x5A, 0, 0, head[12], 0, count=4 * kind.sfdp)
        assert basic[0] & 3 == 1 if kind.erases[0][0] == 12 else 3
        assert int.from_bytes(basic[4:8], "little") == SIZE * 8 - 1
        assert basic[28:30] == bytes(kind.erases[0][:2])
        if kind.address == "ops":
            assert (
                head[16] == 0x84 and talk.say(0x5A, 0, 0, head[20], 0, count=2)[0] & 0x43 == 0x43
            )


# Power


def test_an_operation_is_torn_as_a_disk_tears_it():
    for op, at, data in ((PROGRAM, 0x100, noise(256)), (SECTOR, 4096, b"")):
        for tear in ALL:
            talk = Talk()
            talk.chip.load(4096, noise(4096, 9))
            before = bytes(talk.chip.data)
            talk.chip.power.cut_at(1, tear)
            try:
                talk.change(op, at, data)
                raise AssertionError("no cut")
            except PowerCut:
                pass
            try:
                talk.status()
                raise AssertionError("there is no power")
            except PowerCut:
                pass
            talk.chip.power.on()
            assert talk.status() == 0  # nothing is under way after a power cycle
            size = len(data) or 4096
            new = data or b"\xff" * 4096
            found = talk.at(READ, at, count=size)
            old = before[at : at + size]
            assert (found == old) == (tear == "nothing") or tear == "moody"
            assert (found == new) == (tear == "whole") or tear == "moody"
            if tear == "moody":
                assert len({talk.at(READ, at, count=size) for _ in range(20)}) > 1
            if tear == "half":
                assert found == new[: size // 2] + old[size // 2 :]
            rest = bytes(talk.chip.data)
            assert rest[:at] + rest[at + size :] == before[:at] + before[at + size :]


def test_power_goes_at_any_clock():
    """Before the chip is told: nothing. While it is busy: torn. After: done."""

    def run(cut_ns):
        talk = Talk()
        talk.chip.load(0, bytes(4096))
        talk.chip.cut_ns = cut_ns
        talk.chip.cut_tear = "half"
        try:
            talk.change(SECTOR, 0)
        except PowerCut:
            talk.chip.power.on()
            assert talk.status() == 0
        return talk

    talk = run(None)
    end = talk.clock.now_ns
    seen = []
    for i in range(100):
        talk = run(end * i // 100 + 1)
        blank = talk.chip.data[:4096].count(b"\xff")
        if not seen or seen[-1] != blank:
            seen.append(blank)
    assert seen in ([0, 2048], [0, 2048, 4096]), seen
    assert run(end - 1).chip.data[:4096].count(b"\xff") == 4096


def test_a_traced_operation_is_replayed_and_a_second_program_is_seen():
    power = Power()
    talk = Talk(power=power, once=True)
    power.trace = []
    before = power.snapshot()
    talk.change(PROGRAM, 0, b"abc")
    talk.change(SECTOR, 4096)
    after = power.snapshot()
    power.restore(before)
    for operation in power.trace:
        power.replay(operation)
    assert power.snapshot()[0][:2] == after[0][:2]
    try:
        talk.change(PROGRAM, 200, b"x")
        raise AssertionError("a page was programmed twice")
    except Violation:
        pass
