"""A bundle on a card: found, taken, and renamed once its image runs for good; or refused."""

import os
import struct
from hashlib import sha256
from io import BytesIO

from card_kit import ON_MICROPYTHON, make_card, names, write
from fragments_kit import client_store_of, restarted, simple_board, trial_board
from fwboot import main
from fwcore import errors, errors_boot, errors_net
from fwcore import state as states
from fwcore.errors import FwError
from fwcore.header import Header
from fwcore.manifest import version_word
from fwcore.state import State
from helpers import raises
from test_firmware_targets import esp_board, install
from test_firmware_targets import start as start_chip
from ufota.client import FAILED, READY
from ufota.fleet_client import FleetClient
from ufota.sources import verdicts
from ufota.sources.card import CardSource
from ufota.sources.card_mark import Comparison, Mark
from ufota.sources.group import Group
from ufota.trial import confirm, reject
from ufota_testkit import simboard
from ufota_testkit.noise import noise
from update_kit import CLASS_KEY, FakeSource, bundle, payload, signed, staged
from update_kit import OLD as FIRST

BOTH = True  # runs on CPython and on MicroPython

SMALL = version_word("2.0.0"), payload("small")
OLD = 1, noise(1200, 1)
BUNDLE = bundle("small")


def teardown_function(_):
    make_card().remove()


def start(board, card, **more):
    """The device starts: (client, CardSource)."""
    found = CardSource(restarted(board), card.path, settle_ms=more.pop("settle_ms", 0), **more)
    return FleetClient(board, found), found


def poll(board, card):
    """What an application does with a card. True when an update is READY; raises FwError."""
    client, _ = start(board, card)
    return client.poll() and client.run()


def boot(board):
    image = main.run(board)
    assert image, board.lines[-6:]
    return simboard.read(board, image.slot)


def with_card(board, data=BUNDLE, name="update.bin"):
    card = make_card()
    if data is not None:
        write(card, name, data)
    return board, card


def test_bundle_is_taken_and_renamed_once_its_image_runs():
    for kind in simboard.KINDS:
        for has_store in (True, False):
            board, card = with_card(simple_board(kind, has_store=has_store))
            client, found = start(board, card)
            assert found.cost == 100 and client.poll() and client.run()
            assert client.state == READY and staged(board) == [SMALL]
            assert not client.poll() and names(card) == ["update.bin"]
            assert boot(board) == SMALL
            raises(errors.NOT_NEWER, poll, board, card)
            assert names(card) == ["update.done"]
            assert not poll(board, card)
            assert not has_store or client_store_of(board).get(b"drop") is None


def test_bundle_is_renamed_after_the_confirm_and_not_before():
    for mode in simboard.MODES:
        board, card = with_card(trial_board(mode))
        assert poll(board, card)
        assert not poll(board, card)  # it waits for the reset
        assert boot(board) == SMALL
        assert not poll(board, card) and names(card) == ["update.bin"]
        assert confirm(board)
        raises(errors.NOT_NEWER, poll, board, card)
        assert names(card) == ["update.done"]


def test_image_that_went_back_gives_its_reason_to_the_file():
    for mode in simboard.MODES:
        board, card = with_card(trial_board(mode))
        assert poll(board, card) and boot(board) == SMALL
        reject(board, 300)
        assert boot(board) == FIRST
        raises(errors_boot.BLACK_LISTED, poll, board, card)
        assert names(card) == ["update.e300"]
        assert not poll(board, card)


def test_firmware_that_is_laid_aside_gives_its_number_to_the_file_without_a_state_too():
    board, chip = esp_board()
    for _ in range(3):
        for _ in range(5):  # it rests for four starts at most
            try:
                install(board, chip, "system")
                break
            except FwError:
                start_chip(board, chip)
        start_chip(board, chip)
        start_chip(board, chip)
    board, card = with_card(board, bundle("system"))
    client = FleetClient(board, CardSource(board, card.path, settle_ms=0))
    assert client.poll()
    raises(errors_boot.BLACK_LISTED, client.run)
    assert names(card) == ["update.e84"] and not client.poll()


def test_an_image_that_nobody_confirmed_rests_and_its_file_stays():
    for confirms, name in ((True, "update.done"), (False, "update.e80")):
        board, card = with_card(trial_board("direct"))
        for waits in (1, 4, 0):
            assert poll(board, card)
            assert boot(board) == SMALL
            if confirms and not waits:
                assert confirm(board)
                raises(errors.NOT_NEWER, poll, board, card)
                break
            assert boot(board) == boot(board) == SMALL and boot(board) == FIRST
            for left in range(waits, 0, -1):
                assert raises(errors_net.RESTING, poll, board, card).at == left
                assert names(card) == ["update.bin"] and boot(board) == FIRST
        for _ in range(3):
            assert not poll(board, card)
        assert names(card) == [name]


def test_black_listed_image_of_an_earlier_update_gives_the_number_of_that():
    board, card = with_card(trial_board("overwrite"))
    state = State(board)
    state.blacklist(Header(1, 1, sha256(SMALL[1]).digest(), b""))
    state.reason = 301
    state.put()
    raises(errors_boot.BLACK_LISTED, poll, board, card)
    assert names(card) == ["update.e84"]


def test_file_that_is_no_update_for_this_device_is_refused_once():
    cases = (
        (b"x", errors.MALFORMED),
        (b"0", errors.MALFORMED),
        (noise(3000, 1), errors.MALFORMED),
        (b"\x30\x82\xff\xff" + bytes(600), errors.MALFORMED),
        (BUNDLE[:100], errors.MALFORMED),
        (BUNDLE[:-1], errors_net.OTHER_LENGTH),
        (BUNDLE + b"x", errors_net.OTHER_LENGTH),
        (BUNDLE[:-1] + b"x", errors.CORRUPT),
        (signed("small"), errors.BAD_URL),
        (bundle("stranger"), errors.BAD_SIGNATURE),
        (bundle("other_vendor"), errors.WRONG_VENDOR),
        (bundle("other_class"), errors.WRONG_CLASS),
        (bundle("other_component"), errors_net.WRONG_COMPONENT),
        (bundle("combined"), errors.UNSUPPORTED),
        (bundle("too_big"), errors.TOO_BIG),
    )
    board = simple_board("spi")
    for data, code in cases:
        card = with_card(board, data)[1]
        client, _ = start(board, card)
        raises(code, lambda client=client: client.poll() and client.run())
        ending = "e%d" % code
        assert names(card) == ["update." + ending], (code, names(card))
        assert client.state == FAILED and not client.poll()
        write(card, "update.bin", BUNDLE)
        if code != errors.CORRUPT:
            assert boot(board) == OLD
    assert client.poll() and client.run() and boot(board) == SMALL


def test_whatever_was_changed_in_an_encrypted_bundle_its_name_is_the_same():
    data = bundle("packed_encrypted")
    for at in (-1, -17, -33, len(signed("packed_encrypted"))):  # padding, image, wrapped key
        board = simple_board("spi")
        board.class_key = lambda: CLASS_KEY
        bad = bytearray(data)
        bad[at] ^= 1
        card = with_card(board, bytes(bad))[1]
        raises(errors.CORRUPT, poll, board, card)
        assert names(card) == ["update.e26"]


def test_older_bundle_is_refused_with_its_number():
    board, card = with_card(trial_board("overwrite"), bundle("later"))
    assert poll(board, card) and boot(board) and confirm(board)
    raises(errors.NOT_NEWER, poll, board, card)
    write(card, "update.bin", BUNDLE)
    raises(errors_boot.BELOW_FLOOR, poll, board, card)
    assert names(card) == ["update.done", "update.e83"]
    board, card = with_card(simple_board("spi"), bundle("later"))
    assert poll(board, card) and boot(board)
    write(card, "update.bin", BUNDLE)
    raises(errors.NOT_NEWER, poll, board, card)
    assert names(card) == ["update.e27"]


def test_user_says_no_and_the_file_is_not_offered_again():
    for which, code in (
        ("approve_download", errors.DOWNLOAD_DENIED),
        ("approve_install", errors.INSTALL_DENIED),
    ):
        board, card = with_card(simple_board("spi"))
        client = FleetClient(board, CardSource(board, card.path, settle_ms=0), **{which: bool_no})
        raises(code, lambda client=client: client.poll() and client.run())
        assert names(card) == ["update.e%d" % code]


def bool_no(found):
    return False


def test_litter_is_ignored():
    board, card = with_card(simple_board("spi"), None)
    for name in ("._update.bin", ".DS_Store", "update.bin.part", "update.done", "xupdate.bin"):
        write(card, name, BUNDLE)
    for folder in (".Trashes", ".fseventsd"):
        os.mkdir(card.path + "/" + folder)
    before = names(card)
    assert not poll(board, card)
    write(card, "update.bin", b"")
    assert not poll(board, card)
    os.remove(card.path + "/update.bin")
    os.mkdir(card.path + "/update.bin")
    assert not poll(board, card) and names(card) == sorted(before + ["update.bin"])
    os.rmdir(card.path + "/update.bin")
    write(card, "update.bin", BUNDLE)
    assert poll(board, card)


def test_folder_of_the_new_name_is_in_the_way():
    board, card = with_card(simple_board("spi"), bundle("stranger"))
    os.mkdir(card.path + "/update.e23")
    raises(errors.BAD_SIGNATURE, poll, board, card)
    assert names(card) == ["update.bin", "update.e23"]
    assert not poll(board, card)
    os.rmdir(card.path + "/update.e23")
    assert not poll(board, card)  # after a start it is tried once more
    assert names(card) == ["update.e23"]


def test_file_that_still_grows_is_not_taken():
    board, card = with_card(simple_board("spi"), BUNDLE[:600])

    def feed():
        board.fed += 1
        with open(card.path + "/update.bin", "ab") as file:
            file.write(BUNDLE[600 : 600 + 1])

    client, _ = start(board, card, settle_ms=100)
    plain, board.feed = board.feed, feed
    assert not client.poll() and names(card) == ["update.bin"]
    board.feed = plain
    write(card, "update.bin", BUNDLE)
    fed = board.fed
    assert client.poll() and board.fed > fed and client.run()


def test_file_that_took_the_place_of_a_refused_one_is_not_renamed():
    board, card = with_card(simple_board("spi"), bundle("stranger"))
    client, found = start(board, card)
    assert client.poll()
    plain = found.close

    def close():
        plain()
        write(card, "update.bin", BUNDLE)

    found.close = close
    raises(errors.BAD_SIGNATURE, client.run)
    found.close = plain
    assert names(card) == ["update.bin"] and client.poll() and client.run()


def test_locked_card_is_not_touched_and_renamed_when_it_can_be():
    for data, code, ending in (
        (BUNDLE, errors.NOT_NEWER, "done"),
        (bundle("stranger"), errors.BAD_SIGNATURE, "e23"),
    ):
        for board in (simple_board("spi"), trial_board("overwrite")):
            card = with_card(board, data)[1]
            card.lock()
            if ending == "done":
                assert poll(board, card) and boot(board) == SMALL
                confirm(board)
            client, _ = start(board, card)
            raises(code, lambda client=client: client.poll() and client.run())
            assert not client.poll() and not client.poll()
            assert not poll(board, card)  # after a reset, too
            assert names(card) == ["update.bin"]
            card.lock(False)
            assert not client.poll() and names(card) == ["update.bin"]
            assert not poll(board, card) and names(card) == ["update." + ending]
            assert client_store_of(board).get(b"drop") is None


def test_locked_card_with_another_file_is_looked_at():
    board, card = with_card(simple_board("spi"), bundle("stranger"))
    card.lock()
    raises(errors.BAD_SIGNATURE, poll, board, card)
    card.lock(False)
    write(card, "update.bin", BUNDLE)
    card.lock()
    assert poll(board, card)


def test_file_mended_behind_its_manifest_is_another_file():
    """Same size, same first bytes: only its date tells."""
    board, card = with_card(simple_board("spi"), BUNDLE[:-1] + b"x")
    card.lock()
    raises(errors.CORRUPT, poll, board, card)
    assert not poll(board, card)
    card.lock(False)
    write(card, "update.bin", BUNDLE)
    card.touch()
    card.lock()
    assert poll(board, card)


BAD = BUNDLE[:-1] + b"x"  # same size, same first 512 bytes


def copy(card, data):
    """With the time of the file, as `cp -p` does and Explorer."""
    write(card, "update.bin", data)
    card.same_time()


def test_file_mended_with_its_time_kept_is_another_file():
    """Same size, same time, same first 512 bytes: only its bytes tell."""
    for make in (lambda: simple_board("spi"), lambda: trial_board("overwrite")):
        for restarts in (False, True):
            board, card = with_card(make(), None)
            copy(card, BAD)
            card.lock()
            client, _ = start(board, card)
            raises(errors.CORRUPT, lambda client=client: client.poll() and client.run())
            assert not client.poll() and not client.poll()
            card.lock(False)
            copy(card, BUNDLE)
            if restarts:
                client, _ = start(board, card)
            assert not client.poll()  # this look finds that it is another
            assert names(card) == ["update.bin"]
            assert client.poll() and client.run() and boot(board) == SMALL
            confirm(board)
            raises(errors.NOT_NEWER, poll, board, card)
            assert names(card) == ["update.done"]
            assert client_store_of(board).get(b"drop") is None


def test_refused_file_stays_refused_at_each_look():
    board, card = with_card(simple_board("spi"), None)
    copy(card, BAD)
    card.lock()
    raises(errors.CORRUPT, poll, board, card)
    note = client_store_of(board).get(b"drop")
    for _ in range(3):
        client, _ = start(board, card)
        for _ in range(3):
            assert not client.poll()
    assert client_store_of(board).get(b"drop") == note
    card.lock(False)
    assert not poll(board, card) and names(card) == ["update.e26"]


def test_what_was_refused_for_its_manifest_is_so_whatever_follows():
    """The mark covers what was read: no more was judged."""
    board, card = with_card(simple_board("spi"), None)
    stranger = bundle("stranger")
    copy(card, stranger)
    card.lock()
    raises(errors.BAD_SIGNATURE, poll, board, card)
    card.lock(False)
    copy(card, stranger[:-1] + b"x")
    assert not poll(board, card) and names(card) == ["update.e23"]


def test_mended_file_does_not_inherit_failed_installations():
    board, card = with_card(simple_board("spi"), None)
    copy(card, BUNDLE)
    for _ in range(3):
        assert poll(board, card)
    client, found = start(board, card)
    copy(card, BAD)
    assert not client.poll() and names(card) == ["update.bin"]
    raises(errors.CORRUPT, lambda: client.poll() and client.run())
    assert names(card) == ["update.e26"]


def test_note_that_is_none_is_ignored():
    for note in (b"", b"x", b"\xff" * 12, b"\xff" * 29, b"\xff" * 40):
        board, card = with_card(simple_board("spi"))
        tag = start(board, card)[1]._look()[0]
        client_store_of(board).put(b"drop", (tag + note)[:60])
        client, _ = start(board, card)
        for _ in range(3):
            if client.poll():
                break
        assert client.run() and staged(board) == [SMALL]


def test_long_file_is_compared_piece_by_piece():
    data = noise(40000)
    mark = Mark()
    mark.add(data)
    packed = mark.packed()
    assert packed == struct.pack("<I", 40000) + sha256(data).digest()[:8]
    found = Comparison(packed)
    for _ in range(2):
        assert [found.step(BytesIO(data)) for _ in range(3)] == [None, None, True]
    assert found.step(BytesIO(data + b"x")) is None  # more than was read
    assert [found.step(BytesIO(data)) for _ in range(2)] == [None, True]
    other = bytearray(data)
    other[20000] ^= 1
    assert [found.step(BytesIO(other)) for _ in range(3)] == [None, None, False]
    assert [found.step(BytesIO(data[:30000])) for _ in range(2)] == [None, False]


def test_installation_that_fails_each_time_ends():
    """The boot stage never gets the candidate in: three updates are enough."""
    board, card = with_card(simple_board("spi"))
    for _ in range(3):
        assert poll(board, card)
        assert restarted(board) and staged(board) == [SMALL]
    assert not poll(board, card) and names(card) == ["update.e40"]
    board, card = with_card(trial_board("overwrite"))
    for _ in range(3):
        assert poll(board, card)
        state = State(board)
        state.end(states.REFUSED, 26)
        state.put()
    assert not poll(board, card) and names(card) == ["update.e26"]


def test_card_that_fails_is_not_asked_again_until_it_changes():
    board, card = with_card(simple_board("spi"))
    client, found = start(board, card)
    real = found.readinto

    def broken(mv):
        raise FwError(errors.READ_FAILED, 5)

    found.readinto = broken
    for _ in range(3):
        raises(errors.READ_FAILED, lambda: client.poll() and client.run())
    assert not client.poll() and names(card) == ["update.bin"]
    found.readinto = real
    assert not client.poll()
    card.pull()
    assert not client.poll()
    card.put_back()
    assert client.poll() and client.run()


def test_each_number_says_what_becomes_of_the_file():
    others = errors.NOT_NEWER, errors_boot.BLACK_LISTED  # the result of the image counts
    renamed = kept = 0
    board, card = with_card(simple_board("spi"))
    for code in range(21, 164):
        if verdicts.row(code) == "-" or code in others:
            continue
        card.remove()
        card = with_card(board)[1]
        client, found = start(board, card)
        client.state, client.error = FAILED, FwError(code)
        for turn in range(3):  # a file that could not be read is left alone after three
            url = found.offer()
            assert url, (code, turn)
            found.open(url)
            found.close()
            found.report(client)
            if verdicts.is_of_file(code):
                break
        assert not found.offer(), code
        name = "update.e%d" % code if verdicts.is_of_file(code) else "update.bin"
        assert names(card) == [name], code
        renamed += name != "update.bin"
        kept += name == "update.bin"
    assert renamed > 35 and kept > 40


def test_what_others_report_says_nothing_of_the_file():
    board, card = with_card(simple_board("spi"))
    client, found = start(board, card)
    client.state, client.error = FAILED, FwError(errors.BAD_SIGNATURE)
    found.report(client)
    assert names(card) == ["update.bin"]
    found.open(found.offer())
    found.close()  # and nobody says how it ended
    assert found.offer()
    found.report(client)
    assert names(card) == ["update.bin"]
    found.open(found.offer())
    found.close()
    client.error = FwError(errors.READ_FAILED)
    found.report(client)
    client.error = FwError(errors.BAD_SIGNATURE)
    found.report(client)
    assert names(card) == ["update.bin"] and found.offer()


def test_nothing_is_looked_at_while_an_update_waits_or_is_on_trial():
    for phase in (states.PENDING, states.FORWARD, states.TRIAL, states.BACK):
        board, card = with_card(trial_board("overwrite"))
        state = State(board)
        state.phase = phase
        state.put()
        assert start(board, card)[1].offer() is None


def test_state_that_cannot_be_read_is_an_error():
    board, card = with_card(trial_board("overwrite"))
    board.pulled.add("flash")
    assert raises(errors.READ_FAILED, start(board, card)[1].offer).at in (0, 19)


def test_client_store_that_cannot_be_read_does_not_stop_an_update():
    board, card = with_card(simple_board("spi"))
    board.pulled.add("eeprom")
    assert poll(board, card)
    card = with_card(board, bundle("stranger"))[1]
    card.lock()
    raises(errors.BAD_SIGNATURE, poll, board, card)


def test_record_of_another_kind_is_ignored():
    for record in (b"x", bytes(12), bytes(13), bytes(40)):
        board, card = with_card(simple_board("spi"))
        client_store_of(board).put(b"drop", record)
        assert poll(board, card), record


def test_card_is_mounted_when_it_is_there():
    board = simple_board("spi")
    card = make_card()
    write(card, "update.bin", BUNDLE)
    card.pull()
    calls = []

    def mount():
        calls.append(1)
        card.mount()

    client, _ = start(board, card, mount=mount)
    assert not client.poll() and not client.poll() and len(calls) == 2
    card._pull = 0
    assert client.poll() and client.run()
    count = len(calls)
    assert count == 2 + ON_MICROPYTHON
    os.remove(card.path + "/update.bin")
    assert not client.poll() and len(calls) == count + 1


def test_card_that_took_the_place_of_another_is_seen():
    """What is remembered of the first one, that there is no such file, is not asked for ever."""
    for data in (None, b""):
        board, card = with_card(simple_board("spi"), data)
        client, _ = start(board, card, mount=card.mount)
        assert not client.poll() and not client.poll()
        card.change("update.bin", BUNDLE)
        assert client.poll() and client.run()


def test_file_of_the_new_name_is_replaced():
    board, card = with_card(simple_board("spi"))
    write(card, "update.done", b"an older one")
    write(card, "update.e23", b"an older one")
    assert poll(board, card) and boot(board) == SMALL
    raises(errors.NOT_NEWER, poll, board, card)
    assert names(card) == ["update.done", "update.e23"]
    other = bundle("stranger")
    write(card, "update.bin", other)
    raises(errors.BAD_SIGNATURE, poll, board, card)
    assert names(card) == ["update.done", "update.e23"]
    for name, data in (("update.done", BUNDLE), ("update.e23", other)):
        assert os.stat(card.path + "/" + name)[6] == len(data)


def test_name_may_be_in_capitals_where_the_file_system_does_not_care():
    if not ON_MICROPYTHON:
        return  # a folder of this computer does care
    board, card = with_card(simple_board("spi"), BUNDLE, "UPDATE.BIN")
    assert poll(board, card) and boot(board) == SMALL
    raises(errors.NOT_NEWER, poll, board, card)
    assert names(card) == ["update.done"]


def test_answer_later_is_asked_again_after_a_reset():
    for which in ("approve_download", "approve_install"):
        for make in (lambda: simple_board("spi"), lambda: trial_board("overwrite")):
            board, card = with_card(make())
            for _ in range(4):  # more often than a file may fail
                asked, source = [], CardSource(restarted(board), card.path, settle_ms=0)
                client = FleetClient(board, source, **{which: asked.append})  # None: later
                assert client.poll() and not client.run() and len(asked) == 1
                assert not client.poll() and not client.run() and len(asked) == 2
                assert boot(board)[0] == 1 and names(card) == ["update.bin"]
            assert poll(board, card) and boot(board) == SMALL


def test_part_of_a_file_is_read():
    board, card = with_card(simple_board("spi"))
    found = start(board, card)[1]
    url = found.offer()
    mv = memoryview(bytearray(300))
    raises(errors.READ_FAILED, found.readinto, mv)
    found.open(url)
    assert found.readinto(mv) == 300 and bytes(mv) == BUNDLE[:300]
    assert (found.at, found.length) == (0, len(BUNDLE)) and len(found.tag) == 12
    assert struct.unpack("<I", found.tag[:4])[0] == len(BUNDLE)
    tag = found.tag
    for at, given, begins in (
        (700, tag, 700),
        (700, b"", 700),
        (700, b"other", 0),
        (len(BUNDLE), tag, len(BUNDLE)),
        (len(BUNDLE) + 1, tag, 0),
    ):
        found.open(url, at, given)
        count = found.readinto(mv)
        assert found.at == begins and bytes(mv[:count]) == BUNDLE[begins : begins + 300]
        assert bool(count) == (begins < len(BUNDLE))
    found.wait(10)
    found.close()
    found.close()
    raises(errors.READ_FAILED, found.readinto, mv)
    for other in ("/etc/passwd", card.path + "/../x", "http://h/update.bin", ""):
        raises(errors.BAD_URL, found.open, other)
    os.remove(card.path + "/update.bin")
    raises(errors.READ_FAILED, found.open, url)


def test_card_pulled_between_two_reads_gives_a_number():
    board, card = with_card(simple_board("spi"), bundle("two"))
    found = start(board, card)[1]
    url = found.offer()
    mv = memoryview(bytearray(600))
    found.open(url)
    assert found.readinto(mv) == 600
    card.pull()
    assert raises(errors.READ_FAILED, found.readinto, mv).at == 19
    raises(errors.READ_FAILED, found.open, url)
    assert found.offer() is None
    card.put_back()
    found.open(found.offer(), 600, found.tag)
    assert found.readinto(mv) == 600 and bytes(mv) == bundle("two")[600:1200]


def test_file_is_closed_before_it_is_opened_again():
    if ON_MICROPYTHON:
        return  # a FAT does not tell how many are open
    board, card = with_card(simple_board("spi"))
    found = start(board, card)[1]
    for _ in range(3):
        found.open(found.offer())
    assert card.files == 1
    found.close()
    assert card.files == 0


def test_same_size_other_content_is_another_file():
    board, card = with_card(simple_board("spi"))
    found = start(board, card)[1]
    found.open(found.offer())
    tag = found.tag
    other = bytearray(BUNDLE)
    other[20] ^= 1
    write(card, "update.bin", bytes(other))
    found.open(found.offer(), 100, tag)
    assert found.at == 0 and found.tag[8:] != tag[8:]


def test_random_bytes_end_in_a_number():
    board, card = with_card(simple_board("spi"), None)
    whole = bytearray(bundle("stranger"))
    for seed in range(60):
        dice = noise(8, seed)
        data = whole[:]
        for i in range(0, 8, 2):
            data[dice[i] % 64] = dice[i + 1]
        write(card, "update.bin", bytes(data))
        try:
            assert not poll(board, card)
        except FwError as error:
            assert 20 < error.code < 80
        for name in names(card):
            os.remove(card.path + "/" + name)
    write(card, "update.bin", BUNDLE)
    assert poll(board, card) and boot(board) == SMALL


class Web(FakeSource):
    """Another news source, dearer than a card."""

    cost = 700
    at = 0
    tag = b""
    header = b""

    def offer(self):
        return "http://host/update"

    def open(self, url, at=0, tag=b""):
        if not url.startswith("http:"):
            raise FwError(errors.BAD_URL)
        super().open(url)

    def report(self, client):
        pass


def grouped(board, card):
    found = CardSource(board, card.path, settle_ms=0)
    web = Web({"http://host/update": bundle("later")})
    return FleetClient(board, Group([web, found], board)), web


def test_card_goes_before_the_network_and_a_refused_one_is_left_out():
    board, card = with_card(simple_board("spi"))
    client, web = grouped(board, card)
    assert client.poll() and client.run() and not web.opened
    assert staged(board) == [SMALL]
    board, card = with_card(simple_board("spi"), bundle("stranger"))
    client, web = grouped(board, card)
    raises(errors.BAD_SIGNATURE, lambda: client.poll() and client.run())
    assert names(card) == ["update.e23"] and not web.opened
    assert client.poll() and client.run()
    assert staged(board)[0][1] == payload("later") and names(card) == ["update.e23"]
    board, card = with_card(simple_board("spi"), None)
    client, web = grouped(board, card)
    assert client.poll() and client.run() and len(web.opened) == 1
