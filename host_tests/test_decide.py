"""Every row of the table in decide.py."""

from fwboot import decide
from fwcore.header import NO_CAMPAIGN, Header

BOTH = True  # runs on CPython and on MicroPython

DIGEST = bytes(range(32))


def head(version, size=100):
    return Header(version, size, DIGEST, NO_CAMPAIGN)


def test_unreadable_header_is_no_image():
    assert decide.by_header(None, 0) == decide.NO_IMAGE
    assert decide.by_header(None, 9) == decide.NO_IMAGE


def test_only_a_larger_version_is_looked_at():
    assert decide.by_header(head(4), 5) == decide.OLDER
    assert decide.by_header(head(5), 5) == decide.OLDER
    assert decide.by_header(head(6), 5) == decide.CHECK


def test_version_is_compared_in_64_bits():
    assert decide.by_header(head(1 << 32), (1 << 32) - 1) == decide.CHECK
    assert decide.by_header(head((1 << 32) - 1), 1 << 32) == decide.OLDER
    assert decide.by_header(head((1 << 64) - 1), (1 << 64) - 2) == decide.CHECK


def test_version_zero_is_never_installed():
    assert decide.by_header(head(0), 0) == decide.OLDER
    assert decide.by_header(head(1), 0) == decide.CHECK


def test_image_of_no_bytes_is_never_installed():
    assert decide.by_header(head(6, 0), 5) == decide.OLDER


def test_body_must_have_the_digest():
    assert decide.by_body(head(1), DIGEST, 100) == decide.BEST
    assert decide.by_body(head(1), bytes(32), 100) == decide.BAD_BODY
    assert decide.by_body(head(1), DIGEST[:31], 100) == decide.BAD_BODY


def test_unreadable_body_is_a_bad_body():
    assert decide.by_body(head(1), None, 100) == decide.BAD_BODY


def test_size_is_bounded_by_the_active_region():
    assert decide.by_body(head(1, 100), DIGEST, 100) == decide.BEST
    assert decide.by_body(head(1, 101), DIGEST, 100) == decide.TOO_LARGE


def test_a_bad_body_is_said_before_its_size():
    assert decide.by_body(head(1, 101), bytes(32), 100) == decide.BAD_BODY


def test_every_verdict_that_is_said_has_its_line():
    said = {decide.NO_IMAGE, decide.OLDER, decide.BAD_BODY, decide.TOO_LARGE}
    assert set(decide.LINES) == said
