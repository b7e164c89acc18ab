"""Bytes from outside, whatever they are: a numbered error or a sound result, in little memory."""

import copy
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fwboot import main
from fwcore import header, layout, manifest
from fwcore.errors import FwError
from fwcore.formats import ARM_PATCH, RAW, check
from fwcore.p256 import PublicKey
from fwcore.stage import unpack_stage
from helpers import here
from images import head_of, load, packed
from test_layout import good as flat_layout
from test_manifest import FIELDS, OCTETS, body, made, metadata, number, sign, tlv, verify
from ufota_testkit.noise import noise
from ufota_testkit.simboard import KINDS, active_slot, candidate_slots, make, read
from ufota_testkit.simboard import layout as board_layout

LIMIT = 32 * 1024  # bytes one call may have allocated at any moment, for 4 KiB of input
KEY = header.device_key(bytes(16))
FORMATS = (RAW, ARM_PATCH)


def taken(data, verify):
    """A manifest as a device takes it that applies Arm's patches."""
    found = manifest.read(data, verify)
    check(found, FORMATS)
    return found


quick = settings(max_examples=400, deadline=None)
slow = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
u64 = st.integers(0, 2**64 - 1)


def outcome(function, *args):
    """The result, or the FwError; nothing else may come out, and memory is bounded."""
    tracemalloc.start()
    try:
        return function(*args)
    except FwError as error:
        return error
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < LIMIT, peak


@st.composite
def mutations(draw, data):
    """data with a few bytes set, pieces cut out, and bytes put in."""
    data = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        cut = draw(st.integers(0, 3))
        data[at : at + cut] = draw(st.binary(max_size=cut + draw(st.integers(0, 1)) * 200))
    return bytes(data)


DELTA = made(format=number(5, 0x0A), metadata=metadata(bytes(32), bytes(32)))
FULL = made(uri=tlv(0x0C, b"u" * 200), vendor_data=tlv(OCTETS, bytes(40)))


# Manifests


@quick
@given(st.one_of(st.binary(max_size=4096), mutations(DELTA), mutations(FULL)))
def test_manifest_from_any_bytes_is_refused_with_a_number(data):
    for buf in (data, memoryview(data), bytearray(data)):
        assert isinstance(outcome(taken, buf, verify), (FwError, manifest.Manifest))


@quick
@given(st.one_of(st.binary(max_size=600), mutations(body()), mutations(body(uri=FULL[80:90]))))
def test_anything_a_trusted_signer_signed_is_a_number_or_a_sound_manifest(content):
    """The signature is right, so this reaches the fields."""
    found = outcome(taken, sign(content), verify)
    if not isinstance(found, FwError):
        check_sound(found)


@quick
@given(st.data())
def test_any_field_replaced_is_a_number_or_a_sound_manifest(data):
    names = [name.replace(" ", "_") for name, _ in FIELDS]
    tag = st.sampled_from([0x02, 0x04, 0x0A, 0x0C, 0x30, 0x00, 0xFF])
    der = st.builds(tlv, tag, st.binary(max_size=300))
    changed = data.draw(st.dictionaries(st.sampled_from(names), der, min_size=1, max_size=2))
    found = outcome(taken, made(**changed), verify)
    if not isinstance(found, FwError):
        check_sound(found)


def check_sound(found):
    assert len(found.vendor_id) == len(found.class_id) == 16
    assert len(found.digest) == len(found.installed_digest) == 32
    assert 0 <= found.size < 1 << 31 and 0 <= found.installed_size < 1 << 31
    assert 0 <= found.priority < 1 << 31
    assert found.format in FORMATS
    assert len(found.precursor) == (32 if found.format == ARM_PATCH else 0)
    assert len(found.image_signature) in (0, 64)
    assert len(found.component) <= 8 and len(found.uri) <= 255 and len(found.vendor_data) <= 64
    assert manifest.version_word(manifest.version_text(found.version)) == found.version
    assert (found.component + found.uri).isascii()


@quick
@given(st.binary(min_size=8, max_size=2000), st.integers(0, 2000))
def test_frame_size_of_any_bytes_is_bounded(data, have):
    found = outcome(manifest.frame_size, data, min(have, len(data)))
    assert isinstance(found, FwError) or 0 <= found <= manifest.MAX_SIZE


@quick
@given(mutations(FULL))
def test_frame_size_agrees_with_what_is_read(data):
    found = outcome(taken, data, verify)
    if not isinstance(found, FwError):
        assert manifest.frame_size(data, len(data)) == found.end


@quick
@given(st.text(max_size=14))
def test_version_of_any_text_is_refused_with_a_number(text):
    found = outcome(manifest.version_word, text)
    assert isinstance(found, FwError) or found >> 55 == 1


@pytest.mark.parametrize("name", ["v3_raw", "v3_delta"])
def test_every_single_bit_flip_of_a_signed_manifest_is_refused(name):
    with open(here("vectors/manifests/keys/dev.pub.bin"), "rb") as file:
        key = PublicKey(file.read())
    with open(here(f"vectors/manifests/{name}.manifest.bin"), "rb") as file:
        data = bytearray(file.read())
    assert taken(data, key.verify).end == len(data)
    for at in range(len(data)):
        for bit in range(8):
            data[at] ^= 1 << bit
            with pytest.raises(FwError):
                taken(data, key.verify)
            data[at] ^= 1 << bit


# Headers


@quick
@given(st.one_of(st.binary(max_size=400), mutations(header.pack_external(head_of(1, b""), KEY))))
def test_headers_from_any_bytes_are_refused_with_a_number(data):
    for buf in (data, memoryview(data)):
        for function, *rest in (
            (header.unpack_internal,),
            (header.unpack_external, KEY),
            (unpack_stage, 4096),
        ):
            assert isinstance(outcome(function, buf, *rest), (FwError, header.Header))


@quick
@given(u64, u64, st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16))
def test_any_header_reads_back(version, size, digest, campaign):
    head = header.Header(version, size, digest, campaign)
    assert header.unpack_internal(header.pack_internal(head)) == head
    assert header.unpack_external(header.pack_external(head, KEY), KEY) == head


# Layouts


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["flash", "sd", "fat", 0, 512, 4096, 0x10000]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["device", "start", "size"]), st.integers(), max_size=3),
)


def places(table, path=()):
    """Paths of everything in a layout."""
    for name, value in table.items():
        yield (*path, name)
        if isinstance(value, dict):
            yield from places(value, (*path, name))


@st.composite
def layouts(draw):
    start = draw(st.sampled_from([flat_layout(), *map(board_layout, KINDS)]))
    changed = copy.deepcopy(start)
    for _ in range(draw(st.integers(1, 3))):
        *parents, name = draw(st.sampled_from(list(places(changed))))
        table = changed
        for parent in parents:
            table = table[parent]
        if draw(st.booleans()):
            table[name] = draw(VALUES)
        else:
            del table[name]
        if not changed:
            break
    return changed


@quick
@given(st.one_of(VALUES, layouts(), st.dictionaries(st.text(max_size=8), VALUES)))
def test_any_layout_is_refused_with_a_number_or_sound(made_up):
    if outcome(layout.check, made_up) is not None:
        return
    spans = []
    for name, region in made_up.get("regions", {}).items():
        spans.append((region["device"], region["start"], region["start"] + region["size"], name))
    active = made_up["active"]
    spans.append((active["device"], active["header"], active["header"] + 112, "header"))
    spans.append((active["device"], active["start"], active["start"] + active["size"], "active"))
    for device, start, end, name in spans:
        assert 0 <= start <= end <= made_up["devices"][device]["size"], name
    for a in spans:
        for b in spans:
            if a is not b and a[0] == b[0] and a[1] < a[2] and b[1] < b[2]:
                assert a[2] <= b[1] or b[2] <= a[1], (a, b)


# The boot stage


@slow
@given(st.sampled_from(KINDS), st.data())
def test_any_candidate_leaves_a_device_that_boots(kind, data):
    """Header and body of the candidate are anything; the header may even be authentic."""
    old, new = noise(1200, 1), noise(1500, 2)
    board = make(kind)
    slot = candidate_slots(board)[0]
    load(slot, 2, new)
    digest = data.draw(st.sampled_from([head_of(2, new).digest, bytes(32)]))
    head = header.Header(
        data.draw(u64), data.draw(st.one_of(u64, st.just(1500))), digest, bytes(16)
    )
    if data.draw(st.booleans()):
        raw = packed(slot, head)
    else:
        raw = data.draw(mutations(packed(slot, head_of(2, new))))[: slot.header_size()]
    slot.storage.device.load(slot.header_at, raw)
    found = main.run(board).head
    version, image = read(board, active_slot(board))
    assert found.version == version
    assert image == (old if (version == 1 and image == old) else new)
    if image == new:
        assert version > 1


@slow
@given(st.data())
def test_any_active_header_with_a_good_candidate_boots(data):
    board = make("sd")
    new = noise(1500, 2)
    load(candidate_slots(board)[0], 2, new)
    raw = data.draw(
        st.one_of(
            st.binary(min_size=112, max_size=112),
            mutations(packed(active_slot(board), head_of(1, noise(1200, 1)))),
            st.builds(
                header.pack_internal,
                st.builds(header.Header, u64, u64, st.just(bytes(32)), st.just(bytes(16))),
            ),
        )
    )
    board.disks["flash"].load(0x400, raw[:1024])
    found = main.run(board).head
    assert read(board, active_slot(board)) == (found.version, new)
