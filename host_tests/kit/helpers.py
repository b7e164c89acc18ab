"""Small tools for tests; runs on CPython and on MicroPython."""

import json

from fwcore.errors import FwError

# Errors whose place is names: of a layout, of an identity, of Alibaba's modules. FORMATS.md, 9.
NAMED = (25, 33, 60, 61, 62, 63, 126)

# For what may hang: no step that is waited for takes a tenth of it on an idle machine.
PATIENCE_S = 300


def here(name):
    """Path of a file in host_tests."""
    return __file__.rsplit("/", 2)[0] + "/" + name


def vectors(name):
    """Contents of the JSON file host_tests/vectors/<name>."""
    with open(here("vectors/" + name)) as file:
        return json.load(file)


def raises(code, function, *args):
    """Call function(*args), which must refuse with this FwError code.

    returns: the FwError, so that its `at` can be looked at
    """
    try:
        function(*args)
    except FwError as error:
        assert error.code == code, "code {}, not {}".format(error.code, code)
        assert isinstance(error.at, int) or code in NAMED, error.args
        return error
    raise AssertionError("accepted, but code {} was due".format(code))
