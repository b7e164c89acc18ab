"""What went wrong in TLS, as numbers.

MicroPython's mbedTLS tells why a certificate was refused in the text of a ValueError only,
CPython's OpenSSL in an attribute; both become the same FwError here.
"""

import select
import time
from errno import EAGAIN, ECONNRESET

from micropython import const

from fwcore import errors, errors_net
from fwcore.errors import FwError

_BUILD_YEAR = const(2026)  # no clock that was ever set is earlier
_FATAL_ALERT = const(-0x7780)  # mbedTLS: the peer said no
_CLOSED = const(-0x7280)  # mbedTLS: the peer hung up, in the handshake
_ALERT = b"\x15\x03\x03\x00\x02"  # record header of one in clear text (RFC 5246)
_WANT_READ = const(2)  # OpenSSL's
_WANT_WRITE = const(3)
_EOF = const(8)

# mbedtls_x509_crt_verify_info() says one line a reason; the first that is there counts.
_TEXTS = (
    ("trusted", errors_net.UNTRUSTED),
    ("Common Name", errors_net.WRONG_HOST),
    ("expired", errors_net.EXPIRED),
    ("future", errors_net.NOT_YET_VALID),
)
_VERIFY_CODES = {  # X509_V_ERR_..., openssl/x509_vfy.h
    9: errors_net.NOT_YET_VALID,
    10: errors_net.EXPIRED,
    62: errors_net.WRONG_HOST,
    64: errors_net.WRONG_HOST,  # of an address in digits
}


def judged(error, raw, stream, poll, through=False):
    """The exception that an OSError or ValueError of a TLS socket means.

    raw:      the socket below it
    stream, poll: the TLS socket, and what watches it: CPython's tells what it waits for
    through: True: the handshake is over. What the server says then is a refusal only when it is
             of a certificate (TLS 1.3)
    returns:  FwError; OSError EAGAIN to go on later, others of the connection
    """
    if hasattr(error, "reason"):
        return _of_openssl(error, stream, poll, through)
    if not isinstance(error, OSError):
        return _refused(str(error))
    errno = errors.errno_of(error)
    if errno >= 0:
        return _alert(raw) or error
    if errno == _CLOSED:
        return OSError(ECONNRESET, "")
    return _failed(errno == _FATAL_ALERT and not through, -errno)


def _alert(raw):
    """The alert that the server sent before it closed the handshake, as an error; None: none.

    mbedTLS finds that it cannot write any more, and does not look whether there is a reason.
    """
    try:
        record = raw.recv(7)
    except OSError:
        return None
    if len(record) == 7 and record[:5] == _ALERT:
        return FwError(errors_net.TLS_REFUSED, record[6])
    return None


def _of_openssl(error, stream, poll, through):
    code = getattr(error, "verify_code", 0)
    if code:
        return _certificate(_VERIFY_CODES.get(code, errors_net.UNTRUSTED))
    if error.errno in (_WANT_READ, _WANT_WRITE):
        poll.modify(stream, select.POLLIN if error.errno == _WANT_READ else select.POLLOUT)
        return OSError(EAGAIN, "")
    if error.errno == _EOF:
        return OSError(ECONNRESET, "")
    reason = error.reason or ""
    if through:  # TLS 1.3: only now the server says what it thinks of the client's certificate
        refused = "CERTIFICATE" in reason or "UNKNOWN_CA" in reason
    else:
        refused = "_MAC" not in reason and "INTERNAL_ERROR" not in reason  # as alerts 20 and 80
    return _failed("ALERT" in reason and refused, errors.errno_of(error))


def _failed(refused, number):
    return FwError(errors_net.TLS_REFUSED if refused else errors_net.TLS_FAILED, number)


def _refused(text):
    for part, code in _TEXTS:
        if part in text:
            return _certificate(code)
    return FwError(errors_net.TLS_FAILED)


def _certificate(code):
    if code == errors_net.NOT_YET_VALID and time.gmtime()[0] < _BUILD_YEAR:
        code = errors_net.CLOCK_NOT_SET
    return FwError(code)
