"""Certificates for tests, made by trustme, as DER files beside the PEM ones.

CPython only. MicroPython reads DER, and OpenSSL's command line and nginx read PEM.
"""

import datetime
import ipaddress
import ssl

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)


class Certificates:
    """Files in a folder; `path(name)` + .pem (key and chain), .der, .key (DER).

    ca, stranger:  CAs; the first one signs all but `strange`
    good:          for 127.0.0.1, ::1 and localhost
    expired, early, elsewhere (other.example), strange (signed by stranger):  bad ones
    selfsigned:    for 127.0.0.1, to be pinned
    device:        a client's, signed by ca
    """

    def __init__(self, folder):
        self.folder = folder
        now = datetime.datetime.now(datetime.timezone.utc)
        ca, stranger = trustme.CA(), trustme.CA()
        self._write("ca", ca.cert_pem.bytes(), ca.private_key_pem.bytes())
        self._write("stranger", stranger.cert_pem.bytes(), stranger.private_key_pem.bytes())
        here = ("127.0.0.1", "::1", "localhost")
        self._issue(ca, "good", *here)
        self._issue(ca, "expired", *here, not_before=now - 9 * _DAY, not_after=now - 2 * _DAY)
        self._issue(ca, "early", *here, not_before=now + 2 * _DAY, not_after=now + 9 * _DAY)
        self._issue(ca, "elsewhere", "other.example", "10.9.8.7")
        self._issue(stranger, "strange", *here)
        self._issue(ca, "device", "device@example.org")
        self._sign_itself("selfsigned", now, "127.0.0.1")

    def path(self, name):
        return str(self.folder / name)

    def read(self, name):
        """Bytes of a file: "ca.der"."""
        return (self.folder / name).read_bytes()

    def server_context(self, name="good", oldest=None, newest=None, client_ca=None):
        """An SSLContext for a server. oldest, newest: ssl.TLSVersion."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.path(name) + ".pem")
        if oldest:
            made.minimum_version = oldest
        if newest:
            made.maximum_version = newest
        if client_ca:
            made.verify_mode = ssl.CERT_REQUIRED
            made.load_verify_locations(self.path(client_ca) + ".pem")
        return made

    def _issue(self, ca, name, *identities, **times):
        made = ca.issue_cert(*identities, **times)
        chain = b"".join(each.bytes() for each in made.cert_chain_pems)
        self._write(name, chain, made.private_key_pem.bytes())

    def _sign_itself(self, name, now, host):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), False
            )
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        plain = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        self._write(name, made.public_bytes(pem), key.private_bytes(pem, *plain))

    def _write(self, name, chain, key):
        place = self.folder / name
        place.with_suffix(".pem").write_bytes(key + chain)
        certificate = x509.load_pem_x509_certificate(chain)
        place.with_suffix(".der").write_bytes(certificate.public_bytes(serialization.Encoding.DER))
        private = serialization.load_pem_private_key(key, None)
        place.with_suffix(".key").write_bytes(
            private.private_bytes(
                serialization.Encoding.DER,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
