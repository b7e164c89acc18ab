"""Fatal TLS alerts: which are a refusal, and which may not come again."""

from fwcore import errors_net
from ufota.sources.verdicts import looks_permanent
from ufota.web import tls_errors

BOTH = True  # runs on CPython and on MicroPython

FATAL_ALERT = OSError(-0x7780, "")  # mbedTLS
INVALID_MAC = OSError(-0x7180, "")


class Raw:
    def __init__(self, data):
        self.data = data

    def recv(self, size):
        return self.data[:size]


class OpenSsl(OSError):
    def __init__(self, reason):
        super().__init__(1, reason)
        self.reason = reason


def judged(error, through=False, raw=b""):
    return tls_errors.judged(error, Raw(raw), None, None, through)


def test_an_alert_in_the_handshake_is_a_refusal_and_looks_permanent():
    for error in (FATAL_ALERT, OpenSsl("TLSV1_ALERT_PROTOCOL_VERSION")):
        found = judged(error)
        assert found.code == errors_net.TLS_REFUSED and looks_permanent(found)


def test_an_alert_after_the_handshake_is_none():
    for error in (FATAL_ALERT, OpenSsl("SSLV3_ALERT_BAD_RECORD_MAC")):
        found = judged(error, True)
        assert found.code == errors_net.TLS_FAILED and not looks_permanent(found)


def test_with_tls_1_3_a_certificate_is_refused_after_the_handshake():
    """Only OpenSSL has TLS 1.3 here; its client is through before the server has looked."""
    for name in ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_CERTIFICATE_EXPIRED"):
        assert judged(OpenSsl(name), True).code == errors_net.TLS_REFUSED
    assert judged(OpenSsl("TLSV1_ALERT_UNKNOWN_CA"), True).code == errors_net.TLS_REFUSED


def test_damage_and_a_server_in_trouble_pass():
    for alert in (20, 80):
        found = judged(OSError(32, ""), raw=b"\x15\x03\x03\x00\x02\x02" + bytes((alert,)))
        assert (found.code, found.at) == (errors_net.TLS_REFUSED, alert)
        assert not looks_permanent(found)
    for reason in ("SSLV3_ALERT_BAD_RECORD_MAC", "TLSV1_ALERT_INTERNAL_ERROR"):
        assert not looks_permanent(judged(OpenSsl(reason)))
    assert not looks_permanent(judged(INVALID_MAC))


def test_what_two_libraries_never_agree_on_looks_permanent_the_second_time():
    """A server of TLS 1.0, a key of 1024 bits, a certificate for clients only."""
    text = ValueError("The certificate is signed with an unacceptable key (eg bad curve)\n")
    for error in (OSError(-0x6E80, ""), text):
        found = judged(error)
        assert found.code == errors_net.TLS_FAILED
        assert not looks_permanent(found) and looks_permanent(found, again=True)
