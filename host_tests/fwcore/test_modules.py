"""Modules are imported one after the other, from nowhere but where they belong."""

import sys

from fwcore import modules
from fwcore.modules import built_in, load, states

BOTH = True  # runs on CPython and on MicroPython

ON_DEVICE = sys.implementation.name == "micropython"


def loaded(package, names):
    """The path that each import saw, in its order, with the modules that are not there yet."""
    seen, real = [], modules.built_in

    def watched(name):
        seen.append(name)
        return real(name)

    modules.built_in = watched
    try:
        load(package, names)
    finally:
        modules.built_in = real
    return seen


def test_only_what_is_not_there_is_imported_and_in_this_order():
    load("fwcore", "errors")
    for name in ("fwcore.userfs", "fwcore.window"):
        sys.modules.pop(name, None)
    assert loaded("fwcore", "errors window userfs") == ["fwcore.window", "fwcore.userfs"]
    assert loaded("fwcore", "errors window userfs") == []


def test_each_list_names_a_module_behind_all_that_it_imports():
    """Else an import would be made within an import, which is what they are for."""
    for names in (modules.SLOT, modules.STORE, modules.STATE):
        before = {"errors", "modules"}
        for name in names.split():
            for imported in imports("fwcore/" + name + ".py"):
                assert imported in before, (name, imported)
            before.add(name)


def imports(path):
    """Names of the modules of fwcore that a file imports at its top."""
    for place in sys.path:
        try:
            with open(place + "/" + path) as file:
                lines = file.read().split("\n")
            break
        except OSError:
            pass
    found = []
    for line in lines:
        if line.startswith("from fwcore import "):
            found += [name.strip() for name in line[len("from fwcore import ") :].split(",")]
        elif line.startswith("from fwcore."):
            found.append(line.split(" ")[1].split(".")[1])
    assert "import" not in found
    return found


def test_the_path_is_as_before_whatever_happens():
    before = list(sys.path)
    load("fwcore", "storage")
    assert built_in("sys") is sys and sys.path == before
    try:
        load("fwcore", "nothing_of_this_name")
    except ImportError:
        assert sys.path == before
        return
    raise AssertionError("found")


def test_no_folder_is_looked_into_meanwhile():
    if not ON_DEVICE:  # CPython finds its own modules by the path
        return
    seen = []

    sys.modules.pop("fwcore.mac", None)
    real = sys.path[:]
    real_import = __import__

    def watched(name, *more):
        seen.append((name, list(sys.path)))
        return real_import(name, *more)

    modules.__import__ = watched
    try:
        load("fwcore", "mac")
    finally:
        del modules.__import__
    assert seen == [("fwcore", real), ("fwcore.mac", [".frozen"])]


def test_states_is_the_module_of_the_boot_state():
    assert states().IDLE == 0 and states() is sys.modules["fwcore.state"]
