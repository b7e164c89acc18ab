"""A source in front of another one: what poll.py and group.py have in common."""

from fwcore import errors

_NOT_MODIFIED = 304


class Relay:
    """Passes all calls of a byte source on to `source`."""

    def __init__(self, source):
        self.use(source)

    def use(self, source):
        """Relay to this one. Its readinto() is called without a call in between: C stack."""
        self.source = source
        self.readinto = source.readinto

    def open(self, url, at=0, tag=b""):
        self.source.open(url, at, tag)
        self.use(self.source)  # which may be a relay too, and have found another source

    def polling(self):
        """offer() in steps, for a loop: one that waits for something has its own generator."""
        return self.offer()
        yield  # which makes this one, too

    def wait(self, ms):
        self.source.wait(ms)

    def close(self):
        self.source.close()

    @property
    def header(self):
        return self.source.header

    @header.setter
    def header(self, value):
        self.source.header = value

    def __getattr__(self, name):
        """at, length, tag, retry_after_s, and all other attributes of the source."""
        return getattr(self.source, name)


def finish(steps, wait, feed):
    """Take all steps of a polling() at once, wait(ms) and feed() between them: its result."""
    try:
        while True:
            wait(next(steps))
            feed()
    except StopIteration as end:
        return end.value


def nothing_new(error):
    """True when an update ended with this FwError because there is none."""
    if error.code == errors.HTTP_STATUS:
        return error.at == _NOT_MODIFIED
    return error.code == errors.NOT_NEWER
