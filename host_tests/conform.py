"""Conformance: runs every vector of a folder through the device code.

    conform.py KIND DIR [--on cpython|micropython]

    KIND  headers | boot_scenarios | manifests | client_storage | delta | http
    DIR   a folder shaped like host_tests/vectors/KIND; further ones can be dropped in

One line a case: "ok NAME", "ok NAME (stricter: ...)" where the other side accepts what
is not safe, or "FAIL NAME: why"; then "N passed, M failed". Exit code 0 when all passed,
1 when one failed, 2 for wrong usage or a folder without vectors.

Owns the command line; the comparisons are in conform/conform_*.py.
The program starts itself again on MicroPython: $MICROPYTHON, or the `micropython`
beside the running Python. Of kind http only the clients run there: the servers are here.
"""

import os
import sys

ROOT = __file__.rsplit("/", 1)[0] + "/.." if "/" in __file__ else ".."
ON_DEVICE = sys.implementation.name == "micropython"
_FOLDERS = """device bootloader tools
    host_tests/conform host_tests/bench host_tests/kit host_tests/simulators"""
sys.path[0:0] = [ROOT + "/" + name for name in _FOLDERS.split()]
if not ON_DEVICE:
    sys.path.insert(0, ROOT + "/tools/hostshim")

import conform_boot  # noqa: E402  (the path comes first)
import conform_delta  # noqa: E402
import conform_formats  # noqa: E402
import conform_storage  # noqa: E402

KINDS = {
    "headers": conform_formats.headers,
    "manifests": conform_formats.manifests,
    "boot_scenarios": conform_boot.scenarios,
    "client_storage": conform_storage.storages,
    "delta": conform_delta.patches,
    "http": None,  # conform_http.py, which starts the device's side itself
}


def run(cases):
    """Run (name, function, argument) cases; returns (passed, failed).

    A function returns None, or a remark why its pass is not plain agreement; it raises
    whatever it likes to fail.
    """
    passed = failed = 0
    for name, function, argument in cases:
        try:
            remark = function(argument)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # simulated power cuts and violations are no Exception
            print("FAIL {}: {}".format(name, repr(error)))
            failed += 1
            continue
        print("ok {} ({})".format(name, remark) if remark else "ok " + name)
        passed += 1
    return passed, failed


def main(args):
    """args: the command line without the program. Returns the exit code."""
    on = None
    if len(args) == 4 and args[2] == "--on":
        on = args[3]
        args = args[:2]
    if len(args) != 2 or args[0] not in KINDS or on not in (None, "cpython", "micropython"):
        print("usage: conform.py {} DIR [--on cpython|micropython]".format("|".join(KINDS)))
        return 2
    if args[0] == "http":
        sys.path.append(ROOT + "/tools")
        import conform_http

        return conform_http.main(args[1], on)
    if on == "micropython" and not ON_DEVICE:
        return _on_micropython(args)
    try:
        cases = KINDS[args[0]](args[1])
    except (OSError, ValueError, KeyError) as error:
        print("{}: no vectors that can be read: {}".format(args[1], repr(error)))
        return 2
    if not cases:
        print("{}: no vectors".format(args[1]))
        return 2
    passed, failed = run(cases)
    print("{} passed, {} failed".format(passed, failed))
    return 1 if failed else 0


def _on_micropython(args):
    import subprocess

    beside = os.path.join(os.path.dirname(sys.executable), "micropython")
    command = [os.environ.get("MICROPYTHON") or beside, "-X", "heapsize=16M", __file__]
    # A Python path with tools/hostshim would hide the module the launcher on PyPI imports.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    sys.stdout.flush()
    try:
        return subprocess.call(command + args, env=env)
    except OSError as error:
        print("cannot start {}: {}".format(command[0], error))
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
