"""Starts a script of a board on CPython, with the arguments and MICROPYPATH of `micropython`.

    MICROPYPATH=.frozen:device:bootloader:boards/virtual \
        python -m ufota_testkit.on_cpython.start -m _boot STATE_DIR [--boot-only]
        python -m ufota_testkit.on_cpython.start SCRIPT.py ARGUMENT...

is what `micropython -m _boot STATE_DIR` and `micropython SCRIPT.py ARGUMENT...` are there: the
same log, exit codes, and bytes in the files of the chips, but for the times of files (lfs2.py).
`-X heapsize=SIZE` may be given, but the heap has no bound. `python PATH/TO/start.py` does as well.
"""

import gc
import importlib.util
import io
import os
import sys

_INTERRUPTED = 130


def main(arguments):
    """Run as the command line tells, and end the process."""
    _prepare()
    from ufota_testkit.on_cpython import files

    while arguments[:1] == ["-X"]:
        del arguments[:2]
    is_module = arguments[0] == "-m"
    try:
        if is_module:
            run(arguments[1], arguments[2:])
        else:
            run_file(arguments[0], arguments[1:])
        code = 0
    except SystemExit as end:
        code = _exit_code(end.code)
    except BaseException as error:
        code = _complain(error, is_module)
    files.close_all()
    os._exit(code)  # threads that still run end here, as they do on MicroPython


def run(module, arguments):
    """Run a module that sys.path finds as __main__."""
    from ufota_testkit.on_cpython import finder

    spec = importlib.util.find_spec(module)
    if spec is None:
        raise ModuleNotFoundError(name=module)
    sys.argv[:] = [module, *arguments]
    _run_main(finder, spec.origin)


def run_file(path, arguments):
    """Run a script, whose folder is the first of sys.path."""
    from ufota_testkit.on_cpython import finder

    sys.argv[:] = [path, *arguments]
    sys.path[0] = os.path.dirname(os.path.abspath(path))
    _run_main(finder, path)


def _run_main(finder, path):
    exec(finder.compiled(path), {"__name__": "__main__", "__file__": path})


def _prepare():
    """Make this process look like MicroPython."""
    from fwtool import paths

    sys.path[: not sys.flags.safe_path] = [""]  # as on MicroPython: where it runs comes first
    from ufota_testkit.on_cpython import additions, errors, finder, os_files, umachine, vfs

    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), "utf-8", write_through=True)
    folders = [each for each in os.getenv("MICROPYPATH", "").split(":") if each != ".frozen"]
    sys.path[1:1] = [*map(os.path.abspath, filter(None, folders)), str(paths.shim())]
    sys.modules.update(vfs=vfs, umachine=umachine)
    additions.patch()
    errors.patch()
    os_files.patch()
    finder.patch()
    gc.collect()
    gc.freeze()  # the boot stage collects after itself: not what was loaded before it


def _exit_code(code):
    if isinstance(code, (int, type(None))):
        return (code or 0) & 0xFF
    print(code, file=sys.stderr)
    return 1


def _complain(error, is_module):
    """Say what ended the script, where MicroPython says it. Returns the exit code."""
    from ufota_testkit.on_cpython import errors

    errors.print_exception(error, sys.stderr if is_module else sys.stdout)
    interrupted = isinstance(error, KeyboardInterrupt) and not is_module
    return _INTERRUPTED if interrupted else 1


if __name__ == "__main__":
    main(sys.argv[1:])
