"""Connects umqtt.simple's client in place of its own connect(): TCP, TLS and CONNECT, fed.

umqtt waits in one piece for a connection, a handshake, and each byte of the CONNACK: longer than
the watchdog of a board. Here one deadline holds for all of them, and for the subscriptions that
follow. Only the look-up of the name, and what TLS computes between two packets, are of one piece.
"""

import select
import socket
import time
from errno import EINPROGRESS, ETIMEDOUT

from micropython import const

from fwcore import errors, errors_net
from fwcore.errors import FwError
from ufota.alibaba.bounded_socket import BoundedSocket

_TCP_MS = const(5000)
_NAP_MS = const(50)  # between two looks at the watchdog
_UNAVAILABLE = const(3)  # return code of a CONNACK (MQTT 3.1.1, 3.2.2.3)


def log_in(link):
    """Connect link.mqtt.

    returns:  its BoundedSocket, whose deadline counts from the begin of the login
    raises:   OSError; FwError LOGIN | CONNECT | BAD_MESSAGE, at = return code; 101..107 of TLS
    """
    mqtt = link.mqtt
    begun_ms = time.ticks_ms()
    address = socket.getaddrinfo(mqtt.server, mqtt.port, 0, socket.SOCK_STREAM)[0]
    sock = socket.socket(address[0], socket.SOCK_STREAM)
    try:
        _reach(link.board, sock, address[-1])
        stream = sock
        if mqtt.ssl:
            stream = mqtt.ssl.wrap_socket(
                sock, server_hostname=mqtt.server, do_handshake_on_connect=False
            )
        bounded = BoundedSocket(link.board, stream, link.limit, link.patience_ms)
        bounded.start(begun_ms)
        bounded.write(packet(mqtt))
        _hear(bounded.read(4))
        return bounded
    except Exception as error:
        failed = error
        if mqtt.ssl and isinstance(error, (OSError, ValueError)):
            from ufota.web import tls_errors

            failed = tls_errors.judged(error, sock, None, None)
        sock.close()
    raise failed


def _reach(board, sock, address):
    sock.setblocking(False)
    try:
        sock.connect(address)
    except OSError as error:
        if error.errno != EINPROGRESS:
            raise
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    begun_ms = time.ticks_ms()
    while not poll.poll(_NAP_MS):  # connected, or refused: the first write() tells
        board.feed()
        if time.ticks_diff(time.ticks_ms(), begun_ms) > _TCP_MS:
            raise OSError(ETIMEDOUT)


def packet(mqtt):
    """CONNECT of MQTT 3.1.1, for a clean session, of umqtt.simple's fields."""
    flags = 2
    names = [mqtt.client_id]
    if mqtt.lw_topic:
        flags |= 4 | mqtt.lw_qos << 3 | mqtt.lw_retain << 5
        names += mqtt.lw_topic, mqtt.lw_msg
    if mqtt.user is not None:
        flags |= 0xC0
        names += mqtt.user, mqtt.pswd
    body = b"\0\x04MQTT\x04" + bytes((flags, mqtt.keepalive >> 8, mqtt.keepalive & 0xFF))
    for name in names:
        name = name.encode() if isinstance(name, str) else name
        body += bytes((len(name) >> 8, len(name) & 0xFF)) + name
    head, size = b"\x10", len(body)
    while size > 127:
        head += bytes((size & 127 | 128,))
        size >>= 7
    return head + bytes((size,)) + body


def _hear(answer):
    """Take a CONNACK."""
    if answer[0] != 0x20 or answer[1] != 2:
        raise FwError(errors_net.BAD_MESSAGE, answer[0])
    if answer[3]:
        is_busy = answer[3] == _UNAVAILABLE
        raise FwError(errors.CONNECT if is_busy else errors_net.LOGIN, answer[3])
