"""Asks pip-audit for known advisories of what is installed in this environment; `make audit`.

    python host_tests/system/audit.py PIP_AUDIT     which is in an environment of its own

exit code: 0 none is known, 1 some are, 2 it cannot be looked up. pip-audit itself ends with 0 when
it found none of the packages in its index.
"""

import json
import subprocess
import sys

NONE, SOME, UNKNOWN = range(3)
_FREEZE = (sys.executable, "-m", "pip", "freeze", "--exclude-editable")
_OPTIONS = ("--no-deps", "--disable-pip", "--progress-spinner=off", "--format=json", "-r")


def report(text):
    """What pip-audit wrote, as JSON -> (exit code, lines for people)."""
    try:
        rows = json.loads(text)["dependencies"]
    except (ValueError, TypeError, KeyError):
        rows = []
    lines = []
    for row in rows:
        for known in row.get("vulns", ()):
            fixed = " or ".join(known["fix_versions"]) or "nothing yet"
            lines.append(f"{row['name']} {row['version']}: {known['id']}, fixed by {fixed}")
    code = SOME if lines else NONE
    skipped = sum("skip_reason" in row for row in rows)
    if skipped or not rows:
        what = f"{skipped} of {len(rows)} packages" if rows else "the packages"
        lines.append(f"advisories of {what} cannot be looked up: is there a network?")
        code = code or UNKNOWN
    return code, lines or [f"no advisory is known of {len(rows)} packages"]


def main(pip_audit):
    frozen = subprocess.run(_FREEZE, stdout=subprocess.PIPE, check=True).stdout
    command = (pip_audit, *_OPTIONS, "/dev/stdin")
    done = subprocess.run(command, input=frozen, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    code, lines = report(done.stdout)
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
