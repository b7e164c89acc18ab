"""How tests run fwtool: in this process, result and output captured. CPython only."""

import os
import sys

from click.testing import CliRunner

from fwtool.cli import main

LAYOUT = os.path.join(os.path.dirname(__file__), "..", "..", "boards", "virtual", "layout.py")
FOR_LAMP = ("--vendor-domain", "example.com", "--model", "lamp")
BY_KEY = ("--version", "1.2.0", *FOR_LAMP)


def fwtool(*args, code=0, stdin=None):
    """Run a command that must end with this exit code and without a traceback.

    returns: click's result; .stdout, .stderr and .stdout_bytes are apart
    """
    result = CliRunner().invoke(main, [str(arg) for arg in args], input=stdin)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    if code in (1, 3, 4, 5):
        lines = [line for line in result.stderr.splitlines() if not line.startswith("warning: ")]
        assert len(lines) == 1 and lines[0].startswith("fwtool: "), result.stderr
    return result


def python_environment():
    """Environment in which `python -m fwtool.cli` finds the same modules as this process."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def application(folder, text="print('hello')\n"):
    """A small application: two modules, a folder, a data file. Returns its path."""
    lib = folder / "app" / "lib"
    lib.mkdir(parents=True)
    (folder / "app" / "main.py").write_text(text)
    (lib / "helper.py").write_text("ANSWER = 42\n" * 40)
    (lib / "small.py").write_text("X = 1\n")
    (folder / "app" / "data.bin").write_bytes(bytes(range(256)) * 40)
    return folder / "app"


def new_board(folder):
    """A board fresh from the factory in the current folder, `folder`; returns its own."""
    fwtool("keygen", "key.pem")
    fwtool("image", application(folder), "-o", "app.img")
    common = ("--layout", LAYOUT, "--key", "key.pub", *FOR_LAMP)
    common += ("--sign-key", "key.pem")
    fwtool("factory", "board", *common, "--app", "app.img", "--version", "1.0.0")
    return folder / "board"
