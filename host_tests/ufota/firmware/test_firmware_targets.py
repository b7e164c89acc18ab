"""Images of the firmware itself: in, on trial, back, and what the application may ask for."""

from hashlib import sha256

from firmware_kit import FIRST, SIZE, Esp, Partition, Rom
from fwcore import errors, errors_boot, errors_net
from fwcore.errors import FwError
from fwcore.manifest import version_word
from fwcore.state import CONFIRMED, IDLE, PENDING, REVERTED, TRIAL, State
from fwcore.storage import Storage
from helpers import raises
from resume_kit import board_of
from test_update_writer import bring
from ufota import black_list
from ufota.alibaba import reports
from ufota.firmware import targets
from ufota.firmware.esp32 import OtaPartition
from ufota.firmware.stm32 import Mboot
from ufota.hawkbit import action
from ufota.trial import confirm, last_result
from ufota.update import client_store
from ufota.update.writer import UpdateWriter
from ufota_testkit import simboard
from ufota_testkit.simboard import put, trial_layout
from ufota_testkit.simdisk import Disk, PowerCut, every_cut
from update_kit import OLD, Key, payload, signed, staged

BOTH = True  # runs on CPython and on MicroPython

TWO, THREE = version_word("2.0.0"), version_word("3.0.0")
_IMAGES = (("system", TWO), ("system_three", THREE))
_STATUS = 0x40002850


_payloads = {name: payload(name) for name, _ in _IMAGES}


def digest(name):
    return bytes(sha256(_payloads[name]).digest())


def esp(board):
    return Esp(board.power, {digest(name): version for name, version in _IMAGES})


def start(board, chip):
    """The board starts: what is in RAM is new."""
    board.power.on()
    chip.reset()
    board.starts = {}
    if hasattr(board, "client_store"):
        del board.client_store
    running = Partition(chip, chip.runs)
    board.systems = {"SYSTEM": OtaPartition(running, chip.version())}


def esp_board(kind="sd"):
    board = board_of(kind)
    chip = esp(board)
    start(board, chip)
    return board, chip


def install(board, chip, name):
    update = UpdateWriter(board)
    update.begin(signed(name))
    chip.sizes[1 - chip.runs] = len(_payloads[name])
    bring(update, _payloads[name], 3000)
    update.end()


def test_firmware_goes_into_the_other_partition_and_is_kept_when_confirmed():
    board, chip = esp_board()
    for name, version in _IMAGES:
        runs = chip.runs
        install(board, chip, name)
        assert chip.runs == runs and last_result(board, "SYSTEM") is None
        raises(errors_boot.ON_TRIAL, UpdateWriter(board).begin, signed("system_three"))
        start(board, chip)
        assert chip.version() == version and chip.runs != runs
        assert last_result(board, "SYSTEM") is None  # on trial
        assert confirm(board) and not confirm(board)
        start(board, chip)
        assert chip.version() == version
        assert last_result(board, "SYSTEM") == (CONFIRMED, 0, version, digest(name))
    assert staged(board) == [(0, None)]  # the application's slots were never touched


def test_firmware_that_does_not_confirm_goes_back_and_stays_out():
    board, chip = esp_board()
    install(board, chip, "system")
    start(board, chip)
    start(board, chip)
    assert chip.version() == FIRST
    failed = REVERTED, errors_boot.NOT_CONFIRMED, TWO, digest("system")
    assert last_result(board, "SYSTEM") == failed and not confirm(board)
    assert last_result(board, "SYSTEM") == failed
    raises(errors_net.RESTING, UpdateWriter(board).begin, signed("system"))
    install(board, chip, "system_three")  # another one may come
    start(board, chip)
    assert confirm(board) and chip.version() == THREE


def rests(board, at):
    """It rests, for so many starts; asking again in the same start changes nothing."""
    error = raises(errors_net.RESTING, UpdateWriter(board).begin, signed("system"))
    assert error.at == at
    ops = board.power.ops
    raises(errors_net.RESTING, UpdateWriter(board).begin, signed("system"))
    assert board.power.ops == ops


def goes_back(board, chip):
    install(board, chip, "system")
    start(board, chip)
    start(board, chip)
    assert chip.version() == FIRST


def test_firmware_that_nobody_confirms_has_three_rounds():
    board, chip = esp_board()
    known = digest("system")
    goes_back(board, chip)
    rests(board, 1)
    assert targets.fate(board, known) == targets.RESTS  # no failure for a service
    start(board, chip)
    goes_back(board, chip)
    for left in (4, 3, 2, 1):
        rests(board, left)
        start(board, chip)
    assert targets.fate(board, known) == targets.RESTS
    goes_back(board, chip)
    for _ in range(7):
        raises(errors_boot.BLACK_LISTED, UpdateWriter(board).begin, signed("system"))
        assert targets.fate(board, known) == errors_boot.NOT_CONFIRMED
        start(board, chip)
    assert not black_list.allow(board, THREE) and black_list.allow(board, TWO)
    install(board, chip, "system")
    start(board, chip)
    assert confirm(board) and last_result(board, "SYSTEM").result == CONFIRMED


def test_the_next_rejected_firmware_does_not_let_the_first_back_in():
    """A server that is not the maker's has both, and offers them by turns."""
    board, chip = esp_board()
    goes_back(board, chip)
    install(board, chip, "system_three")
    for _ in range(2):
        start(board, chip)
    assert chip.version() == FIRST
    for _ in range(9):  # no rest is long enough
        refused = raises(errors_boot.BLACK_LISTED, UpdateWriter(board).begin, signed("system"))
        assert action.verdict(board, refused, signed("system")) == errors_boot.BLACK_LISTED
        start(board, chip)
    raises(errors_net.RESTING, UpdateWriter(board).begin, signed("system_three"))
    start(board, chip)
    install(board, chip, "system_three")  # it has rested
    start(board, chip)
    assert confirm(board) and chip.version() == THREE


def test_firmware_that_failed_stays_out_when_an_older_one_is_confirmed():
    board, chip = esp_board()
    install(board, chip, "system_three")
    for _ in range(2):
        start(board, chip)
    install(board, chip, "system")
    start(board, chip)
    assert confirm(board) and chip.version() == TWO
    raises(errors_boot.BLACK_LISTED, UpdateWriter(board).begin, signed("system_three"))
    start(board, chip)
    raises(errors_boot.BLACK_LISTED, UpdateWriter(board).begin, signed("system_three"))
    assert not black_list.allow(board, version_word("3.0.1"))
    assert black_list.allow(board, THREE) and not black_list.allow(board)
    assert last_result(board, "SYSTEM") == (CONFIRMED, 0, TWO, digest("system"))
    install(board, chip, "system_three")
    start(board, chip)
    assert confirm(board) and chip.version() == THREE


def test_an_operator_allows_one_firmware_and_not_the_one_before_it():
    for version, lets_in in ((THREE, "system_three"), (None, "system")):
        board, chip = esp_board()
        goes_back(board, chip)
        install(board, chip, "system_three")
        for _ in range(2):
            start(board, chip)
        assert black_list.allow(board, version) and last_result(board, "SYSTEM") is None
        if version:
            raises(errors_boot.BLACK_LISTED, UpdateWriter(board).begin, signed("system"))
        assert UpdateWriter(board).begin(signed(lets_in))


def test_firmware_that_an_older_release_saw_go_back_rests():
    board, chip = esp_board()
    goes_back(board, chip)
    store = client_store.of(board)
    store.put(b"sysSYSTEM", store.get(b"sysSYSTEM")[:41])
    assert last_result(board, "SYSTEM").reason == errors_boot.NOT_CONFIRMED
    rests(board, 1)
    start(board, chip)
    assert UpdateWriter(board).begin(signed("system"))


def test_a_cut_in_the_count_of_a_start_of_firmware():
    def resting():
        board, chip = esp_board()
        goes_back(board, chip)
        store = client_store.of(board)
        store.put(b"sysSYSTEM", store.get(b"sysSYSTEM")[:41] + b"\x20")  # two rounds
        start(board, chip)
        board.chip = chip
        return board

    def check(board):
        start(board, board.chip)
        error = raises(errors_net.RESTING, UpdateWriter(board).begin, signed("system"))
        assert error.at in (4, 3)
        start(board, board.chip)
        rests(board, error.at - 1)

    def act(board):
        raises(errors_net.RESTING, UpdateWriter(board).begin, signed("system"))

    assert every_cut(resting, act, check, ("half", "moody")) >= 4


def test_nothing_else_comes_in_while_firmware_is_on_trial():
    board, chip = esp_board()
    install(board, chip, "system")
    start(board, chip)
    for name in ("system_three", "two"):
        raises(errors_boot.ON_TRIAL, UpdateWriter(board).begin, signed(name))
    confirm(board)
    assert UpdateWriter(board).begin(signed("two")) and UpdateWriter(board).begin(
        signed("system_three")
    )


def test_no_firmware_comes_in_while_an_application_is_waiting_or_on_trial():
    layout = trial_layout("swap", "sd")
    flash = layout["devices"]["flash"]
    layout["client"] = {"device": "flash", "start": flash["size"], "size": 6144}
    flash["size"] += 6144
    for phase in (PENDING, TRIAL):
        board = simboard.Board(layout, simboard.ROT, Key())
        put(board, simboard.active_slot(board), *OLD)
        start(board, esp(board))
        state = State(board)
        state.phase = phase
        state.put()
        raises(errors_boot.ON_TRIAL, UpdateWriter(board).begin, signed("system"))
        state.phase = IDLE
        state.put()
        assert UpdateWriter(board).begin(signed("system"))


def test_what_firmware_is_refused():
    board, chip = esp_board()
    raises(errors.TOO_BIG, UpdateWriter(board).begin, signed("system_huge"))
    raises(errors_net.WRONG_COMPONENT, UpdateWriter(board).begin, signed("other_component"))
    raises(errors.UNSUPPORTED, UpdateWriter(board).begin, signed("system"), False, 256)
    update = UpdateWriter(board)
    update.begin(signed("system"))
    wrong = bytearray(payload("system"))
    wrong[777] ^= 1
    bring(update, wrong, 4096)
    raises(errors.CORRUPT, update.end)
    install(board, chip, "system_three")
    start(board, chip)
    confirm(board)
    raises(errors.NOT_NEWER, UpdateWriter(board).begin, signed("system"))
    del board.layout["client"]
    raises(errors.NO_SLOT, UpdateWriter(board).begin, signed("system"))
    del board.systems
    raises(errors_net.WRONG_COMPONENT, UpdateWriter(board).begin, signed("system"))
    assert staged(board) == [(0, None)]


def test_an_image_that_the_bootloader_refuses_is_an_error_and_not_black_listed():
    board, chip = esp_board()
    chip.refuses = True
    try:
        install(board, chip, "system")
        raise AssertionError("it was installed")
    except OSError:
        pass
    chip.refuses = False
    start(board, chip)
    assert chip.version() == FIRST and last_result(board, "SYSTEM") is None
    install(board, chip, "system")
    start(board, chip)
    assert chip.version() == TWO


def test_a_cut_at_any_operation_leaves_firmware_that_runs_and_can_be_updated():
    board, chip = esp_board()
    board.power.reset()
    install(board, chip, "system")
    most = board.power.ops
    for op in list(range(1, most, 23)) + list(range(most - 12, most + 1)):
        for tear in ("nothing", "junk"):
            board, chip = esp_board()
            board.power.reset()
            board.power.cut_at(op, tear)
            try:
                install(board, chip, "system")
            except PowerCut:
                pass
            start(board, chip)
            if chip.version() == FIRST:
                assert last_result(board, "SYSTEM") is None
                install(board, chip, "system")
                start(board, chip)
            assert chip.version() == TWO and confirm(board)
            start(board, chip)
            assert last_result(board, "SYSTEM").result == CONFIRMED


def test_an_application_that_needs_firmware_is_refused_before_anything_is_erased():
    board, chip = esp_board()
    error = raises(errors_net.NEEDS, UpdateWriter(board).begin, signed("needs_system"))
    assert error.at == 1 and board.power.ops == 0
    assert raises(errors_net.NEEDS, UpdateWriter(board).begin, signed("needs_radio")).at == 1
    assert raises(errors_net.NEEDS, UpdateWriter(board).begin, signed("needs_main")).at == 1
    raises(errors.BAD_VERSION, UpdateWriter(board).begin, signed("needs_nonsense"))
    install(board, chip, "system")
    start(board, chip)
    confirm(board)
    assert UpdateWriter(board).begin(signed("needs_system"))
    put(board, simboard.active_slot(board), version_word("1.5.0"), OLD[1])
    raises(
        errors.NOT_NEWER, UpdateWriter(board).begin, signed("needs_main")
    )  # as TWO runs: not NEEDS
    assert UpdateWriter(board).begin(signed("needs_both"))
    plain = board_of("sd")
    raises(errors_net.NEEDS, UpdateWriter(plain).begin, signed("needs_system"))


def test_needs_of_any_bytes_end_in_a_number():
    """The maker signed it, so it is no attack; but nothing else than a number may come out."""

    class Found:
        vendor_data = b""

    board, _ = esp_board()
    cases = (
        (b"\xff\xfe", errors.MALFORMED),
        (b"SYSTEM=1.0.0,\xc3", errors.MALFORMED),
        (b"", errors.BAD_VERSION),
        (b"SYSTEM", errors.BAD_VERSION),
        (b"SYSTEM=1.0", errors.BAD_VERSION),
        (b"\xed\xa0\x80=1.0.0", None),
        (b"SYSTEM=\xd9\xa1.0.0", errors.BAD_VERSION),
        (b"SYSTEM=1.0.0,RADIO=1.0.0", errors_net.NEEDS),
    )
    for data, code in cases:
        Found.vendor_data = b"needs:" + data
        try:
            targets.needs(board, Found)
            raise AssertionError(data)
        except FwError as error:
            if code:
                assert error.code == code, (data, error.code)
    assert raises(errors_net.NEEDS, targets.needs, board, Found).at == 2


def test_services_are_told_what_came_of_it():
    board, chip = esp_board()
    known = digest("system")
    assert targets.fate(board, known) == targets.LOST and not targets.on_trial(board)
    install(board, chip, "system")
    record = action.Action(board)
    record.take("7")
    record.install(known)
    record.keep()
    assert record.kind == action.INSTALLING and targets.on_trial(board)
    start(board, chip)
    record = action.Action(board)
    record.settle()
    assert record.kind == action.INSTALLING and targets.on_trial(board)
    assert targets.fate(board, known[:8]) is None
    confirm(board)
    record.settle()
    assert (record.kind, record.code) == (action.ENDED, 0) and not targets.on_trial(board)
    not_newer = FwError(errors.NOT_NEWER)
    assert action.verdict(board, not_newer, signed("system")) == 0
    assert action.verdict(board, not_newer, signed("system_three")) == errors.NOT_NEWER
    install(board, chip, "system_three")
    record.install(digest("system_three"))
    record.keep()
    start(board, chip)
    start(board, chip)
    record = action.Action(board)
    record.settle()
    assert record.kind == action.NONE  # it rests: the action goes on
    assert targets.fate(board, digest("system_three")) == targets.RESTS


def test_alibaba_is_told_of_firmware_that_went_back():
    board, chip = esp_board()
    told = []

    class Module:
        module = "SYSTEM"
        version = "1.0.0"

        def inform(self, version):
            told.append(version)

        def tell_late(self, step, about, mark):
            told.append((step, about))
            reports.forget(self)

    module = Module()
    module.board = board
    install(board, chip, "system")
    client_store.of(board).put(b"aliyunSYSTEM", digest("system")[:8])
    start(board, chip)
    assert not reports.greet(module) and not told  # it is on trial
    start(board, chip)
    assert reports.greet(module) and told == ["1.0.0"]  # it rests
    store = client_store.of(board)
    store.put(b"sysSYSTEM", store.get(b"sysSYSTEM")[:41] + b"\x30")  # three rounds
    assert reports.greet(module)
    assert told[1:] == ["1.0.0", ("-1", str(errors_boot.NOT_CONFIRMED))]
    assert reports.greet(module) and told[3:] == ["1.0.0"]


def mboot_board():
    board = board_of("sd")
    disk = Disk(SIZE, 4096, 256, power=board.power, name="xspi")
    rom = Rom(disk, 0x90000000)
    return board, disk, rom


def mboot_start(board, disk, rom):
    if hasattr(board, "client_store"):
        del board.client_store
    version = {digest(name): version for name, version in _IMAGES}.get(
        bytes(sha256(rom.flash).digest()), FIRST
    )
    storage = Storage(disk, 4096, 256)
    target = Mboot(storage, 8192, SIZE - 8192, 0x90002000, version, _STATUS, rom.mem32)
    board.systems = {"SYSTEM": target}
    return target


def test_mboot_gets_what_it_needs_and_programs_it():
    board, disk, rom = mboot_board()
    rom.mem32[_STATUS] = 0
    target = mboot_start(board, disk, rom)
    update = UpdateWriter(board)
    update.begin(signed("system"))
    bring(update, payload("system"), 1000)
    assert not target.elements
    update.end()
    assert bytes(disk.data[:8192]) == b"\xff" * 8192
    rom.bootloader(target.elements)
    target = mboot_start(board, disk, rom)
    assert target.version() == TWO and last_result(board, "SYSTEM") is None
    assert confirm(board) and last_result(board, "SYSTEM").result == CONFIRMED


def test_mboot_that_refuses_the_file_is_a_failure_and_lost_words_are_none():
    for status, result in ((-20 & 0xFFFFFFFF, REVERTED), (1, None), (0, None)):
        board, disk, rom = mboot_board()
        mboot_start(board, disk, rom)
        update = UpdateWriter(board)
        update.begin(signed("system"))
        bring(update, payload("system"), 1000)
        update.end()
        rom.mem32[_STATUS] = status
        mboot_start(board, disk, rom)
        last = last_result(board, "SYSTEM")
        assert (last.result if last else None) == result
        if result:
            raises(errors_net.RESTING, UpdateWriter(board).begin, signed("system"))
        else:
            assert UpdateWriter(board).begin(signed("system"))


def test_a_board_without_firmware_to_update_has_nothing_to_tell():
    board = board_of("sd")
    assert targets.of(board) == {} and last_result(board, "SYSTEM") is None
    assert not confirm(board)
