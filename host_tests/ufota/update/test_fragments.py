"""Fragments in any order: what is taken, what is refused, and what a reset leaves of them."""

from fragments_kit import begun, client_store_of, fragments, restarted, simple_board, trial_board
from fwcore import errors, errors_net
from fwcore.manifest import version_word
from fwcore.storage import up
from helpers import raises
from ufota.update.writer import UpdateWriter
from ufota_testkit import simboard
from update_kit import payload, running, signed, staged

BOTH = True  # runs on CPython and on MicroPython

TWO = version_word("2.0.0"), payload("two")
KINDS = ("spi", "sd", "internal")


def test_any_order_gives_the_image():
    for kind in KINDS:
        for each in (512, 1024, 1536, 4608, 8192):
            board = simple_board(kind)
            update = begun(board, "two", each)
            pieces = fragments("two", each)
            assert update.missing() == [(0, 5000)] and update.done == 0
            for at in reversed(sorted(pieces)):
                update.write(pieces[at], at)
            assert update.missing() == [] and update.done == 5000
            update.end()
            assert TWO in staged(board), (kind, each)
            assert client_store_of(board).get(b"job") is None
            assert board.fed > 5


def test_missing_tells_runs_of_whole_fragments():
    board = simple_board("spi")
    update = begun(board, "two", 512)
    pieces = fragments("two", 512)
    for at in (1024, 2560, 3072, 4608):
        update.write(pieces[at], at)
    assert update.missing() == [(0, 1024), (1536, 1024), (3584, 1024)]
    assert update.missing(2) == [(0, 1024), (1536, 1024)]
    assert update.missing(0) == []
    assert update.done == 3 * 512 + 392
    error = raises(errors_net.INCOMPLETE, update.end)
    assert error.at == 0
    update.write(pieces[0], 0)
    update.write(pieces[512], 512)
    assert raises(errors_net.INCOMPLETE, update.end).at == 1536


def test_fragment_with_wrong_bounds_is_refused_and_harms_nothing():
    board = simple_board("spi")
    update = begun(board, "two", 512)
    pieces = fragments("two", 512)
    whole, last = pieces[0], pieces[4608]
    wrong = (
        (whole, -1),
        (whole, -512),
        (whole, 256),
        (whole, 5120),
        (whole, 4608),
        (last, 512),
        (whole[:511], 512),
        (whole + b"x", 512),
        (b"", 512),
        (b"", 5120),
        (last + b"x", 4608),
        (last[1:], 4608),
        (whole, 2**40),
    )
    for fragment, at in wrong:
        raises(errors_net.OUT_OF_ORDER, update.write, fragment, at)
    raises(errors_net.OUT_OF_ORDER, update.write, whole)
    assert board.power.ops == 0 and update.missing() == [(0, 5000)]


def test_fragment_that_comes_again_is_not_written_again():
    board = simple_board("spi")
    update = begun(board, "two", 512)
    pieces = fragments("two", 512)
    update.write(pieces[512], 512)
    ops = board.power.ops
    update.write(pieces[512], 512)
    update.write(bytes(512), 512)  # the first one stands
    assert board.power.ops == ops and update.done == 512


def test_no_fragment_begins_at_the_end():
    board = simple_board("spi")
    update = begun(board, "three", 512)
    raises(errors_net.OUT_OF_ORDER, update.write, b"", 5120)
    raises(errors_net.OUT_OF_ORDER, update.write, b"", 5632)
    assert board.power.ops == 0


def test_rest_of_the_last_unit_is_blank():
    for kind in KINDS:
        board = simple_board(kind)
        update = begun(board, "two", 512)
        for at, fragment in fragments("two", 512).items():
            update.write(fragment, at)
        slot = update.slot
        end = slot.body_at + 5000
        rest = slot.storage.device.data[end : up(end, slot.storage.program_size)]
        assert rest and rest == b"\xff" * len(rest), kind


def test_watchdog_is_fed_after_each_page_and_each_erase():
    board = simple_board("spi")
    update = begun(board, "two", 512)
    fed = board.fed
    for at, fragment in sorted(fragments("two", 512).items()):
        update.write(fragment, at)
    assert board.fed - fed == 20 + 5


def test_size_of_fragments_is_whole_units():
    board = simple_board("spi")
    for each in (1, 255, 257, -256, 100):
        raises(errors.MISALIGNED, begun, board, "two", each)
    raises(errors.MISALIGNED, begun, simple_board("sd"), "two", 256)
    assert board.power.ops == 0


def test_more_fragments_than_can_be_remembered_are_refused_before_anything_is_written():
    board = simple_board("internal", unit=1)
    raises(errors.TOO_BIG, begun, board, "three", 1)  # 5120 cells, and 5 boundaries
    assert board.power.ops == 0
    assert begun(board, "three", 2).missing() == [(0, 5120)]


def test_record_that_does_not_fit_the_store_is_refused_before_anything_is_erased():
    board = simple_board("internal", unit=1)
    before = bytes(board.disks["flash"].data)
    client_store_of(board).put(b"url", bytes(700))
    update = begun(board, "three", 2)
    raises(errors.TOO_BIG, update.write, payload("three")[:2], 0)
    assert bytes(board.disks["flash"].data) == before


def test_reset_keeps_what_was_saved():
    for kind in KINDS:
        board = simple_board(kind)
        update = begun(board, "two", 512)
        pieces = fragments("two", 512)
        for at in (512, 1024, 4608):
            update.write(pieces[at], at)
        update.candidate.save()
        update.write(pieces[0], 0)
        restarted(board)
        update = begun(board, "two", 512)
        # Internal: the erase block that the first fragment opened has half of the second, too.
        kept = [(0, 1024 if kind == "internal" else 512), (1536, 3072)]
        assert update.missing() == kept, kind
        assert update.done == (1160 if kind == "internal" else 1416)
        for at in (0, 512, 2048, 1536, 2560, 3072, 3584, 4096):
            update.write(pieces[at], at)
        update.end()
        assert TWO in staged(board)


def test_reset_loses_a_recorded_block_that_was_open_and_no_other():
    board = simple_board("spi")  # blocks begin at 512, 1536, ... of the image
    update = begun(board, "two", 256)
    pieces = fragments("two", 256)
    for at in (512, 768, 1536, 1792, 2560, 2816):
        update.write(pieces[at], at)
    update.candidate.save()
    update.write(pieces[2048], 2048)  # opens 1536..2559
    restarted(board)
    assert begun(board, "two", 256).missing() == [(0, 512), (1024, 1536), (3072, 1928)]


def test_records_are_written_without_being_asked_for():
    """In order: a reset costs the fragments since the last record, and the block it left out."""
    for kind in KINDS:
        board = simple_board(kind)
        update = begun(board, "two", 512)
        pieces = fragments("two", 512)
        update.candidate._store = counted = Counting(client_store_of(board))
        for at in sorted(pieces)[:9]:
            update.write(pieces[at], at)
        assert counted.puts == 2, (kind, counted.puts)  # the first one, and one after eight
        restarted(board)
        begin = {"spi": 3584, "sd": 4096, "internal": 3584}[kind]
        assert begun(board, "two", 512).missing() == [(begin, 5000 - begin)], kind


class Doubtful:
    """A client store with one value, and say that they could not."""

    def __init__(self, store):
        self.store = store
        self.armed = True

    def put(self, key, value):
        self.store.put(key, value)
        if self.armed and sum(value[41:]):
            self.armed = False
            raise OSError(5, "late")

    def get(self, key, default=None):
        return self.store.get(key, default)


def test_record_that_failed_may_be_there_all_the_same():
    board = simple_board("spi")  # blocks begin at 512, 1536, ... of the image
    update = begun(board, "two", 256)
    pieces = fragments("two", 256)
    update.candidate._store = Doubtful(client_store_of(board))
    for at in (512, 1536, 2560, 3584, 3840, 0, 256):
        update.write(pieces[at], at)
    try:
        update.write(pieces[4608], 4608)
        raise AssertionError("no error")
    except OSError:
        pass
    update.write(pieces[768], 768)
    restarted(board)
    update = begun(board, "two", 256)
    for at, size in update.missing():
        for start in range(at, at + size, 256):
            update.write(pieces.get(start), start)
    update.end()
    assert TWO in staged(board)


def test_record_has_the_block_that_its_last_fragment_made_whole():
    board = simple_board("spi")
    update = begun(board, "two", 256)
    pieces = fragments("two", 256)
    for at in range(512, 2560, 256):  # two blocks, eight fragments: the record is written
        update.write(pieces[at], at)
    restarted(board)
    assert begun(board, "two", 256).missing() == [(0, 512), (2560, 5000 - 2560)]


def test_nothing_is_written_while_nobody_knows_which_record_is_there():
    board = simple_board("spi")
    update = begun(board, "two", 256)
    pieces = fragments("two", 256)
    update.candidate._store = Doubtful(client_store_of(board))
    for at in (512, 1536, 2560, 3584, 3840, 0, 256):
        update.write(pieces[at], at)
    writes = []
    for fragment in (4608, 768):
        try:
            update.write(pieces[fragment], fragment)
            raise AssertionError("no error")
        except OSError:
            writes.append(board.power.ops)
        update.candidate._store.put = unwritable
    assert writes[0] == writes[1], writes


def unwritable(key, value):
    raise OSError(5, "early")


def test_other_image_or_other_fragments_begin_anew():
    for name, each, again in (("three", 512, False), ("two", 256, False), ("two", 512, True)):
        board = simple_board("spi")
        update = begun(board, "two", 512)
        for at, fragment in fragments("two", 512).items():
            update.write(fragment, at)
        update.candidate.save()
        restarted(board)
        assert begun(board, "two", 512).missing() == []
        restarted(board)
        update = begun(board, name, each, again)
        assert update.missing() == [(0, len(payload(name)))] and update.done == 0
        for at, fragment in fragments(name, each).items():
            update.write(fragment, at)
        update.end()
        assert staged(board)[0][1] == payload(name)


def test_download_in_order_forgets_the_fragments():
    board = simple_board("spi")
    update = begun(board, "two", 512)
    for at, fragment in fragments("two", 512).items():
        update.write(fragment, at)
    update.candidate.save()
    restarted(board)
    other = UpdateWriter(board)
    other.begin(signed("three"))
    other.write(payload("three")[:2000])
    restarted(board)
    assert begun(board, "two", 512).missing() == [(0, 5000)]
    other = UpdateWriter(board)
    other.begin(signed("three"))
    other.write(payload("three")[other.done :])
    other.end()
    assert staged(board) == [(version_word("3.0.0"), payload("three"))]


def test_fragments_forget_a_download_in_order():
    board = simple_board("spi")
    update = UpdateWriter(board)
    update.begin(signed("two"))
    update.write(payload("two")[:4999])
    restarted(board)
    assert UpdateWriter(board).begin(signed("two")) and begun(board, "two", 512).missing()
    update = begun(board, "two", 512)
    update.write(fragments("two", 512)[4608], 4608)
    restarted(board)
    update = UpdateWriter(board)
    update.begin(signed("two"))
    assert update.done == 0
    update.write(payload("two"))
    update.end()
    assert TWO in staged(board)


def test_abort_forgets_the_fragments():
    board = simple_board("spi")
    update = begun(board, "two", 512)
    update.write(fragments("two", 512)[0], 0)
    update.candidate.save()
    update.abort()
    assert client_store_of(board).get(b"job") is None
    raises(errors_net.NOT_BEGUN, update.missing)
    raises(errors_net.NOT_BEGUN, update.write, b"", 0)
    assert begun(board, "two", 512).missing() == [(0, 5000)]


def test_wrong_fragment_is_found_at_the_end_and_all_are_fetched_again():
    board = simple_board("spi")
    pieces = fragments("two", 512)
    update = begun(board, "two", 512)
    for at, fragment in pieces.items():
        update.write(fragment if at != 1024 else bytes(512), at)
    raises(errors.CORRUPT, update.end)
    assert staged(board) == [(0, None)] and client_store_of(board).get(b"job") is None
    update = begun(board, "two", 512)
    assert update.missing() == [(0, 5000)]
    for at, fragment in pieces.items():
        update.write(fragment, at)
    update.end()
    assert TWO in staged(board)


class Noisy:
    """A disk whose reads of the image are wrong, so often."""

    def __init__(self, disk, wrong):
        self.disk = disk
        self.wrong = wrong
        self.armed = False

    def readblocks(self, block, buf, offset=0):
        code = self.disk.readblocks(block, buf, offset)
        if self.armed and self.wrong and len(buf) > 1024:
            self.wrong -= 1
            buf[7] ^= 1
        return code

    def writeblocks(self, *args):
        return self.disk.writeblocks(*args)

    def ioctl(self, *args):
        return self.disk.ioctl(*args)


def test_noise_while_reading_back_costs_no_fragment():
    for wrong, code in ((1, 0), (9, errors.CORRUPT)):
        board = simple_board("spi")
        board.disks["spi"] = noisy = Noisy(board.disks["spi"], wrong)
        update = begun(board, "two", 512)
        for at, fragment in fragments("two", 512).items():
            update.write(fragment, at)
        noisy.armed = True
        if code:
            raises(code, update.end)
        else:
            update.end()
        board.disks["spi"] = noisy.disk
        assert (TWO in staged(board)) == (not code)


class Weak:
    """A disk that keeps other bytes than it was given, in one write."""

    def __init__(self, disk, spoil):
        self.disk = disk
        self.spoil = spoil

    def readblocks(self, *args):
        return self.disk.readblocks(*args)

    def writeblocks(self, block, buf, *offset):
        self.spoil -= 1
        if not self.spoil:
            buf = bytes(len(buf))
        return self.disk.writeblocks(block, buf, *offset)

    def ioctl(self, *args):
        return self.disk.ioctl(*args)


def test_fragment_that_storage_did_not_keep_is_missing_and_can_come_again():
    """With what shared its erase block, as only an erase makes it writable again."""
    for kind, lost in (("spi", 1536), ("sd", 1536), ("internal", 512)):
        name = "flash" if kind == "internal" else kind
        board = simple_board(kind)
        weak = board.disks[name] = Weak(board.disks[name], 0)
        update = begun(board, "two", 512)
        pieces = fragments("two", 512)
        order = sorted(pieces)
        for at in order[:3]:
            update.write(pieces[at], at)
        weak.spoil = 1
        raises(errors.WRITE_FAILED, update.write, pieces[order[3]], order[3])
        missing = update.missing()
        assert missing == [(lost, 5000 - lost)]
        while missing:
            for at in range(missing[0][0], sum(missing[0]), 512):
                update.write(pieces[at], at)
            missing = update.missing()
        assert update.done == 5000
        update.end()
        board.disks[name] = weak.disk
        assert TWO in staged(board)


def test_header_that_storage_did_not_keep_can_be_written_again():
    for kind in KINDS:
        name = "flash" if kind == "internal" else kind
        board = simple_board(kind)
        weak = board.disks[name] = Weak(board.disks[name], 0)
        update = begun(board, "two", 512)
        pieces = fragments("two", 512)
        for at in pieces:
            update.write(pieces[at], at)
        weak.spoil = 1
        raises(errors.WRITE_FAILED, update.end)
        for at, size in update.missing():
            for start in range(at, at + size, 512):
                update.write(pieces[start], start)
        update.end()
        board.disks[name] = weak.disk
        assert TWO in staged(board)


def test_header_in_a_block_of_its_own_can_be_written_again():
    """In a swap the one in front is alone in its erase block; the other moves with the image."""
    for spoil in (1, 2):
        board = trial_board("swap", "spi")
        weak = board.disks["spi"] = Weak(board.disks["spi"], 0)
        update = begun(board, "small", 128)
        pieces = fragments("small", 128)
        for at in pieces:
            update.write(pieces[at], at)
        weak.spoil = spoil
        raises(errors.WRITE_FAILED, update.end)
        for at, size in update.missing():
            for start in range(at, at + size, 128):
                update.write(pieces[start], start)
        update.end()
        board.disks["spi"] = weak.disk
        assert staged(board)[0][1] == payload("small")


def test_failing_operation_leaves_an_update_that_can_go_on():
    """Each operation reports EIO once, of slot and of client store; the fragment is sent again."""
    for kind in KINDS:
        op, done = 0, False
        while not done:
            op += 1
            board = simple_board(kind)
            pieces = fragments("two", 512)
            update = begun(board, "two", 512)
            board.power.fail_at(op)
            failed = 0
            try:
                for at in sorted(pieces, key=lambda at: at % 1536):
                    update.write(pieces[at], at)
                update.candidate.save()
                update.end()
                done = board.power.ops < op
            except OSError:
                failed = 1
            if failed:
                for at, size in update.missing(100):
                    for start in range(at, at + size, 512):
                        update.write(pieces[start], start)
                if TWO not in staged(board):
                    update.end()
            assert TWO in staged(board), (kind, op)
        assert op > 40, op


def test_without_a_client_store_fragments_come_in_any_order_and_are_not_kept():
    for kind in KINDS:
        board = simple_board(kind, has_store=False)
        pieces = fragments("two", 512)
        update = begun(board, "two", 512)
        update.write(pieces[512], 512)
        update.candidate.save()
        restarted(board)
        update = begun(board, "two", 512)
        assert update.missing() == [(0, 5000)]
        for at in reversed(sorted(pieces)):
            update.write(pieces[at], at)
        update.end()
        assert TWO in staged(board)


def test_update_in_order_takes_no_offset():
    board = simple_board("spi")
    update = UpdateWriter(board)
    update.begin(signed("two"))
    raises(errors_net.OUT_OF_ORDER, update.write, payload("two")[:512], 512)
    assert board.power.ops == 0


def test_number_of_records_is_bounded():
    """In order, with gaps filled later, and shuffled: writes to the client store."""
    pieces = fragments("two", 256)  # 20 fragments, 6 blocks
    order = sorted(pieces)
    shuffled = sorted(order, key=lambda at: at * 7919 % 5003)
    gaps = [at for at in order if at % 768] + [at for at in order if not at % 768]
    for found, limit in ((order, 4), (gaps, 9), (shuffled, 9)):
        board = simple_board("spi")
        update = begun(board, "two", 256)
        counted = Counting(client_store_of(board))
        update.candidate._store = counted
        for at in found:
            update.write(pieces[at], at)
        update.end()
        assert counted.puts <= limit, counted.puts
        assert TWO in staged(board)


def test_number_of_records_is_bounded_when_there_is_no_order():
    """Blocks once opened stay open until the records before them are paid for."""
    pieces = fragments("two", 64)  # 79, and a record for every eight
    board = simple_board("internal", unit=64)
    update = begun(board, "two", 64)
    update.candidate._store = counted = Counting(client_store_of(board))
    for at in sorted(pieces, key=lambda at: (at // 64 * 7919 + 5) % 5003):
        update.write(pieces[at], at)
    assert counted.puts <= 12, counted.puts


class Counting:
    def __init__(self, store):
        self.store = store
        self.puts = 0

    def put(self, key, value):
        self.puts += self.store.get(key) != value
        self.store.put(key, value)

    def get(self, key, default=None):
        return self.store.get(key, default)


def test_each_block_is_erased_once_when_nothing_goes_wrong():
    board = simple_board("spi")
    pieces = fragments("two", 256)
    update = begun(board, "two", 256)
    for at in sorted(pieces, key=lambda at: at * 7919 % 5003):
        update.write(pieces[at], at)
    update.end()
    # Block 0 of the area is not the slot's; block 1 holds the header too.
    assert board.disks["spi"].wear[:8] == [0, 1, 1, 1, 1, 1, 1, 0], board.disks["spi"].wear


def test_neighbours_of_the_slot_stay_as_they_are():
    for kind in ("spi", "internal"):
        board = simple_board(kind, locations=2)
        slot = simboard.candidate_slots(board)[0]
        disk = slot.storage.device
        before = bytes(disk.data)
        pieces = fragments("small", 512)
        update = begun(board, "small", 512)
        assert update.slot.header_at == slot.header_at
        for at in pieces:
            update.write(pieces[at], at)
        update.end()
        end = up(slot.body_at + 700, 1024)
        start = slot.header_at // 1024 * 1024
        assert bytes(disk.data[:start]) == before[:start]
        assert bytes(disk.data[end:]) == before[end:]
        assert running(board)[0] == 1
