"""fwtool as a whole: help, error words, exit codes, and garbage on every reading command."""

import json
import os
import re
import subprocess
import sys

import pytest

from bdev import errors as drivers
from fwcore import errors, errors_boot, errors_net
from fwtool import cli, exits, explain, refusals
from fwtool.images import image
from fwtool_cli import FOR_LAMP, LAYOUT, fwtool, python_environment
from helpers import here
from ufota.decoders import errors as decoders
from ufota_testkit.noise import noise

ARM = here("vectors/manifests/v3_raw.manifest.bin")
ARM_KEY = here("vectors/manifests/keys/dev.cert.der")


def test_help_names_every_command_and_every_exit_code():
    said = fwtool("--help").stdout
    for name in cli.COMMANDS:
        assert name in said
        fwtool(name, "--help")
    for part in ("0 ok", "1 failed", "2 usage", "3 verification", "4 device", "5 refused"):
        assert part in said


def test_help_loads_no_heavy_library():
    code = (
        "import sys; from click.testing import CliRunner; from fwtool.cli import main;"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0;"
        "print([name for name in ('cryptography', 'uvicorn', 'littlefs', 'fatfs', 'bincopy',"
        " 'pyasn1', 'mpremote', 'starlette') if name in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=python_environment()
    )
    assert said.stdout == "[]\n", said.stderr


def test_every_error_code_has_words():
    numbers = [
        value
        for module in (errors, errors_boot, errors_net, drivers, decoders)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, int)
    ]
    rows = explain.table()
    assert [row["code"] for row in rows] == sorted(numbers)
    assert len(rows) == len(set(numbers)) == len({row["name"] for row in rows})
    assert all(row["words"] and row["group"] for row in rows)


def test_explain_takes_numbers_arms_numbers_and_names():
    for text in ("23", "-23", "BAD_SIGNATURE", "bad_signature"):
        assert "not signed by the key" in fwtool("explain", text).stdout
    assert json.loads(fwtool("explain", "23", "--json").stdout)["name"] == "BAD_SIGNATURE"
    assert len(json.loads(fwtool("explain", "--json").stdout)) == len(explain.table())
    for heading in ("Header", "TLS"):
        assert f"\n{heading}\n" in fwtool("explain").stdout
    assert "certificate is for another host" in fwtool("explain", "102").stdout
    for text in ("0", "999", "NO_SUCH", "--verbose"):
        fwtool("explain", text, code=1)


def test_place_of_an_error_is_told():
    at_region = errors.FwError(errors_boot.OVERLAP, ("boot", "user"))
    assert explain.sentence(at_region).endswith("(boot, user)")
    assert explain.sentence(errors.FwError(errors.MALFORMED, 12)).endswith("(at 12)")
    assert explain.sentence(errors.FwError(12345)) == "unknown error"


def test_exit_codes_follow_from_error_codes():
    assert refusals.exit_code(errors.BAD_SIGNATURE) == exits.VERIFY == 3
    assert refusals.exit_code(errors.TIMEOUT) == exits.DEVICE == 4
    assert refusals.exit_code(errors.NOT_NEWER) == exits.REFUSED == 5
    assert refusals.exit_code(errors_boot.OVERLAP) == exits.FAILED == 1
    assert refusals.exit_code(12345) == exits.FAILED


def test_an_unknown_command_is_a_usage_error():
    fwtool("upload", code=2)
    fwtool("manifest", code=2)
    fwtool("manifest", "show", code=2)


def test_no_colours_and_no_traceback_as_a_process(tmp_path):
    command = [
        sys.executable,
        "-P",
        "-m",
        "fwtool.cli",
        "manifest",
        "show",
        str(tmp_path / "missing"),
    ]
    environment = {**python_environment(), "FORCE_COLOR": "1"}
    said = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert said.returncode == 1 and said.stdout == ""
    assert re.fullmatch(r"fwtool: cannot read .*: No such file or directory\n", said.stderr)


# Each must end with a numbered or worded line and exit code 1 or 3, whatever FILE holds.
READING = (
    ("delta", "show", "FILE"),
    ("delta", "apply", "APP", "FILE", "-o", "OUT"),
    ("provision", "-o", "OUT", "--key", ARM_KEY, *FOR_LAMP, "--class-key", "FILE"),
    ("manifest", "show", "FILE"),
    ("manifest", "verify", "FILE", "--key", ARM_KEY),
    ("manifest", "verify", ARM, "--key", ARM_KEY, "--payload", "FILE"),
    ("manifest", "verify", ARM, "--key", "FILE"),
    ("bundle", LAYOUT, "-o", "OUT", "--manifest", "FILE"),
    ("bundle", "--raw", LAYOUT, "-o", "OUT", "--key", "FILE", "--version", "1.0.0", *FOR_LAMP),
    ("header", "show", "FILE"),
    (
        "header",
        "create",
        ARM,
        "-o",
        "OUT",
        "--version",
        "1",
        "--kind",
        "external",
        "--identity",
        "FILE",
    ),
    ("header", "create", LAYOUT, "-o", "OUT", "--version", "1", "--layout", "FILE"),
    ("layout", "check", "FILE"),
    ("layout", "show", "FILE"),
    ("combine", "--layout", "FILE", "--app", "APP", "--version", "1", "-o", "OUT"),
    ("combine", "--layout", LAYOUT, "--app", "FILE", "--version", "1", "-o", "OUT"),
    ("combine", "--layout", LAYOUT, "--app", "APP", "--header", "FILE", "-o", "OUT"),
    ("tables", "FILE", "-o", "OUT"),
    ("image", "FILE", "-o", "OUT"),
)


def _garbage():
    with open(ARM, "rb") as file:
        arm = file.read()
    yield from (b"", b"\x00", b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\xff" * 400, bytes(400))
    yield from (b"{}", b"[]", b"null", b"{" * 300, b"LAYOUT = {'devices': 3}", b"LAYOUT = 1 << 9")
    yield from (b"\x5a\x51\xb3\xd4\x00\x00\x00\x02" + noise(400), b"uFWs" + noise(400))
    yield b"-----BEGIN PUBLIC KEY-----\n" + b"A" * 64 + b"\n-----END PUBLIC KEY-----\n"
    yield b"-----BEGIN PRIVATE KEY-----\n" + b"A" * 64 + b"\n-----END PRIVATE KEY-----\n"
    yield from (noise(size, size) for size in (1, 2, 7, 64, 65, 112, 296, 1000, 5000))
    yield from (arm[:cut] for cut in range(0, len(arm), 13))


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_garbage_is_refused_in_one_line(tmp_path, command):
    path, out, app = tmp_path / "file", tmp_path / "out", tmp_path / "app"
    app.write_bytes(image.build({"main.py": b""}, "lfs2", 4096))
    line = [str({"FILE": path, "OUT": out, "APP": app}.get(part, part)) for part in command]
    for data in _garbage():
        path.write_bytes(data)
        code = refusal_code(line)
        assert code in (1, 3), (code, data[:40])
        assert not out.exists()
    path.unlink()
    fwtool(*line, code=1)
    path.mkdir()
    fwtool(*line, code=1)


def refusal_code(line):
    from click.testing import CliRunner

    result = CliRunner().invoke(cli.main, line)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.stderr.startswith("fwtool: ") and result.stderr.count("\n") == 1, result.stderr
    return result.exit_code


def test_oversize_files_are_refused_before_they_are_held(tmp_path):
    path = tmp_path / "large"
    with open(path, "wb") as file:
        file.truncate(1 << 40)  # sparse
    for line in (("layout", "check", path), ("tables", path, "-o", "-")):
        assert "larger than" in fwtool(*line, code=1).stderr


def test_names_no_system_knows_are_refused():
    fwtool("manifest", "show", "a\0b", code=1)
    fwtool("manifest", "show", "a\nb\x1b[31m", code=1)
    making = ("--key", "k", "--version", "1.0.0", "--model", "x", "--vendor-domain", "\udcff")
    fwtool("bundle", "--raw", "-", "-o", "-", *making, code=1)


def test_output_replaces_a_file_whole_or_not_at_all(tmp_path):
    target = tmp_path / "h"
    target.write_bytes(b"old")
    fwtool("header", "create", LAYOUT, "-o", target, "--version", "1.0.0")
    assert len(target.read_bytes()) == 112
    assert os.listdir(tmp_path) == ["h"]
