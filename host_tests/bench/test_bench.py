"""The benches run, and the heap of an update, which is exact, stays within its bound."""

import json
import subprocess
import sys

from helpers import here

LONG = ("test_benches_run_and_heaps_are_within_their_bounds",)
ROWS = "writer update verify install boot heap resume sizes decoders fleet".split()


def bench(*arguments):
    command = [sys.executable, here("bench/bench.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=900)


def test_benches_run_and_heaps_are_within_their_bounds():
    done = bench("--quick", "--json", *ROWS)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["rows"]}
    assert rows["heap of an update, PublicKey"]["figure"] <= 52
    assert all(row["ok"] and row["figure"] > 0 for row in rows.values())


def test_unknown_row_is_a_usage_error():
    assert bench("nonsense").returncode == 2
