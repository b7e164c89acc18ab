"""Certificates for HTTPS on the emulated board: a CA, a server, a device; RSA and P-256."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

HOST = "updates.example"
# A board without a clock believes it is 2021.
_FROM = datetime.datetime(2020, 1, 1)
_UNTIL = datetime.datetime(2045, 1, 1)


def pages():
    """{path: DER}, for net.py: ca, server, server-key, client, client-key of both kinds.

    With RSA the device signs for 5.3 s in one step of its client: the watchdog waits 8.3 s.
    """
    return {**_chain("rsa", _rsa), **_chain("p256", _p256)}


def _rsa():
    return rsa.generate_private_key(65537, 2048)


def _p256():
    return ec.generate_private_key(ec.SECP256R1())


def _chain(kind, make):
    root = make()
    found = {"ca": _signed("CA", root, "CA", root)}
    for who, name in (("server", HOST), ("client", "device-1")):
        key = make()
        found[who] = _signed(name, key, "CA", root)
        found[who + "-key"] = key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    return {f"{kind}/{name}": data for name, data in found.items()}


def _signed(name, key, issuer, issuer_key):
    builder = x509.CertificateBuilder(_name(issuer), _name(name), key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(_FROM).not_valid_after(_UNTIL)
    is_ca = key is issuer_key
    builder = builder.add_extension(x509.BasicConstraints(is_ca, None), critical=True)
    if not is_ca:
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        builder = builder.add_extension(names, critical=False)
    made = builder.sign(issuer_key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
