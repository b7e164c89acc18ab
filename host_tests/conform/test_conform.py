"""The device code agrees with recorded runs of other implementations, on both interpreters."""

import json
import shutil
import subprocess
import sys

import pytest

from helpers import here

COUNTS = {"headers": 39, "boot_scenarios": 38, "manifests": 134, "client_storage": 2, "delta": 3}
STRICTER = [
    "encrypted-raw w/o key blob (enc build)",
    "encrypted-raw + key blob 15 bytes (enc build)",
    "version '1.2'",
    "version 'a.b.c'",
    "version ''",
    "version '1.2.3-rc1'",
    "digest empty",
    "v1_raw in fota_v1_x509",
    "v1_raw_nopriority in fota_v1_x509",
    "v1_delta in fota_v1_x509",
    "v1_vendor_data in fota_v1_x509",
]
LONG = ("test_every_behaviour_of_an_http_server_is_met[cpython]",)
BOTH_INTERPRETERS = pytest.mark.parametrize("on", ["cpython", "micropython"])


def conform(*args):
    """Run the command; returns (exit code, lines)."""
    command = [sys.executable, here("conform.py"), *args]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd="/", timeout=1000)
    return done.returncode, done.stdout.splitlines()


def names(lines, remark):
    """Names of the cases whose line carries the remark."""
    return [line[3 : line.index(" (" + remark)] for line in lines if " (" + remark in line]


def altered(folder, name, change):
    """A copy of vectors/boot_scenarios with one entry, changed by change(entry)."""
    with open(here("vectors/boot_scenarios/index.json")) as file:
        entry = next(entry for entry in json.load(file) if entry["name"] == name)
    change(entry)
    for part in ("flash_before", "storage"):
        shutil.copy(here(f"vectors/boot_scenarios/{name}.{part}.bin.z"), folder)
    (folder / "index.json").write_text(json.dumps([entry]))
    return str(folder)


@BOTH_INTERPRETERS
@pytest.mark.parametrize("kind", list(COUNTS))
def test_every_vector_agrees(kind, on):
    code, lines = conform(kind, here("vectors/" + kind), "--on", on)
    assert code == 0, [line for line in lines if not line.startswith("ok ")]
    assert lines[-1] == f"{COUNTS[kind]} passed, 0 failed"
    assert len(lines) == COUNTS[kind] + 1


@BOTH_INTERPRETERS
def test_every_behaviour_of_an_http_server_is_met(on):
    code, lines = conform("http", here("vectors/http"), "--on", on)
    assert code == 0, [line for line in lines if not line.startswith("ok ")]
    assert lines[-1] == "113 passed, 0 failed"
    with open(here("vectors/http/http_conformance.json")) as file:
        ids = [case["id"] for case in json.load(file)]
    assert [line.split()[1] for line in lines[:-1]] == ids


@BOTH_INTERPRETERS
def test_behaviour_that_nobody_wrote_a_case_for_is_a_failure(tmp_path, on):
    cases = [{"id": "L01", "server_does": "well"}, {"id": "Q99", "server_does": "what?"}]
    (tmp_path / "http_conformance.json").write_text(json.dumps(cases))
    code, lines = conform("http", str(tmp_path), "--on", on)
    assert (code, lines[-1]) == (1, "1 passed, 1 failed")
    assert lines[0].startswith("ok L01 well") and lines[1].startswith("FAIL Q99 what?: ")


@BOTH_INTERPRETERS
def test_stricter_verdicts_are_the_documented_ones(on):
    _, lines = conform("manifests", here("vectors/manifests"), "--on", on)
    assert names(lines, "stricter: ") == STRICTER


@BOTH_INTERPRETERS
def test_only_scenarios_with_a_known_defect_differ_from_the_recorded_run(on):
    _, lines = conform("boot_scenarios", here("vectors/boot_scenarios"), "--on", on)
    assert len(names(lines, "ours: ")) == 5


@BOTH_INTERPRETERS
@pytest.mark.parametrize(
    "field, value",
    [
        ("booted", False),
        ("log", "\r\nMbed Bootloader\r\nbooting...\r\n\r\n<jump to 0x4400>\n"),
        ("header112_after", "00" * 112),
        ("active_version_after", "201"),
        ("active_image_sha256_after", "00" * 32),
        ("active_image_valid_after", False),
        ("storage_unchanged", False),
        ("slots", [[0, 4096]]),
        ("flash_before_sha256", "00" * 32),
        ("ours", {"active_version_after": "100"}),
        ("ours", {"flash_unchanged": True}),
    ],
)
def test_a_difference_is_a_failure(tmp_path, field, value, on):
    def change(entry):
        entry[field] = value

    folder = altered(tmp_path, "sd-02-newer-candidate", change)
    code, lines = conform("boot_scenarios", folder, "--on", on)
    assert code == 1
    assert lines[0].startswith("FAIL sd-02-newer-candidate: ")
    assert lines[-1] == "0 passed, 1 failed"


@BOTH_INTERPRETERS
@pytest.mark.parametrize("op", [1, 2, 3, 30, 31, 1531])
def test_flash_with_uneven_sectors_and_injected_errors(tmp_path, op, on):
    """The header has a 4 KiB sector of its own, the image a 16 KiB one: two erases. Any
    failed operation is made good by the second try."""
    erase = "[DBG ] Erase active application\r\n"
    separate = erase + "[DBG ] Erasing header separately from active application\r\n"
    again = "[DBG ] Update active firmware\r\n"

    def change(entry):
        entry["layout"]["sector"] = "4096x8,16384x2"
        entry["extra"] = {"fail_op": op, "copy_retries": 2}
        start, steps = entry["log"].replace(erase, separate).split(again)
        if op <= 2:
            failed = separate
        elif op <= 2 + 112 // 4:
            failed = separate + "[DBG ] Write header\r\n"
        else:
            failed = steps.split("[DBG ] Verify")[0]
        failed += "[DBG ] Firmware update failed\r\n"
        entry["log"] = start + again + failed + again + steps

    folder = altered(tmp_path, "spi-02-newer-candidate", change)
    code, lines = conform("boot_scenarios", folder, "--on", on)
    assert (code, lines[-1]) == (0, "1 passed, 0 failed"), lines


@BOTH_INTERPRETERS
def test_no_root_of_trust_is_no_candidate(tmp_path, on):
    def change(entry):
        entry["extra"] = {"no_rot": 1}

    folder = altered(tmp_path, "sd-10-wrong-rot", change)
    assert conform("boot_scenarios", folder, "--on", on)[0] == 0


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("headers",),
        ("nonsense", here("vectors/headers")),
        ("headers", here("vectors/headers"), "--on", "lua"),
        ("headers", here("vectors")),
        ("boot_scenarios", here("vectors/headers")),
        ("headers", "/nowhere"),
        ("http", here("vectors/headers")),
    ],
)
@BOTH_INTERPRETERS
def test_wrong_usage_and_folders_without_vectors_are_exit_2(args, on):
    if len(args) == 2:
        args += ("--on", on)
    assert conform(*args)[0] == 2
