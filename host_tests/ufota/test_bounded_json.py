"""JSON that a server sent is bounded in heap and time, and ends in a dict or in a number."""

import gc

from fwcore import errors_net
from fwcore.errors import FwError
from helpers import raises
from ufota import bounded_json

BOTH = True
HEAP = "128k"  # with the compiler in it
LIMIT = 4096


def refused(data, limit=LIMIT):
    return raises(errors_net.BAD_MESSAGE, bounded_json.loads, data, limit)


def test_a_message_is_a_dict_from_any_kind_of_buffer():
    data = b'{"id": "1", "data": {"size": 3, "files": [1, {"a": null}]}, "x": "\xc3\xa9"}'
    for kind in (bytes, bytearray, memoryview):
        found = bounded_json.loads(kind(data), len(data))
        assert found["data"]["files"][1] == {"a": None} and found["x"] == "\xe9"


def test_one_byte_beyond_the_limit_is_too_long():
    assert bounded_json.loads(b'{"a":1}', 7) == {"a": 1}
    assert refused(b'{"a":1}', 6).at == 7


def test_what_is_no_object_is_refused():
    for data in (
        b"",
        b" ",
        b"[]",
        b"1",
        b'"x"',
        b"null",
        b"true",
        b"{",
        b"}",
        b'{"a"',
        b"nonsense",
    ):
        refused(data)


def test_what_is_no_utf8_is_refused():
    for data in (b'{"a":"\xff"}', b'{"\x80":1}', b'{"a":1}\xc3'):
        refused(data)


def test_nesting_is_bounded_before_it_is_parsed():
    def nested(depth):
        return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    assert "a" in bounded_json.loads(nested(12), LIMIT)
    assert refused(nested(13)).at == 5 + 11
    refused(b"[" * LIMIT)
    refused(b'{"a":' * 800)


def test_brackets_and_digits_in_text_are_text():
    found = bounded_json.loads(b'{"a":"' + b"[" * 200 + b"9" * 50 + b'\\"[[[", "b":"\\\\"}', LIMIT)
    assert len(found["a"]) == 254 and found["b"] == "\\"


def test_the_number_of_lists_and_objects_is_bounded():
    assert len(bounded_json.loads(b'{"a":[' + b"[]," * 97 + b"[]]}", LIMIT)["a"]) == 98
    refused(b'{"a":[' + b"[]," * 98 + b"[]]}")
    refused(b'{"a":[' + b"{}," * 1300 + b"{}]}")


def test_a_number_has_20_characters_at_most():
    assert bounded_json.loads(b'{"a":' + b"9" * 20 + b"}", LIMIT)["a"] == 10**20 - 1
    for number in (b"9" * 21, b"1" + b"0" * 4000, b"1." + b"3" * 20, b"1e" + b"9" * 30, b"-" * 21):
        refused(b'{"a":' + number + b"}")


def test_a_message_within_the_bounds_costs_a_bounded_heap():
    worst = (
        b'{"a":[' + b"0," * 2040 + b"0]}",
        b'{"a":[' + b"[]," * 90 + b"[]]}",
        b"{" + b",".join(b'"%x":%d' % (i, i) for i in range(440)) + b"}",
        b'{"a":"' + b"\\u4e2d" * 680 + b'"}',
    )
    for data in worst:
        assert len(data) <= LIMIT
        gc.collect()
        before = gc.mem_free() if hasattr(gc, "mem_free") else 0
        found = bounded_json.loads(data, LIMIT)
        gc.collect()
        after = gc.mem_free() if hasattr(gc, "mem_free") else 0
        assert before - after < 40000, (data[:20], before - after)
        assert found


def test_fields_are_taken_out_with_their_bounds():
    found = bounded_json.loads(b'{"t":"abc","n":7,"d":{"x":1},"q":"42","z":null}', LIMIT)
    assert bounded_json.text(found, "t", 3) == "abc" and bounded_json.text(found, "none", 3) == ""
    assert (
        bounded_json.number(found, "n", 7) == 7 and bounded_json.number(found, "none", 7) is None
    )
    assert bounded_json.number(found, "q", 42) == 42
    assert bounded_json.table(found, "d") == {"x": 1} and bounded_json.table(found, "none") == {}
    assert bounded_json.text(found, "z", 3) == "" and bounded_json.number(found, "z", 1) is None
    assert bounded_json.table(found, "z") == {}


def test_fields_of_another_kind_or_beyond_their_bound_are_refused():
    found = {
        "list": [],
        "dict": {},
        "text": "abcd",
        "accent": "\xe9",
        "line": "a\nb",
        "del": "\x7f",
        "true": True,
        "half": 0.5,
        "less": -1,
        "more": 8,
        "digits": "8",
        "sign": "-1",
        "blank": " 1",
        "long": "0" * 11,
    }

    def bad(get, names, *bound):
        for name in names.split():
            raises(errors_net.BAD_MESSAGE, get, found, name, *bound)

    bad(bounded_json.text, "list dict text accent line del true half less more", 3)
    bad(bounded_json.number, "list dict text true half less more digits sign blank long accent", 7)
    bad(bounded_json.table, "list text true half more")


def test_numbers_in_text_are_decimal():
    for name, due in (("0", 0), ("10", 10), ("1234567890", 1234567890)):
        assert bounded_json.number({"a": name}, "a", 1 << 40) == due
    for name in ("", "12345678901", "0x10", "1_0", "\u0661"):
        raises(errors_net.BAD_MESSAGE, bounded_json.number, {"a": name}, "a", 1 << 40)


def test_bytes_turned_over_end_in_a_dict_or_a_number():
    good = b'{"id":"1","code":200,"data":{"size":300000,"url":"https://a/b?c","e":{"k":[1,2]}}}'
    for at in range(len(good)):
        for bad in (0x00, 0x22, 0x5B, 0x5C, 0x7B, 0x7D, 0x80, 0x39, 0x2C):
            data = good[:at] + bytes([bad]) + good[at + 1 :]
            try:
                assert isinstance(bounded_json.loads(data, LIMIT), dict)
            except FwError as error:
                assert error.code == errors_net.BAD_MESSAGE
