"""Files of an application that have the name of a module of Python's library.

The application gets its own, and the libraries of the host go on with the host's: `secrets` is the
password of a network to one, and random numbers to the other.
"""

import builtins
import contextlib
import sys

_KEPT = {"asyncio", "builtins", "gc", "sys"}  # no file comes before these
_shadowed = set()  # names that both have
_theirs = {}  # modules of these names that the host has loaded, while they are not in sys.modules
_host_import = builtins.__import__
at_host = False  # an import for the host is under way


def patch():
    builtins.__import__ = _import


def cast(names):
    """Names of modules that an application has: from here on they are its own."""
    new = set(names) & sys.stdlib_module_names - _KEPT - _shadowed
    _theirs.update(_taken(new))
    _shadowed.update(new)


def _taken(names):
    """Take all modules of these packages out of sys.modules."""
    found = [name for name in sys.modules if name.partition(".")[0] in names]
    return {name: sys.modules.pop(name) for name in found}


def _import(name, scope=None, local=None, fromlist=(), level=0):
    scope = scope or {}
    top = (scope.get("__package__") or "" if level else name).partition(".")[0]
    if at_host or top not in _shadowed or not _is_host(scope):
        return _host_import(name, scope, local, fromlist, level)
    with _host_view():
        return _host_import(name, scope, local, fromlist, level)


def _is_host(scope):
    return (scope.get("__file__") or "").startswith((sys.prefix, sys.base_prefix))


@contextlib.contextmanager
def _host_view():
    global at_host

    ours = _taken(_shadowed)
    sys.modules.update(_theirs)
    at_host = True
    try:
        yield
    finally:
        at_host = False
        _theirs.update(_taken(_shadowed))
        sys.modules.update(ours)
