"""Private keys and identities are not published by accident, whatever their files are called."""

import json

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from fwcore import kv
from fwtool.images import image
from fwtool.signing import keys, secret_scan
from fwtool_cli import BY_KEY, LAYOUT, application, fwtool
from serve_kit import ask, serving
from ufota_testkit.noise import noise
from virtual_kit import POINT

KEY = ec.derive_private_key(7, ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
FORMATS = form.PrivateFormat
PLAIN, LOCKED = form.NoEncryption(), form.BestAvailableEncryption(b"x")
PEM, DER = form.Encoding.PEM, form.Encoding.DER
PUBLIC_PEM = KEY.public_key().public_bytes(PEM, form.PublicFormat.SubjectPublicKeyInfo)
PUBLIC_DER = KEY.public_key().public_bytes(DER, form.PublicFormat.SubjectPublicKeyInfo)


def dump(encoding, shape=FORMATS.PKCS8, lock=PLAIN, key=KEY):
    return key.private_bytes(encoding, shape, lock)


PRIVATE = {
    "pem": dump(PEM),
    "sec1 pem": dump(PEM, FORMATS.TraditionalOpenSSL),
    "locked pem": dump(PEM, lock=LOCKED),
    "old locked pem": dump(PEM, FORMATS.TraditionalOpenSSL, LOCKED),
    "openssh": dump(PEM, FORMATS.OpenSSH),
    "rsa pem": dump(PEM, FORMATS.TraditionalOpenSSL, key=RSA),
    "windows pem": dump(PEM).replace(b"\n", b"\r\n"),
    "source": b'KEY = "' + dump(PEM).replace(b"\n", b"\\n") + b'"\n',
    "lines of source": b'KEY = (b"' + dump(PEM).replace(b"\n", b'\\n"\n    b"') + b'")\n',
    "der": dump(DER),
    "sec1 der": dump(DER, FORMATS.TraditionalOpenSSL),
    "locked der": dump(DER, lock=LOCKED),
    "rsa der": dump(DER, key=RSA),
    "pkcs1 der": dump(DER, FORMATS.TraditionalOpenSSL, key=RSA),
    "ed25519 der": dump(DER, key=ed25519.Ed25519PrivateKey.generate()),
}
ROT = "00112233445566778899aabbccddeeff"
IDENTITIES = {
    "identity": json.dumps({"key": "04" * 65, "rot": ROT}, indent=2).encode(),
    "root of trust alone": json.dumps({"rot": ROT}).encode(),
    "class key": b"{'class_key' : '" + ROT.upper().encode() + b"'}",
    "store": kv._pack({b"key": bytes(65), b"rot": bytes.fromhex(ROT)}),
}
SECRETS = {**PRIVATE, **IDENTITIES}
INNOCENT = {
    "public key": PUBLIC_PEM,
    "public key in der": PUBLIC_DER,
    "point": POINT,
    "lines of mbedTLS": b"-----BEGIN PRIVATE KEY-----\x00-----BEGIN RSA PRIVATE KEY-----\x00"
    b"-----END RSA PRIVATE KEY-----\x00-----BEGIN ENCRYPTED PRIVATE KEY-----\x00\x00",
    "source": b'if b"-----BEGIN PRIVATE KEY-----" in text:\n    rot = "".join(parts)\n',
    "der that is cut": dump(DER)[:-1],
    "der of something else": b"\x30\x10\x02\x01\x00" + bytes(13),
    "begins of der": b"\x30\x82\xff\xff\x02\x01\x00" * 100,
    "nothing": b"",
    "noise": noise(1 << 20),
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_found_wherever_it_lies(name):
    secret = SECRETS[name]
    what = "a private key" if name in PRIVATE else "identity"
    for before, after in ((0, 0), (1, 5), (4095, 4096), (70000, 1)):
        found = secret_scan.find(noise(before, 3) + secret + noise(after, 4))
        assert found and what in found[0] and before <= found[1] < before + len(secret)


@pytest.mark.parametrize("name", INNOCENT)
def test_what_is_none_is_not_taken_for_one(name):
    assert secret_scan.find(INNOCENT[name]) is None


@pytest.mark.parametrize("kind", ["lfs2", "fat", "romfs"])
@pytest.mark.parametrize("name", ["pem", "locked pem", "der", "identity"])
def test_a_secret_in_an_image_is_found(name, kind):
    tree = {"main.py": b"pass", "lib/certs/x.bin": SECRETS[name], "z": noise(9000)}
    assert secret_scan.find(image.build(tree, kind, 4096))


@pytest.mark.parametrize("name", ["pem", "der", "identity", "store"])
def test_no_command_publishes_it(name, tmp_path, monkeypatch):
    """The exit code is 5, the line names the file, nothing is written."""
    monkeypatch.chdir(tmp_path)
    fwtool("keygen", "key.pem")
    app = application(tmp_path)
    fwtool("image", app, "-o", "good.img")
    tree = image.collect(str(app))
    built = image.build({**tree, "x.bak": SECRETS[name]}, "lfs2", 4096)
    (tmp_path / "bad.img").write_bytes(built)
    (tmp_path / "boot.bin").write_bytes(noise(300) + SECRETS[name])
    (app / "lib" / "notes.txt").write_bytes(SECRETS[name])
    making = ("--key", "key.pem", *BY_KEY)
    whole = ("--layout", LAYOUT, "--version", "1.0.0", "--sign-key", "key.pem", *BY_KEY[2:])
    commands = (
        ("notes.txt", "image", app),
        ("bad.img", "bundle", "bad.img", *making),
        ("bad.img", "bundle", "bad.img", "--deflate", *making),
        ("bad.img", "manifest", "create", "bad.img", "--uri", "x", *making),
        ("bad.img", "combine", "--app", "bad.img", *whole),
        ("boot.bin", "combine", "--app", "good.img", "--boot", "boot.bin", *whole),
    )
    for named, *words in commands:
        said = fwtool(*words, "-o", "out.bin", code=5).stderr
        assert named in said and " in it, at byte " in said, said
        assert not (tmp_path / "out.bin").exists()


def test_the_server_keeps_it_back(tmp_path):
    """Under any name, inside of any file, and when it comes later; and says so at its start."""
    (tmp_path / "good.bin").write_bytes(noise(5000))
    (tmp_path / "empty").write_bytes(b"")
    for number, secret in enumerate(SECRETS.values()):
        (tmp_path / f"{number}.txt").write_bytes(secret)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "app.fw").write_bytes(noise(9000) + SECRETS["der"])
    said = []
    with serving(tmp_path, stderr=said) as process:
        for path in (*(f"/{number}.txt" for number in range(len(SECRETS))), "/sub/app.fw"):
            assert ask(process.server, path)[0].status == 404, path
        for path in ("/good.bin", "/empty"):
            assert ask(process.server, path)[0].status == 200
        (tmp_path / "good.bin").write_bytes(SECRETS["pem"])  # a server runs for long
        assert ask(process.server, "/good.bin")[0].status == 404
        shown = json.loads(ask(process.server, "/")[1])["files"]
        assert [row["file"] for row in shown] == ["empty"]
    text = "".join(said)
    assert text.count("NOT SERVED: ") == len(SECRETS) + 1
    assert "NOT SERVED: sub/app.fw has a private key in it" in text


def test_a_key_made_by_keygen_is_one(tmp_path):
    keys.create(str(tmp_path / "k"), b"secret")
    assert secret_scan.find((tmp_path / "k").read_bytes())
    assert not secret_scan.find((tmp_path / "k.pub").read_bytes())
