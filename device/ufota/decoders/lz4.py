"""LZ4: unpacks one block of the LZ4 block format, without a frame around it."""


def unpack(source, out):
    """Unpack a block.

    source:   memoryview of the block
    out:      memoryview for what it makes
    returns:  bytes made; -1 when it is no LZ4 block, or makes more than `out` takes
    """
    at, end = 0, len(source)
    made, limit = 0, len(out)
    while at < end:
        token = source[at]
        at, count = _length(source, at + 1, token >> 4)
        if count > end - at or count > limit - made:
            return -1
        out[made : made + count] = source[at : at + count]
        at += count
        made += count
        if at == end:
            return made
        if at + 2 > end:
            return -1
        back = source[at] | source[at + 1] << 8
        at, count = _length(source, at + 2, token & 15)
        count += 4
        if not 0 < back <= made or count > limit - made:
            return -1
        _repeat(out, made, back, count)
        made += count
    return -1  # a block ends with literals


def _length(source, at, count):
    """A length that began in its token, and may go on at `at`: (at behind it, length).

    One that is cut short comes out as is: there is too little behind it then.
    """
    if count == 15:
        end = len(source)
        while at < end:
            more = source[at]
            at += 1
            count += more
            if more < 255:
                break
    return at, count


def _repeat(out, made, back, count):
    """out[made:] gets `count` of the bytes from `back` before on, some of them again and again."""
    while count > back:
        out[made : made + back] = out[made - back : made]
        made += back
        count -= back
        back += back  # what is there now repeats with this, too
    out[made : made + count] = out[made - back : made - back + count]
