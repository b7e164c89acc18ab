"""Conformance of the HTTP client, for conform.py: servers that misbehave, one case each.

    cases(DIR) -> the cases of DIR/http_conformance.json, in its order

What the servers do, and what the client must have done, is in http_cases_{source,labels,kept,
client}.py; what these work with is in http_lab.py.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import http_cases_client
import http_cases_kept
import http_cases_labels
import http_cases_source
from http_lab import Lab, Trial

PARALLEL = 5  # cases at once: they mostly wait


def cases(folder):
    """(case, function) of the vectors, in order. Raises OSError, ValueError, KeyError."""
    known = {
        **http_cases_source.CASES,
        **http_cases_labels.CASES,
        **http_cases_kept.CASES,
        **http_cases_client.CASES,
    }
    with open(folder + "/http_conformance.json") as file:
        return [(case, known.get(case["id"])) for case in json.load(file)]


def main(folder, on):
    """Run all cases. Returns conform.py's exit code."""
    try:
        found = cases(folder)
    except (OSError, ValueError, KeyError) as error:
        print(f"{folder}: no vectors that can be read: {error!r}")
        return 2
    failed = 0
    with Lab(on or "cpython") as lab, ThreadPoolExecutor(PARALLEL) as pool:
        # The last ones take longest, so they begin first.
        verdicts = [pool.submit(verdict, lab, *each) for each in reversed(found)]
        for line in (each.result() for each in reversed(verdicts)):
            print(line, flush=True)
            failed += line.startswith("FAIL")
    print(f"{len(found) - failed} passed, {failed} failed")
    return 1 if failed else 0


def verdict(lab, case, function):
    """Run one case; returns its line."""
    name = "{id} {server_does}".format(**case)
    if not function:
        return f"FAIL {name}: no such case here"
    start = time.monotonic()
    try:
        with Trial(lab, case["id"]) as trial:
            remark = function(trial)
    except Exception as error:  # whatever it is, it is this case's
        return f"FAIL {name}: {error!r}"
    took = f"{time.monotonic() - start:.1f} s"
    return f"ok {name} ({remark}; {took})" if remark else f"ok {name} ({took})"
