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
    said = {decide.NO_IMAGE, decide.OLDER, decide.BAD_BODY, decide.TOO_LARGE, decide.UNSIGNED}
    said |= {decide.FORGED, decide.RECORDED, decide.VERIFIED, decide.UNPROVISIONED}
    assert set(decide.LINES) == said
    assert len(set(decide.LINES.values())) == len(said)
    assert decide.LINES[decide.FORGED] == "[ERR ] Signature check failed"
    assert decide.LINES[decide.RECORDED] == "[DBG ] Signature recorded"
    assert decide.LINES[decide.VERIFIED] == "[DBG ] Signature verified"
    assert decide.LINES[decide.UNPROVISIONED] == "[WARN] Signature not checked, no key yet"


def test_no_two_verdicts_have_the_same_number():
    names = [name for name in dir(decide) if name == name.upper() and name[0] != "_"]
    numbers = [getattr(decide, name) for name in names if name != "LINES"]
    assert sorted(numbers) == list(range(len(numbers)))


# A trial


def test_an_image_on_trial_is_started_while_tries_are_left():
    for tries in (1, 2, 255):
        assert decide.by_trial(tries, head(2), head(2)) == decide.START
    assert decide.by_trial(0, head(2), head(2)) == decide.GO_BACK


def test_a_trial_ends_when_the_image_is_not_whole_or_not_the_one():
    other = Header(2, 100, bytes(32), NO_CAMPAIGN)
    for tries in (0, 1, 3):
        assert decide.by_trial(tries, None, head(2)) == decide.GO_BACK
        assert decide.by_trial(tries, other, head(2)) == decide.GO_BACK
    assert decide.by_trial(1, head(7), head(2)) == decide.START  # the digest says which it is


def test_nothing_below_the_floor_or_black_listed_may_start():
    def nothing(digest):
        return False

    def this(digest):
        return digest == DIGEST

    assert decide.may_start(head(5), 5, nothing)
    assert decide.may_start(head(6), 5, nothing)
    assert not decide.may_start(head(4), 5, nothing)
    assert not decide.may_start(head(6), 5, this)
