"""Server programs the tests talk to. A missing one is skipped loudly, or is a failure.

    program = servers.needs("nginx")

A machine without them still runs all other tests, and is told at the end what it did not
try. With UFOTA_SERVERS=required in the environment (.ci/run) a missing one fails the test.
"""

import os
import shutil

import pytest

PACKAGES = {"nginx": "nginx-light", "mosquitto": "mosquitto"}  # of Debian
_REQUIRED = "UFOTA_SERVERS"
_PLACES = "/usr/sbin:/usr/local/sbin"  # of servers, and not in every user's PATH
_MISSING = "SERVER MISSING: "


def needs(name):
    """Path of a server program; a test that asks for one that is missing ends here.

    name:    "nginx" or "mosquitto"
    raises:  pytest's Skipped, or Failed when UFOTA_SERVERS is set
    """
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), _PLACES)))
    if found:
        return found
    text = f"{_MISSING}{name}, Debian package {PACKAGES[name]}"
    if os.environ.get(_REQUIRED):
        pytest.fail(f"{text}; {_REQUIRED} is set, so it must be there", pytrace=False)
    pytest.skip(text)


def pytest_terminal_summary(terminalreporter):
    """Say at the end, in plain words, what was not tried. conftest.py imports this hook."""
    untried = _untried(terminalreporter.stats.get("skipped", ()))
    if not untried:
        return
    terminalreporter.section("NOT TRIED: servers are missing", sep="!", red=True, bold=True)
    for name, tests in sorted(untried.items()):
        terminalreporter.line(f"{name} is not on this machine. Not run: {len(tests)}")
        for test in tests:
            terminalreporter.line(f"    {test}")
    packages = " ".join(PACKAGES[name] for name in sorted(untried))
    terminalreporter.line(f"apt-get install {packages}")
    terminalreporter.line(f"{_REQUIRED}=required makes this a failure, as in .ci/run.")


def _untried(reports):
    """{server: [ids of the tests that wanted it]} of the reports of skipped tests."""
    found = {}
    for report in reports:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if _MISSING in reason:
            name = reason.split(_MISSING)[1].split(",")[0]
            found.setdefault(name, []).append(report.nodeid)
    return found
