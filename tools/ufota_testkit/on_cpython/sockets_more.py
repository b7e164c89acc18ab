"""What MicroPython's sockets and `select.poll` have and CPython's have not.

There a socket is a stream with read() and write() of its own, and poll() gives back the object
that was registered, not the number of its file.
"""

from errno import EAGAIN, ETIMEDOUT

from ufota_testkit.on_cpython import files


def patch_socket(socket):
    """Of sockets that do not block, each returns what there is, or None."""
    kind = socket.socket
    kind.read, kind.readinto, kind.readline, kind.write = _read, _readinto, _readline, _write


def patch_select(select):
    host = select.poll
    select.poll = lambda: _Poll(host())


def _some(function, *args):
    """None: it would block."""
    try:
        return function(*args)
    except TimeoutError:
        raise OSError(ETIMEDOUT) from None
    except OSError as error:
        if error.errno == EAGAIN:
            return None
        raise


def _read(sock, size=-1):
    found = b""
    while size < 0 or len(found) < size:
        piece = _some(sock.recv, 4096 if size < 0 else size - len(found))
        if piece is None and not found:
            return None
        if not piece:
            break
        found += piece
    return found


def _readinto(sock, buf, size=None):
    view = memoryview(buf).cast("B")[:size]
    data = sock.read(len(view))
    if data is None:
        return None
    view[: len(data)] = data
    return len(data)


def _readline(sock):
    line = b""
    while not line.endswith(b"\n"):
        piece = sock.read(1)
        if piece is None and not line:
            return None
        if not piece:
            break
        line += piece
    return line


def _write(sock, data, *bounds):
    view, done = files.view(data, *bounds), 0
    while done < len(view):
        count = _some(sock.send, view[done:])
        if count is None:
            return done or None
        done += count
    return done


class _Poll:
    def __init__(self, host):
        self._host = host
        self._objects = {}  # by number

    def register(self, thing, *events):
        number = thing if isinstance(thing, int) else thing.fileno()
        self._host.register(number, *events)
        self._objects[number] = thing

    def modify(self, thing, events):
        self._host.modify(thing, events)

    def unregister(self, thing):
        self._host.unregister(thing)

    def poll(self, timeout_ms=None):
        found = self._host.poll(timeout_ms)
        return [(self._objects[number], events) for number, events in found]

    def ipoll(self, timeout_ms=None, flags=0):
        return iter(self.poll(timeout_ms))
