"""A share of `make fuzz` for what the host's tools read."""

import pytest

import fuzz_files

COUNT = 5_000
FEW = 200  # of them for `make test`
LONG = ("test_changed_files_end_in_a_refusal",)
NAMES = (
    "manifest",
    "header",
    "patch",
    "identity",
    "private key",
    "public key",
    "class key",
    "layout",
    "layout.json",
    "hex",
    "srec",
    "request",
)
# How many inputs are taken, of kinds where not all are: a header may need the identity of its
# device, and what is deflated is not a patch.
WHOLE = {"header": 1, "patch": 0, "identity": 2}


@pytest.fixture
def parsers(tmp_path):
    found = fuzz_files.parsers(str(tmp_path))
    assert tuple(found) == NAMES
    return found


@pytest.mark.parametrize("name", NAMES)
def test_what_was_not_changed_is_taken(name, parsers):
    for data in fuzz_files.inputs()[name][: WHOLE.get(name)]:
        parsers[name](data)


@pytest.mark.parametrize("name", NAMES)
def test_changed_files_end_in_a_refusal(name, parsers):
    fuzz_files.fuzz(name, COUNT, parsers[name])


@pytest.mark.parametrize("name", NAMES)
def test_few_changed_files_end_in_a_refusal(name, parsers):
    taken, _ = fuzz_files.fuzz(name, FEW, parsers[name])
    assert taken < FEW
