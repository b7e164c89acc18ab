"""Any bytes at all: a dict, or BAD_MESSAGE. CPython, where hypothesis is."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from fwcore import errors_net
from fwcore.errors import FwError
from ufota import bounded_json

LIMIT = 4096
SCALARS = st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(max_size=20)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)
TOKENS = st.sampled_from(
    [
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b":",
        b",",
        b"\\",
        b"1",
        b"-",
        b".",
        b"e9",
        b"null",
        b"\xff",
        b"a",
    ]
)


def accepted(data):
    try:
        found = bounded_json.loads(data, LIMIT)
    except FwError as error:
        assert error.code == errors_net.BAD_MESSAGE
        return None
    assert isinstance(found, dict)
    return found


@settings(deadline=None)
@given(st.binary(max_size=300) | st.lists(TOKENS, max_size=80).map(b"".join))
def test_any_bytes(data):
    accepted(data)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=8), TREES, max_size=6))
def test_what_is_within_the_bounds_comes_out_as_it_went_in(tree):
    data = json.dumps(tree).encode()
    found = accepted(data)
    if found is not None:
        assert found == tree
    else:
        assert len(data) > LIMIT or data.count(b"[") + data.count(b"{") > 12


@settings(deadline=None)
@given(TREES, st.integers(0, 100))
def test_getters_end_in_a_value_or_a_number(value, most):
    for get, kind in ((bounded_json.text, str), (bounded_json.number, (int, type(None)))):
        try:
            found = get({"a": value}, "a", most)
            assert isinstance(found, kind) and not isinstance(found, bool)
            assert (found if isinstance(found, int) else len(found or "")) <= most
        except FwError as error:
            assert error.code == errors_net.BAD_MESSAGE
    try:
        assert isinstance(bounded_json.table({"a": value}, "a"), dict)
    except FwError as error:
        assert error.code == errors_net.BAD_MESSAGE
