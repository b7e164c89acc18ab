"""Runs one test of a file on MicroPython; conftest.py starts it, or you do by hand:

    MICROPYPATH=device:bootloader:tools:host_tests/kit:host_tests/simulators:.frozen \\
        micropython host_tests/mpy_runner.py host_tests/testkit/test_simdisk.py [TEST ...]

Prints one line a test, "TEST ok" or the traceback and "TEST failed"; without
names it runs every test of the file. Exit code 1 when one failed.
"""

import sys


def run(name, function):
    try:
        function()
    except BaseException as error:  # a power cut or sys.exit() that escapes is a failure too
        sys.print_exception(error, sys.stdout)
        print(name, "failed")
        return 1
    print(name, "ok")
    return 0


def main(path, names):
    folder, _, file = path.rpartition("/")
    sys.path[0] = folder or "."  # not this file's: its folders are named like packages
    module = __import__(file[: -len(".py")])
    if not names:
        names = [name for name in dir(module) if name.startswith("test_")]
    return max([run(name, getattr(module, name)) for name in names])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
