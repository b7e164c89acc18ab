"""Exceptions as MicroPython has them: OSError, and how a traceback is printed."""

import builtins
import ctypes
import errno as numbers
import gc
import re
import sys
from os.path import abspath, dirname

# MicroPython has names for these numbers only; another one is printed as it is.
_NAMES = {
    getattr(numbers, name): name
    for name in """EACCES EADDRINUSE EAGAIN EALREADY EBADF ECONNABORTED ECONNREFUSED ECONNRESET
    EEXIST EHOSTUNREACH EINPROGRESS EINVAL EIO EISDIR ENOBUFS ENODEV ENOENT ENOMEM ENOTCONN
    EOPNOTSUPP EPERM ETIMEDOUT""".split()
}
# Of CPython's own exceptions MicroPython has these; another one is printed as the next above it.
_EXCEPTIONS = set(
    """ArithmeticError AssertionError AttributeError BaseException EOFError Exception
    GeneratorExit ImportError IndentationError IndexError KeyError KeyboardInterrupt LookupError
    MemoryError NameError NotImplementedError OSError OverflowError RuntimeError StopAsyncIteration
    StopIteration SyntaxError SystemExit TypeError UnicodeError ValueError
    ZeroDivisionError""".split()
)
# What CPython says, and MicroPython's words for it, where an application often gets there.
_WORDS = (
    (r"cannot import name '(\w+)' from .*", r"can't import name \1"),
    (r"No module named ('.*?')(;.*)?", r"no module named \1"),
    (r"name ('\w+') is not defined.*", r"name \1 isn't defined"),
    (r"(integer |float )?(division or modulo|division|modulo) by zero", "divide by zero"),
)
_HIDDEN = (dirname(__file__), "<frozen ")  # MicroPython does the work of these files in C

_FIRST_FOLDER = abspath("") + "/"

_UNKNOWN = "the test kit does not know this Python: use CPython 3.11 to 3.13 for 64 bits"
_FLAGS_AT = 168  # of a PyTypeObject: tp_flags, with 64 bits
_IMMUTABLE = 1 << 8


def patch():
    """Give OSError one argument, its number, and a text that is the same on all hosts."""
    number = OSError.errno
    text = OSError.__str__

    def errno(error):
        found = number.__get__(error)
        if found is None and isinstance(error, TimeoutError):
            return numbers.ETIMEDOUT
        return found if found is not None or not error.args else error.args[0]

    def describe(error):
        code = errno(error)
        name = _NAMES.get(code) if isinstance(code, int) else None
        if name is None:
            of_host = number.__get__(error) is not None and isinstance(error.args[-1], str)
            return str(code) if of_host else text(error)
        return f"[Errno {code}] {name}"

    def shown(error):
        of_host = number.__get__(error) is not None and isinstance(error.args[-1], str)
        return f"OSError{(errno(error),) if of_host else error.args}"

    _set(OSError, errno=property(errno, number.__set__), __str__=describe, __repr__=shown)
    if (OSError(2).errno, str(OSError(2))) != (2, "[Errno 2] ENOENT"):
        raise RuntimeError(_UNKNOWN)


def _set(cls, **members):
    """Set members of a class that is written in C: Python refuses that, but for one flag."""
    flags = ctypes.c_ulong.from_address(id(cls) + _FLAGS_AT)
    if flags.value != cls.__flags__:
        raise RuntimeError(_UNKNOWN)
    real = gc.get_referents(cls.__dict__)[0]  # from 3.12 on setattr() does not reach it
    flags.value &= ~_IMMUTABLE
    for name, value in members.items():
        real[name] = value
        setattr(cls, name, value)  # renews what C code has noted of the class
    flags.value |= _IMMUTABLE


def print_exception(error, file=None):
    """sys.print_exception: the traceback in MicroPython's words."""
    file = file or sys.stdout
    frames = list(_frames(error))
    if frames:
        print("Traceback (most recent call last):", file=file)
    for name, line, function in frames:
        where = f'  File "{name}", line {line}'
        print(where + (f", in {function}" if function else ""), file=file)
    print(f"{_kind(error)}: {_text(error)}", file=file)


def _frames(error):
    at = error.__traceback__
    while at:
        code = at.tb_frame.f_code
        if not code.co_filename.startswith(_HIDDEN):
            yield _name(code.co_filename), at.tb_lineno, code.co_name
        at = at.tb_next
    if isinstance(error, SyntaxError):
        yield _name(error.filename), error.lineno, None


def _name(path):
    """As MicroPython names it: what was found in the first current folder has no folder."""
    return path.removeprefix(_FIRST_FOLDER)


def _kind(error):
    for kind in type(error).__mro__:
        ours = kind.__module__ != "builtins" or kind.__name__ in _EXCEPTIONS
        if ours and getattr(builtins, kind.__name__, kind) is kind:
            return kind.__name__
    return type(error).__name__


def _text(error):
    if isinstance(error, SyntaxError):
        return "invalid syntax"
    if isinstance(error, KeyError) and len(error.args) == 1:
        return str(error.args[0])
    text = str(error)
    for theirs, ours in _WORDS:
        if re.fullmatch(theirs, text):
            return re.sub(theirs, ours, text)
    return text
