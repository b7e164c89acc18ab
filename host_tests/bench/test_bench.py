"""The benches run, and the heap of an update, which is exact, stays within its bound."""

import json
import shutil
import subprocess
import sys

import pytest

import bench
from helpers import here

LONG = ("test_benches_run_and_heaps_are_within_their_bounds",)
ROWS = "writer update verify install boot heap resume sizes decoders fleet".split()


def run(*arguments):
    command = [sys.executable, here("bench/bench.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=900)


def test_benches_run_and_heaps_are_within_their_bounds():
    done = run("--quick", "--json", *ROWS)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["rows"]}
    assert rows["heap of an update, PublicKey"]["figure"] <= 52
    assert all(row["ok"] and row["figure"] > 0 for row in rows.values())


def test_unknown_row_is_a_usage_error():
    assert run("nonsense").returncode == 2


@pytest.fixture(scope="module")
def lab():
    with bench.Lab() as lab:
        bench.prepare(lab)
        yield lab


WORKS = [
    (group, work) for group, (_, works) in bench.COUNTED.items() for work in ("floor", *works)
]


@pytest.mark.parametrize(("group", "work"), WORKS)
def test_what_is_counted_can_be_done_again_and_again(lab, group, work):
    bench.work(lab, group, work, 3)


def test_without_valgrind_nothing_is_counted_or_judged(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    (row,) = bench.instructions(None, quick=False)
    assert row["note"] == "SKIPPED: valgrind is not installed (apt install valgrind)"
    assert row["ok"]
