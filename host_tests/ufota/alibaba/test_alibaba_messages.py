"""Alibaba's login, offers and blocks, against the recorded and computed vectors."""

import hashlib
import json
from binascii import hexlify, unhexlify

from alibaba_kit import MESSAGES, crc16, reply
from fwcore import errors, errors_net
from helpers import raises
from ufota.alibaba import blocks, login
from ufota.alibaba import job as jobs
from ufota_testkit.noise import noise

BOTH = True


def test_logins_are_those_of_the_vectors():
    tried = 0
    for case in MESSAGES["auth_vectors"]:
        method = case["signmethod"]
        if method != "hmacsha256" and not hasattr(hashlib, method[4:]):
            continue
        found = login.login(
            case["productKey"],
            case["deviceName"],
            case["deviceSecret"],
            case["clientId"],
            method,
            case["timestamp"] or "",
            int(case["securemode"]),
        )
        assert found == (case["mqtt_client_id"], case["username"], case["password_upper"])
        tried += 1
    assert tried == len(MESSAGES["auth_vectors"]) == 10


def test_a_login_needs_no_more_than_the_triple():
    found = login.login("key", "name", "secret", timestamp="")
    assert found[0] == "key.name|securemode=3,signmethod=hmacsha256|"
    assert found[1] == "name&key"
    tls = login.login("key", "name", "secret", timestamp="", mode=login.TLS)
    assert "securemode=2" in tls[0] and tls[2] == found[2]


class Clock:
    """`time` of a board. first: the year it counts from"""

    def __init__(self, seconds, first=1970):
        self.seconds = seconds
        self.first = first

    def time(self):
        return self.seconds - (946684800 if self.first == 2000 else 0)

    def gmtime(self, seconds=None):
        if seconds == 0:
            return (self.first,)
        return (1970 + self.seconds // 31556952,)


def login_at(clock):
    real, login.time = login.time, clock
    try:
        return login.login("key", "name", "secret")
    finally:
        login.time = real


def test_a_login_is_of_its_time_where_the_clock_is_set():
    now = 1800000000
    first = login_at(Clock(now))
    assert first[0] == "key.name|securemode=3,signmethod=hmacsha256,timestamp=1800000000000|"
    assert first == login_at(Clock(now, 2000))
    assert first == login.login("key", "name", "secret", timestamp="1800000000000")
    later = login_at(Clock(now + 1))
    assert later[2] != first[2] and later[1] == first[1]


def test_a_clock_that_was_never_set_gives_no_time_stamp():
    due = login.login("key", "name", "secret", timestamp="")
    for seconds, first in ((0, 1970), (946684800, 2000), (1609459200, 2000)):
        assert login_at(Clock(seconds, first)) == due


def test_a_secret_longer_than_a_block_is_hashed_first():
    due = login.login("key", "name", hexlify(hashlib.md5(b"s" * 65).digest()).decode())
    for method in ("hmacmd5", "hmacsha1"):
        name, _, password = login.login("key", "name", "s" * 65, method=method)
        assert len(password) == (32 if method == "hmacmd5" else 40) and password != due[2]


def test_a_method_this_device_lacks_is_refused():
    for method in ("hmacsha512", "sha256", "", "hmac__init__"):
        raises(errors_net.LOGIN, login_by, method)


def login_by(method):
    return login.login("key", "name", "secret", method=method)


def read(message):
    return jobs.read(json.dumps(message).encode())


def offer(**changes):
    """upgrade_https_single with other data."""
    message = json.loads(json.dumps(MESSAGES["upgrade_https_single"]))
    message["data"].update(changes)
    message["data"] = {key: value for key, value in message["data"].items() if value is not None}
    return message


def test_the_offers_of_the_vectors_are_understood():
    name, job = read(MESSAGES["upgrade_https_single"])
    assert (job.module, job.version, job.size) == ("MCU", "2.0.0", 300000)
    assert job.url == "https://host.example/fw.bin?Expires=1&Signature=x" and job.stream is None
    assert (job.method, job.sign) == ("md5", b"0" * 32)
    name, job = read(MESSAGES["upgrade_mqtt"])
    assert (job.stream, job.url, job.size, job.method) == ((1397345, 1), "", 300000, "md5")
    assert read(MESSAGES["upgrade_no_package"]) == ("1", None)
    assert read(MESSAGES["query_reply_none"]) == ("2", None)


def test_a_package_of_several_files_is_refused_and_one_of_one_is_taken():
    error = raises(errors.UNSUPPORTED, read, MESSAGES["upgrade_https_multi"])
    assert error.at == "MCU"
    message = json.loads(json.dumps(MESSAGES["upgrade_https_multi"]))
    del message["data"]["files"][1]
    job = read(message)[1]
    assert (job.url, job.size, job.method) == ("https://host.example/a", 1000, "sha256")
    assert job.sign == b"0" * 64
    for files in ([], [1], {}, "x", None, [[]]):
        message["data"]["files"] = files
        raises(errors_net.BAD_MESSAGE, read, message)


def test_methods_are_compared_without_case_and_md5_stands_in():
    sha, md5 = "A" * 64, "b" * 32
    for name in ("SHA256", "Sha256", "sha256"):
        job = read(offer(sign=sha, signMethod=name, md5=md5))[1]
        assert (job.method, job.sign) == ("sha256", b"a" * 64)
    for name in ("MD5", "Md5", "md5"):
        job = read(offer(sign=md5, signMethod=name))[1]
        assert (job.method, job.sign) == ("md5", b"b" * 32)
    for changes in ({"signMethod": "SM3", "sign": "x"}, {"sign": None}, {"signMethod": None}):
        job = read(offer(md5=md5, **changes))[1]
        assert (job.method, job.sign) == ("md5", b"b" * 32)
    job = read(offer(md5=None, sign=None))[1]
    assert (job.method, job.sign) == ("", b"")


def test_a_digest_that_is_none_is_refused():
    for changes in (
        {"sign": "0" * 31},
        {"sign": "0" * 64},
        {"sign": "g" * 32},
        {"sign": 5},
        {"sign": "0" * 32, "signMethod": "SHA256"},
        {"sign": None, "md5": "0" * 33},
    ):
        raises(errors_net.BAD_MESSAGE, read, offer(**changes))


def test_addresses_of_2_kib_are_taken_and_others_refused():
    start = "https://host/"
    url = start + "s" * (2048 - len(start))
    assert read(offer(url=url))[1].url == url
    for bad in (url + "s", "ftp://host/x", "", None, "host/x", 5, "https://h/\n", "HTTPS"):
        raises(errors_net.BAD_MESSAGE, read, offer(url=bad))


def test_fields_that_are_missing_or_of_another_kind_are_refused():
    for changes in (
        {"version": None},
        {"version": ""},
        {"version": 2},
        {"version": "v" * 65},
        {"version": 'v"\n'},
        {"size": -1},
        {"size": 0},
        {"size": 1 << 31},
        {"size": 1.5},
        {"module": []},
        {"module": "m" * 65},
        {"dProtocol": "mqtt", "url": None},
        {"dProtocol": "mqtt", "url": None, "streamId": "x", "streamFileId": 1},
    ):
        raises(errors_net.BAD_MESSAGE, read, offer(**changes))
    assert read(offer(size=None))[1].size is None
    assert read(offer(size="300000"))[1].size == 300000
    for message in ({"data": []}, {"data": "x"}, {"code": 500, "data": {}}, {"message": "no"}):
        raises(errors_net.BAD_MESSAGE, read, message)


def test_the_default_module_has_two_names():
    for name in ("default", "", None):
        assert read(offer(module=name))[1].module == ""


def test_a_message_is_4_kib_at_most():
    message = offer(extData={"x": "y" * 3000})
    assert read(message)[1]
    message["data"]["extData"]["x"] = "y" * 4000
    raises(errors_net.BAD_MESSAGE, read, message)


def test_jobs_are_the_same_by_version_and_digest():
    job = read(offer())[1]
    assert job.is_same(read(offer(url="http://elsewhere/"))[1])
    assert not job.is_same(read(offer(sign="1" * 32))[1])
    assert not job.is_same(read(offer(version="2.0.1"))[1])
    assert not job.is_same(read(offer(size=job.size + 1))[1])
    assert not job.is_same(None)


# Blocks


def test_the_crc_is_that_of_the_vectors():
    assert blocks.crc16(b"123456789") == int(MESSAGES["crc16_arc_check('123456789')"], 16)
    assert blocks.crc16(b"") == 0
    for size in (1, 2, 255, 2048):
        data = noise(size, size)
        assert blocks.crc16(memoryview(data)) == crc16(data)


class Pipe:
    """A Link without a connection."""

    block_ms = 10000
    repeats = 3

    def __init__(self):
        self.reply = None
        self.asked = []

    def hear_blocks(self):
        pass

    def pump(self):
        pass

    def publish(self, topic, rest):
        self.asked.append((topic, json.loads('{"id":"10",' + rest + "}")))


def blocks_of(size, length, at=0, tag=b""):
    job = jobs.Job("", "2.0.0")
    job.size, job.stream, job.sign = length, (1397345, 1), b"5197"
    pipe = Pipe()
    made = blocks.Blocks(pipe, job, size)
    made.open("", at, tag)
    return pipe, made


def test_the_reply_of_the_vectors_is_taken_and_the_request_is_theirs():
    data = unhexlify(MESSAGES["mqtt_block_reply_hex"])
    pipe, source = blocks_of(5120, None)
    mv = memoryview(bytearray(64))
    assert source.readinto(mv) is None
    topic, asked = pipe.asked[0]
    assert topic % "pk/dn" == MESSAGES["topics"]["mqtt block request"].replace(
        "{pk}/{dn}", "pk/dn"
    )
    assert asked == MESSAGES["mqtt_block_request"]
    pipe.reply = data
    assert source.readinto(mv[:20]) == 20 and source.readinto(mv[20:]) == 12
    assert bytes(mv[:32]) == bytes(range(32)) and source.length == 1238848
    assert source.readinto(mv) is None and len(pipe.asked) == 2
    assert pipe.asked[1][1]["params"]["fileBlock"] == {"size": 5120, "offset": 32}


def test_the_last_request_asks_for_the_rest():
    pipe, source = blocks_of(2048, 3000, at=2048)
    assert source.readinto(memoryview(bytearray(1))) is None
    assert pipe.asked[0][1]["params"]["fileBlock"] == {"size": 952, "offset": 2048}


def test_another_file_begins_anew_and_the_same_one_goes_on():
    assert blocks_of(2048, 3000, 100, b"5197")[1].at == 100
    assert blocks_of(2048, 3000, 100, b"")[1].at == 100
    assert blocks_of(2048, 3000, 100, b"5198")[1].at == 0
    assert blocks_of(2048, 3000, 3000, b"5197")[1].readinto(memoryview(bytearray(1))) == 0


def parse(pipe_and_source, message):
    """The bytes of a reply; b"" when it is damaged, None when it is none for this block."""
    pipe, source = pipe_and_source
    found = source._data(memoryview(message))
    return None if found is None else source._checked(memoryview(message), found)


def test_what_is_no_reply_for_this_block_is_passed_over():
    data = noise(100)
    good = reply(0, data, 300)
    assert parse(blocks_of(100, 300), good) == data
    for name, message in (
        ("empty", b""),
        ("short", b"\0\1\0"),
        ("JSON longer than the message", b"\xff\xff" + good[2:]),
        ("JSON one byte longer", (len(good) - 3).to_bytes(2, "big") + good[2:]),
        ("no JSON", b"\0\0" + data + b"\0\0"),
        ("no offset", reply(0, data, 300, bOffset="x")),
        ("no code", reply(0, data, 300, code=None)),
        ("a refusal of another", reply(100, data, 300, code=500)),
    ):
        assert parse(blocks_of(100, 300), message) is None, name
    for at in (1, 99, 200, 2**31 - 1):
        assert parse(blocks_of(100, 300), reply(at, noise(100), 300)) is None


def test_a_reply_that_is_wrong_in_itself_is_damaged():
    data = noise(100)
    good = reply(0, data, 300)
    for name, message in (
        ("a byte less", good[:-1]),
        ("a byte more", good + b"\0"),
        ("fewer bytes than it says", reply(0, data, 300, bSize=101)),
        ("more bytes than it says", reply(0, data, 300, bSize=99)),
        ("no size", reply(0, data, 300, bSize=None)),
        ("nothing", reply(0, b"", 300)),
        ("more than asked for", reply(0, noise(101), 300)),
        ("another CRC", reply(0, data, 300, crc=crc16(data) ^ 1)),
        ("a CRC with a bit turned over", good[:-1] + bytes([good[-1] ^ 0x80])),
        ("another length", reply(0, data, 301)),
        ("no length", reply(0, data, 300, fileLength=None)),
        ("a length that is none", reply(0, data, 300, fileLength="x")),
    ):
        assert parse(blocks_of(100, 300), message) == b"", name
    assert parse(blocks_of(100, 50), reply(0, data, 50)) == b""


def test_a_damaged_reply_says_nothing_of_the_length():
    pipe, source = blocks_of(100, None)
    assert parse((pipe, source), reply(0, noise(100), 300, crc=0)) == b""
    assert source.length is None


def test_a_refusal_has_its_code():
    for more in ({}, {"bOffset": None}):
        message = reply(0, noise(100), 300, code=404, **more)
        assert raises(errors.HTTP_STATUS, parse, blocks_of(100, 300), message).at == 404


def test_junk_in_front_of_each_reply_repeats_no_request():
    data = noise(1000)
    pipe, source = blocks_of(100, 1000)
    queue = []

    def pump():
        if queue and pipe.reply is None:
            pipe.reply = queue.pop(0)

    def publish(topic, rest):
        pipe.asked.append(rest)
        at = json.loads('{"id":"10",' + rest + "}")["params"]["fileBlock"]["offset"]
        queue.extend([b"?", reply(at, data[at : at + 100], 1000)])

    pipe.pump, pipe.publish = pump, publish
    mv, got = memoryview(bytearray(100)), b""
    while len(got) < 1000:
        count = source.readinto(mv)
        got += bytes(mv[: count or 0])
    assert got == data and len(pipe.asked) == 10


def test_junk_without_end_is_an_error():
    pipe, source = blocks_of(100, 1000)
    mv, count = memoryview(bytearray(100)), 0

    def pump():
        pipe.reply = b"?"

    pipe.pump = pump
    try:
        while count < 1000:
            count += 1
            assert source.readinto(mv) is None
    except errors.FwError as error:
        assert error.code == errors_net.BAD_MESSAGE
    assert count == 66 and len(pipe.asked) == 1  # the request, and 65 messages


def test_every_bit_of_a_reply_turned_over_is_refused_or_passed_over():
    data = noise(24)
    good = reply(0, data, 300)
    for at in range(len(good) * 8):
        bad = bytearray(good)
        bad[at // 8] ^= 1 << at % 8
        found = None
        try:
            found = parse(blocks_of(100, 300), bad)
        except Exception as error:
            assert type(error) is errors.FwError, at
        assert not found or bytes(found) == data, at
