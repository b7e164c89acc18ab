"""fwtool serve: faults on demand are what they are called, and only on demand. And TLS."""

import http.client
import ssl
import time

import pytest
import trustme

from fwtool.server import serve_faults
from fwtool_cli import fwtool
from helpers import PATIENCE_S
from serve_kit import ask, serving
from ufota_testkit.noise import noise

IMAGE = noise(200_000)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "image.bin").write_bytes(IMAGE)
    return tmp_path / "public"


def faulty(folder, *faults, options=()):
    """`fwtool serve` with these faults."""
    given = [part for fault in faults for part in ("--fault", fault)]
    return serving(folder, *given, *options, stderr=[])


def cut(server, path="/image.bin", **headers):
    """What came before the connection was closed amid the body."""
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(server, path, **headers)
    return caught.value.partial


@pytest.mark.parametrize("where", [0, 1, 65536, 100_000, 199_999])
def test_cut_ends_each_body_after_so_many_bytes(folder, where):
    with faulty(folder, f"cut:{where}") as process:
        for _ in range(2):
            assert cut(process.server) == IMAGE[:where]


def test_a_body_that_is_shorter_is_not_cut(folder):
    with faulty(folder, "cut:100000") as process:
        response, body = ask(process.server, "/image.bin", Range="bytes=100000-")
        assert (response.status, body) == (206, IMAGE[100_000:])
        assert cut(process.server, Range="bytes=99999-") == IMAGE[99_999:-1]
        assert ask(process.server, "/image.bin", "HEAD")[0].status == 200


def test_stall_sends_so_many_bytes_and_then_nothing(folder):
    with faulty(folder, "stall:70000") as process:
        connection = http.client.HTTPConnection(process.server, timeout=PATIENCE_S)
        connection.request("GET", "/image.bin")
        response = connection.getresponse()
        assert response.read(70_000) == IMAGE[:70_000]
        connection.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            response.read(1)
        connection.close()
        began = time.monotonic()
    assert time.monotonic() - began < 60  # whoever waits for it does not hold up its end


def test_a_stall_does_not_outlive_the_server(folder):
    with faulty(folder, "stall:0") as process:
        connection = http.client.HTTPConnection(process.server, timeout=PATIENCE_S)
        connection.request("GET", "/image.bin")
        connection.getresponse()
    assert connection.sock.recv(1) == b""
    connection.close()


@pytest.mark.parametrize("where", [0, 65535, 65536, 199_999])
def test_corrupt_turns_one_bit_whichever_range_is_asked_for(folder, where):
    spoilt = bytearray(IMAGE)
    spoilt[where] ^= 1
    with faulty(folder, f"corrupt:{where}") as process:
        assert ask(process.server, "/image.bin")[1] == spoilt
        for first, last in ((where, where), (0, 199_999), (max(where - 10, 0), 199_999)):
            asked = f"bytes={first}-{last}"
            assert ask(process.server, "/image.bin", Range=asked)[1] == spoilt[first : last + 1]
        if where:
            assert ask(process.server, "/image.bin", Range="bytes=0-0")[1] == IMAGE[:1]


def test_status_is_the_answer_and_says_when_to_come_again(folder):
    with faulty(folder, "status:503") as process:
        for method in ("GET", "HEAD"):
            response, body = ask(process.server, "/image.bin", method)
            assert (response.status, body) == (503, b"")
            assert response.getheader("Retry-After") == "5"
    with faulty(folder, "status:404") as process:
        response, _ = ask(process.server, "/image.bin")
        assert response.status == 404 and response.getheader("Retry-After") is None


def test_faults_strike_so_often_and_one_after_the_other(folder):
    with faulty(folder, "status:500x2", "cut:10x1", "corrupt:0x0") as process:
        assert ask(process.server, "/image.bin", "HEAD")[0].status == 500
        assert ask(process.server, "/image.bin?fault=cut:5")[0].status == 500
        assert ask(process.server, "/image.bin", "HEAD")[0].status == 200
        assert cut(process.server) == IMAGE[:10]
        for path in ("/image.bin", "/image.bin?fault=cut:5"):
            assert ask(process.server, path)[1] == IMAGE


def test_an_address_asks_for_a_fault_only_where_that_is_allowed(folder):
    with faulty(folder, options=["--faults"]) as process:
        assert cut(process.server, "/image.bin?fault=cut:5") == IMAGE[:5]
        assert ask(process.server, "/image.bin?fault=status:404")[0].status == 404
        assert ask(process.server, "/image.bin?fault=nonsense")[0].status == 400
        assert ask(process.server, "/image.bin")[1] == IMAGE
    with serving(folder) as process:
        assert ask(process.server, "/image.bin?fault=cut:5")[1] == IMAGE


def test_faults_are_told_loudly_at_start_and_logged_as_sent(folder, tmp_path):
    said = []
    given = ("--fault", "cut:1000x3", "--fault", "status:503", "--faults", "--log")
    with serving(folder, *given, tmp_path / "log", stderr=said) as process:
        cut(process.server)
    assert said == [
        "FAULT: the connection is closed after 1000 bytes of the body, 3 times\n"
        "FAULT: the answer is status 503, each time\n"
        "FAULTS: who asks says which, ?fault=\n"
    ]
    assert " GET /image.bin 200 1000 " in (tmp_path / "log").read_text()


def test_what_is_not_a_fault_is_a_usage_error(tmp_path):
    sizes = ("cut", "cut:", "cut:-1", "cut:x", "cut:1x", "cut:1 ", "cut:12345678901")
    for text in (*sizes, "drop:1", "status:99", "status:199", "status:600"):
        with pytest.raises(ValueError):
            serve_faults.read(text)
        fwtool("serve", tmp_path, "--fault", text, code=2)
    assert serve_faults.read("status:599x3") == ("status", 599, 3)
    assert serve_faults.read("cut:0") == ("cut", 0, None)


@pytest.fixture
def certified(tmp_path):
    """(CA, options of fwtool serve) with the key apart from the chain."""
    ca = trustme.CA()
    made = ca.issue_cert("localhost")
    (tmp_path / "chain").write_bytes(b"".join(part.bytes() for part in made.cert_chain_pems))
    made.private_key_pem.write_to_path(tmp_path / "private")
    return ca, ("--certificate", tmp_path / "chain", "--key", tmp_path / "private")


def test_tls_with_a_given_certificate(folder, certified, tmp_path):
    ca, options = certified
    context = ssl.create_default_context()
    with serving(folder, "--host", "localhost", *options) as process:
        assert process.url.startswith("https://localhost:")
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(process.server, "/image.bin", context=context)
        ca.configure_trust(context)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context.minimum_version = context.maximum_version = version
            response, body = ask(process.server, "/image.bin", context=context)
            assert (response.status, body) == (200, IMAGE)
        with pytest.raises((http.client.HTTPException, OSError)):
            ask(process.server, "/image.bin")
    combined = tmp_path / "combined"
    combined.write_bytes((tmp_path / "chain").read_bytes() + (tmp_path / "private").read_bytes())
    with serving(folder, "--host", "localhost", "--certificate", combined) as process:
        assert ask(process.server, "/image.bin", context=context)[1] == IMAGE


def test_a_cut_of_tls_is_a_cut(folder, certified):
    ca, options = certified
    context = ssl.create_default_context()
    ca.configure_trust(context)
    given = ("--host", "localhost", "--fault", "cut:100000", *options)
    with serving(folder, *given, stderr=[]) as process:
        with pytest.raises(http.client.IncompleteRead) as caught:
            ask(process.server, "/image.bin", context=context)
        assert caught.value.partial == IMAGE[:100_000]


def test_a_key_that_is_not_the_certificates(folder, certified, tmp_path):
    trustme.CA().issue_cert("x").private_key_pem.write_to_path(tmp_path / "other")
    options = ("--certificate", tmp_path / "chain", "--key", tmp_path / "other")
    said = fwtool("serve", folder, *options, code=1).stderr
    assert "KEY_VALUES_MISMATCH" in said
