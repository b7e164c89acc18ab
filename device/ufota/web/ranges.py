"""Parts of an object (RFC 9110 sections 14 and 15.3.7): what 206 and 416 mean to a source.

A part is used only where its Content-Range says that it begins as asked, and its validator
says that it is of the object that was begun. Another object comes from its start.
"""

from micropython import const

from fwcore.errors import CUT_SHORT, FwError

_MAX_DIGITS = const(10)


def part(source):
    """206: the part must begin where it was asked for, and be of the same object.

    returns:  (offset of the first byte, True when the body has a Content-Length); None when
              another request has begun. Raises FwError as answers.answer()
    """
    at, tag, more, _ = source._asked
    first, last, total = _content_range(source._found.get(b"content-range", b""))
    if first != at:
        raise _bad(at)
    if tag and source._tag and source._tag != tag:
        if (tag[:1] == b'"') == (source._tag[:1] == b'"'):  # both an ETag, or both a date
            return _changed(source)
    if more:
        if total is None:
            total = source.length
        elif source.length not in (None, total):
            raise FwError(CUT_SHORT, at)
    else:
        source.at = at
        source.tag = tag or source._tag
    sized = source._left is not None
    source.length = total
    source._end = last + 1
    source._left = last + 1 - first
    return first, sized


def _changed(source):
    """Another object than the one that was begun: from its start, unless bytes were given.

    returns:  None
    """
    at, _, more, _ = source._asked
    if more:
        raise FwError(CUT_SHORT, at)
    source._asked = None
    source._restart(source._url, source._header)


def beyond(source):
    """416: there is nothing at `at`, because the object ends there, or is another one.

    returns:  (offset at which it ends, None); None when another request has begun
    """
    at, _, more, _ = source._asked
    ends = source._found.get(b"content-range", b"").lower() == b"bytes */%d" % at
    if ends or (more and source.length is None):
        if not more:
            source.at = at
        return at, None
    return _changed(source)


def _content_range(value):
    """b"bytes 0-9/20" -> (0, 9, 20), b"bytes 0-9/*" -> (0, 9, None). Raises FwError BAD_RANGE."""
    unit, _, value = value.partition(b" ")
    span, _, total = value.strip().partition(b"/")
    first, _, last = span.partition(b"-")
    endless = total == b"*"
    if endless:
        total = b"0"
    for each in (first, last, total):
        if not each.isdigit() or len(each) > _MAX_DIGITS:
            raise _bad(0)
    first, last, total = int(first), int(last), int(total)
    if unit.lower() != b"bytes" or last < first or (last >= total and not endless):
        raise _bad(first)
    return first, last, None if endless else total


def _bad(at):
    from fwcore import errors_net

    return FwError(errors_net.BAD_RANGE, at)
