"""Attacks on an update, each under its name: nothing is erased, or nothing becomes bootable.

Everything but the boot stage's own defences (test_boot.py) and the manifest parser's fuzzing.
"""

import gc
from hashlib import sha256

from fwboot import main
from fwcore import errors, errors_net, header
from fwcore.errors import FwError
from fwcore.manifest import version_word
from helpers import raises
from ufota import client
from ufota.sources import http
from ufota_testkit import simboard
from ufota_testkit.noise import noise
from ufota_testkit.simboard import active_slot, candidate_slots, put
from update_kit import (
    MANIFEST_URL,
    PAYLOAD_URL,
    FakeSource,
    Key,
    Page,
    bundle,
    payload,
    refused,
    running,
    setup,
    signed,
    staged,
    update,
)

BOTH = True  # runs on CPython and on MicroPython
HEAP = "1M"

V2 = version_word("2.0.0")
EMPTY = (0, None)
OLD = 1, noise(1200, 1)
UNSIGNED = errors.MALFORMED, errors.BAD_SCHEMA, errors.BAD_SIGNATURE


def refused_untouched(code, pages, kind="sd"):
    """Refused before any erase."""
    made = setup(pages, kind)
    refused(code, made)
    assert made[0].power.ops == 0
    return made


def boots_old(board):
    assert main.run(board).head.version == 1
    assert running(board) == OLD


def test_tampered_bundle_in_every_region():
    good = bundle("two")
    frame = len(signed("two"))
    signature = frame - 64
    untouched = 0
    for at in list(range(0, frame, 3)) + [signature, frame - 1, frame, frame + 4095, -1]:
        bad = bytearray(good)
        bad[at] ^= 0x20
        made = setup({MANIFEST_URL: bytes(bad)})
        raises_one_of(
            (errors.MALFORMED, errors.BAD_SCHEMA, errors.BAD_SIGNATURE, errors.CORRUPT), made
        )
        untouched += made[0].power.ops == 0
        assert (made[0].power.ops == 0) == (0 <= at < frame)
        assert staged(made[0]) == [EMPTY]
        boots_old(made[0])
    assert untouched == len(range(0, frame, 3)) + 2


def raises_one_of(codes, made):
    try:
        update(made)
    except FwError as error:
        assert error.code in codes, error.code
        return
    raise AssertionError("accepted")


def test_signature_by_another_key():
    refused_untouched(errors.BAD_SIGNATURE, {MANIFEST_URL: bundle("stranger")})


def test_signature_of_another_manifest():
    forged = signed("other_class")[:-64] + signed("two")[-64:]
    refused_untouched(errors.BAD_SIGNATURE, {MANIFEST_URL: forged + payload("two")})


def test_signature_of_zeros_ones_and_the_group_order():
    n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    numbers = [0, 1, n, n - 1, n + 1, (1 << 256) - 1]
    for r in numbers:
        for s in numbers:
            pair = r.to_bytes(32, "big") + s.to_bytes(32, "big")
            refused_untouched(
                errors.BAD_SIGNATURE, {MANIFEST_URL: signed("two")[:-64] + pair + payload("two")}
            )


def test_other_vendor_other_class_other_component():
    refused_untouched(errors.WRONG_VENDOR, {MANIFEST_URL: bundle("other_vendor")})
    refused_untouched(errors.WRONG_CLASS, {MANIFEST_URL: bundle("other_class")})
    refused_untouched(errors_net.WRONG_COMPONENT, {MANIFEST_URL: bundle("other_component")})


def test_device_without_identity_takes_no_update():
    for vendor, class_ in ((b"", simboard.CLASS_ID), (simboard.VENDOR_ID, b"")):
        board, _source, _machine = made = setup({MANIFEST_URL: bundle("two")})
        board.vendor_id, board.class_id = vendor, class_
        raises_one_of((errors.WRONG_VENDOR, errors.WRONG_CLASS), made)
        assert board.power.ops == 0


def test_older_and_same_version():
    for active in (V2, V2 + 1, version_word("10.0.0"), (1 << 64) - 1):
        board, _source, machine = setup({MANIFEST_URL: bundle("two")})
        put(board, active_slot(board), active, OLD[1])
        machine.start(MANIFEST_URL)
        raises(errors.NOT_NEWER, machine.run)
        assert board.power.ops == 0


def test_swapped_payload():
    swapped = payload("two")[2500:] + payload("two")[:2500]
    for pages in (
        {MANIFEST_URL: signed("two") + swapped},
        {MANIFEST_URL: signed("two"), PAYLOAD_URL: swapped},
    ):
        made = setup(pages)
        refused(errors.CORRUPT, made)
        assert staged(made[0]) == [EMPTY]
        boots_old(made[0])


def test_truncated_bundle_at_every_length():
    good = bundle("small")
    frame = len(signed("small"))
    for end in list(range(0, frame + 40, 5)) + list(range(frame + 40, len(good), 61)):
        made = setup({MANIFEST_URL: Page(good[:end], None)})
        # At the frame's end it is a manifest, and nothing answers at its address.
        code = errors.CONNECT if end == frame else errors.CUT_SHORT
        error = refused(errors.MALFORMED if end < frame else code, made)
        assert end >= frame or error.at == end
        assert staged(made[0]) == [EMPTY]
        boots_old(made[0])


def test_manifest_with_huge_lengths():
    tail = signed("two")[4:]
    for head in (
        b"\x30\x82\xff\xff",
        b"\x30\x83\x01\x00\x00",
        b"\x30\x84\x7f\xff\xff\xff",
        b"\x30\x88" + b"\xff" * 8,
        b"\x30\xff" + b"\xff" * 127,
        b"\x30\x80",
        b"\x30\x82\x04\x01",
    ):
        made = refused_untouched(errors.MALFORMED, {MANIFEST_URL: Page(head + tail * 30, None)})
        assert made[2]._have <= 4096
    refused_untouched(errors.TOO_BIG, {MANIFEST_URL: signed("huge")})


def test_hostile_manifest_allocates_less_than_the_buffer():
    """All that is allocated, garbage included; CPython has no such figure."""
    for start in (b"\x30\x82\xff\xff", b"\x30\x84\x7f\xff\xff\xff", b"\x30\x82\x03\xfc"):
        made = setup({MANIFEST_URL: Page(start + b"\x0a\x01\x03\x30\x82\xff\xff" * 500, None)})
        if not hasattr(gc, "mem_alloc"):
            refused(errors.MALFORMED, made)
            continue
        made[2].start(MANIFEST_URL)
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        try:
            raises(errors.MALFORMED, made[2].run)
            assert gc.mem_alloc() - before < 4096
        finally:
            gc.enable()


def test_inner_length_that_leaves_the_frame():
    good = signed("two")
    for at in range(1, 60):
        for value in (0x7F, 0x81, 0x82, 0x84, 0xFF):
            bad = bytearray(good)
            bad[at] = value
            if bad == good:
                continue
            made = setup({MANIFEST_URL: bytes(bad)})
            raises_one_of(UNSIGNED, made)
            assert made[0].power.ops == 0


def test_endless_body():
    class Endless(FakeSource):
        def _due(self):
            return 1 << 30

        def readinto(self, mv):
            self.length = None
            start = self._page.body[self._at : self._at + len(mv)]
            mv[: len(start)] = start
            for i in range(len(start), len(mv)):
                mv[i] = 0x30
            self._at += len(mv)
            return len(mv)

    for body, code in (
        (b"", errors.MALFORMED),
        (b"\x30\x82\x03\x00", errors.MALFORMED),
        (signed("two")[:-1], errors.BAD_SIGNATURE),
        (bundle("small"), errors.TOO_LONG),
        (bundle("two"), errors.TOO_LONG),
    ):
        board = simboard.make("sd", 1, Key())
        source = Endless({MANIFEST_URL: body})
        machine = client.Client(board, source)
        machine.start(MANIFEST_URL)
        raises(code, machine.run)
        assert source._at <= len(body) + 3 * 4096
        assert staged(board) == [EMPTY]


def test_header_injection_in_the_payload_address():
    class Recorder(http.HttpSource):
        """Fetches the manifest from memory; what it would send over the wire is kept."""

        sent = []

        def open(self, url, at=0, tag=b""):
            if url == MANIFEST_URL:
                self._at = 0
                self.length = None
            else:
                http.HttpSource.open(self, url)

        def readinto(self, mv):
            part = signed(self.name)[self._at : self._at + len(mv)]
            mv[: len(part)] = part
            self._at += len(part)
            return len(part)

        def _connect(self, host, port, path):
            self.sent.append((host, port, path))

    for name, code in (
        ("uri_line_end", errors.MALFORMED),  # not even a manifest
        ("uri_blank", errors.BAD_URL),
        ("uri_scheme", errors.BAD_URL),
        ("uri_user", errors.BAD_URL),
    ):
        board = simboard.make("sd", 1, Key())
        source = Recorder()
        source.name = name
        machine = client.Client(board, source)
        machine.start(MANIFEST_URL)
        raises(code, machine.run)
        assert source.sent == [] and board.power.ops == 0


def test_candidate_header_of_another_device_is_replayed():
    """A card from a device with another root of trust: neither installed nor trusted."""
    other = simboard.Board(simboard.layout("sd", 2), b"another device's")
    for slot in candidate_slots(other):
        put(other, slot, V2, payload("small"))
    board = simboard.make("sd", 2, Key())
    board.disks["sd"].load(0, bytes(other.disks["sd"].data))
    boots_old(board)
    machine = client.Client(board, FakeSource({MANIFEST_URL: bundle("small")}))
    machine.start(MANIFEST_URL)
    assert machine.run()
    assert main.run(board).head.version == V2


def test_own_old_header_over_another_image():
    """A header this device made, with an image it was not made for."""
    board = simboard.make("sd", 1, Key())
    put(board, candidate_slots(board)[0], V2, payload("small"))
    slot = candidate_slots(board)[0]
    board.disks["sd"].data[slot.body_at + 10] ^= 1
    boots_old(board)


def test_internal_header_in_place_of_an_external_one():
    """Its CRC is no secret: on storage that others can write it must not count."""
    board = simboard.make("sd", 1, Key())
    slot = candidate_slots(board)[0]
    image = payload("small")
    put(board, slot, V2, image)
    head = header.Header(V2, len(image), sha256(image).digest(), header.NO_CAMPAIGN)
    board.disks["sd"].load(slot.header_at, header.pack_internal(head))
    boots_old(board)


def test_payload_changed_behind_the_clients_back():
    """Between download and commit: the read-back must not be of the buffer."""
    board, _source, machine = setup({MANIFEST_URL: bundle("two")})
    machine.start(MANIFEST_URL)
    while machine.state != client.VERIFY:
        machine.step()
    board.disks["sd"].data[candidate_slots(board)[0].body_at + 4999] ^= 1
    raises(errors.WRITE_FAILED, machine.run)
    assert staged(board) == [EMPTY]


def test_manifest_is_swapped_after_it_was_approved():
    """The payload's page serves another signed bundle: the digest is the approved one's."""
    pages = {MANIFEST_URL: signed("two"), PAYLOAD_URL: Page(payload("three")[:5000], 5000)}
    made = setup(pages, approve_download=lambda manifest: manifest.version == V2)
    refused(errors.CORRUPT, made)
    assert staged(made[0]) == [EMPTY]
