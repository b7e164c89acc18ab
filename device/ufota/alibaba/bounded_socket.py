"""BoundedSocket: gives umqtt.simple what it lacks, deadlines and a longest message.

umqtt makes its socket blocking for the rest of a packet, waits for ever for an
acknowledgement that does not come, and reads whatever length a broker announces into RAM.
It finds its socket in its attribute `sock`, so that is where this one goes.

The socket itself never blocks from then on. TLS sockets have all that this asks of one.
"""

import select
import time
from errno import ECONNRESET, ETIMEDOUT

from micropython import const

from fwcore import errors_net
from fwcore.errors import FwError

_PACKET = const(512)  # bytes that are gathered; ours are shorter
_NAP_MS = const(50)  # between two looks at the watchdog


class BoundedSocket:
    """Stands in place of umqtt's socket.

    board:       its watchdog is fed while this waits
    sock:        connected; read(), write(), readinto(), setblocking(), close()
    limit:       bytes of the longest message
    timeout_ms:  what one call of umqtt may take, from start() on
    heard_ms:    when the broker last sent anything
    """

    def __init__(self, board, sock, limit, timeout_ms):
        self._board = board
        self._sock = sock
        self._limit = limit
        self._timeout_ms = timeout_ms
        self._patient = True
        self._out = memoryview(bytearray(_PACKET))  # written, and not sent yet:
        self._count = 0  # so many bytes
        sock.setblocking(False)
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self.heard_ms = time.ticks_ms()
        self.start(self.heard_ms)

    def start(self, now_ms):
        """A call of umqtt begins; from here its time counts."""
        self._mark_ms = now_ms

    def setblocking(self, flag):
        self._patient = flag

    def read(self, size):
        """size bytes; None when nothing has come and nobody wants to wait.

        raises:  OSError ETIMEDOUT | ECONNRESET; FwError BAD_MESSAGE for a size beyond the limit
        """
        if size > self._limit:
            raise FwError(errors_net.BAD_MESSAGE, size)
        if self._count:
            self.flush()
        if self._patient:
            self._rest()  # a message that never ends is too late, however fast it comes
        buf = bytearray(size)
        mv = memoryview(buf)
        at = 0
        while at < size:
            count = self._sock.readinto(mv[at:])
            if count == 0:
                raise OSError(ECONNRESET)
            if count:
                at += count
                self.heard_ms = time.ticks_ms()
            elif not at and not self._patient:
                return None
            else:
                self._rest()
                self._poll.poll(_NAP_MS)
        return buf

    def write(self, buf, size=None):
        """Take all of buf, or its first size bytes; sent with flush(), or before read() waits.

        umqtt writes a packet in four pieces. Sent one by one each packet would wait for the
        peer's delayed acknowledgement, some 40 ms for every block of a file.
        """
        mv = memoryview(buf)
        if size is None:
            size = len(mv)
        if self._count + size > _PACKET:
            self.flush()
        if size > _PACKET:
            self._send(mv[:size])
        else:
            self._out[self._count : self._count + size] = mv[:size]
            self._count += size

    def flush(self):
        """Send what was written. Raises OSError ETIMEDOUT."""
        count, self._count = self._count, 0
        self._send(self._out[:count])

    def _send(self, mv):
        at = 0
        while at < len(mv):
            count = self._sock.write(mv[at:])
            if count:
                at += count
            else:
                self._rest()
                time.sleep_ms(1)

    def _rest(self):
        self._board.feed()
        if time.ticks_diff(time.ticks_ms(), self._mark_ms) > self._timeout_ms:
            raise OSError(ETIMEDOUT)

    def wait(self, ms):
        """Sleep until something comes, for at most ms."""
        self._poll.poll(ms)

    def close(self):
        self._sock.close()
