"""fwtool keygen and tables, and every form a key may be given in."""

import stat
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from fwcore.p256 import FixedKey, PublicKey
from fwtool import exits, files
from fwtool.signing import keys
from fwtool_cli import BY_KEY, FOR_LAMP, fwtool
from helpers import here
from ufota_testkit.noise import noise


def test_a_new_key_is_p256_and_its_owners_alone(tmp_path):
    path = tmp_path / "key.pem"
    said = fwtool("keygen", path).stdout
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"BEGIN PRIVATE KEY" in path.read_bytes()
    point = (tmp_path / "key.point").read_bytes()
    assert keys.key_id(point) in said
    for name in ("key.pem", "key.pub", "key.point"):
        assert keys.load_point(str(tmp_path / name)) == point


def test_secrets_that_others_can_read_are_told_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fwtool("keygen", "a key.pem")
    (tmp_path / "app.img").write_bytes(noise(100))
    (tmp_path / "class.key").write_bytes(noise(16, 3))
    (tmp_path / "rot.json").write_text('{"rot": "%s"}' % ("5a" * 16))
    made = ("bundle", "--raw", "app.img", "-o", "app.fw", "--key", "a key.pem", *BY_KEY)
    made += ("--class-key", "class.key")
    given = ("provision", "-o", "x", "--key", "a key.point", *FOR_LAMP, "--rot", "rot.json")
    for name, words in (("a key.pem", made), ("class.key", made), ("rot.json", given)):
        for path in ("a key.pem", "class.key", "rot.json"):
            (tmp_path / path).chmod(0o600)
        assert fwtool(*words).stderr == ""
        (tmp_path / "x").unlink(missing_ok=True)
        for mode in (0o640, 0o604, 0o622):
            files.warn_of_readers.cache_clear()  # as in another process
            (tmp_path / name).chmod(mode)
            said = fwtool(*words).stderr
            quoted = f"'{name}'" if " " in name else name
            assert said == f"warning: others can read {name}: chmod 600 {quoted}\n"
            (tmp_path / "x").unlink(missing_ok=True)
            assert fwtool(*words).stderr == ""  # once
            (tmp_path / "x").unlink(missing_ok=True)
        files.warn_of_readers.cache_clear()


@pytest.mark.parametrize("name", ["key.pem", "key.pub", "key.point"])
def test_no_file_of_a_key_is_ever_overwritten(tmp_path, name):
    (tmp_path / name).write_bytes(b"precious")
    fwtool("keygen", tmp_path / "key.pem", code=5)
    assert (tmp_path / name).read_bytes() == b"precious"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_that_appears_meanwhile_is_not_overwritten_either(tmp_path, monkeypatch):
    (tmp_path / "key.pem").write_bytes(b"precious")
    monkeypatch.setattr("os.path.lexists", lambda path: False)
    fwtool("keygen", tmp_path / "key.pem", code=5)
    assert (tmp_path / "key.pem").read_bytes() == b"precious"


def test_a_dangling_link_is_not_followed(tmp_path):
    (tmp_path / "key.pem").symlink_to(tmp_path / "elsewhere")
    fwtool("keygen", tmp_path / "key.pem", code=5)
    assert not (tmp_path / "elsewhere").exists()


def test_key_name_must_leave_room_for_the_public_ones(tmp_path):
    fwtool("keygen", tmp_path / "key.pub", code=1)
    fwtool("keygen", tmp_path / "no" / "key.pem", code=1)
    for path in ("", f"{tmp_path}/"):
        assert "names no file" in fwtool("keygen", path, code=1).stderr
    assert not list(tmp_path.iterdir())


def test_an_encrypted_key_needs_its_passphrase(tmp_path, monkeypatch):
    path = str(tmp_path / "key.pem")
    fwtool("keygen", path, "--encrypt", code=1)  # no terminal, no variable
    monkeypatch.setenv(keys.PASSPHRASE, "open sesame")
    fwtool("keygen", path, "--encrypt")
    assert b"ENCRYPTED" in (tmp_path / "key.pem").read_bytes()
    assert keys.load_point(path) == (tmp_path / "key.point").read_bytes()
    monkeypatch.setenv(keys.PASSPHRASE, "wrong")
    with pytest.raises(exits.Failure, match="wrong passphrase"):
        keys.load_private(path)
    monkeypatch.delenv(keys.PASSPHRASE)
    with pytest.raises(exits.Failure, match="needs a passphrase"):
        keys.load_private(path)


def test_arms_certificate_and_point_are_the_same_key():
    point = keys.load_point(here("vectors/manifests/keys/dev.pub.bin"))
    assert keys.load_point(here("vectors/manifests/keys/dev.cert.der")) == point
    assert keys.load_point(here("vectors/manifests/keys/other.cert.der")) != point


def test_signatures_are_repeatable_and_the_device_accepts_them(tmp_path):
    fwtool("keygen", tmp_path / "key.pem")
    key = keys.load_private(str(tmp_path / "key.pem"))
    digest = sha256(b"image").digest()
    signature = keys.sign(key, digest)
    assert signature == keys.sign(key, digest)
    assert PublicKey((tmp_path / "key.point").read_bytes()).verify(digest, signature)


def test_tables_verify_the_keys_signatures(tmp_path):
    fwtool("keygen", tmp_path / "key.pem")
    fwtool("tables", tmp_path / "key.pub", "-o", tmp_path / "key.tables")
    digest = sha256(b"image").digest()
    signature = keys.sign(keys.load_private(str(tmp_path / "key.pem")), digest)
    fixed = FixedKey((tmp_path / "key.tables").read_bytes())
    assert fixed.verify(digest, signature)
    assert not fixed.verify(sha256(b"other").digest(), signature)


def _pem(key):
    return key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: ec.generate_private_key(ec.SECP256K1()),
        ed25519.Ed25519PrivateKey.generate,
        lambda: rsa.generate_private_key(65537, 2048),
    ],
)
def test_other_kinds_of_key_are_refused(tmp_path, make):
    path = tmp_path / "key.pem"
    path.write_bytes(_pem(make()))
    with pytest.raises(exits.Failure, match="P-256"):
        keys.load_private(str(path))
    with pytest.raises(exits.Failure, match="P-256"):
        keys.load_point(str(path))


def test_what_is_no_key_is_refused_in_one_line(tmp_path):
    with open(here("vectors/manifests/keys/dev.cert.der"), "rb") as file:
        cut = file.read(100)
    path = tmp_path / "key"
    pem = b"-----BEGIN PRIVATE KEY-----\nMIIB\n"
    for case in (b"", b"\x04" * 64, pem, cut, noise(300)):
        path.write_bytes(case)
        for load in (keys.load_point, keys.load_private):
            with pytest.raises(exits.Failure):
                load(str(path))
    path.write_bytes(b"\x04" + b"\x11" * 64)  # a point's size, but not on the curve
    assert "error 53" in fwtool("tables", path, "-o", "-", code=1).stderr
