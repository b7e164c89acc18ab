"""The message with which Alibaba Cloud IoT offers an update: upgrade, or firmware/get_reply.

Owns the form of such a message; no other file parses it. No I/O.
source: the documented messages; vectors in host_tests/vectors/aliyun/alibaba_ota.json
"""

from binascii import crc32

from micropython import const

from fwcore import errors, errors_net
from fwcore.errors import FwError
from ufota import bounded_json

MAX_MESSAGE = const(4096)  # bytes: an address of 2 KiB, digests, and data we do not look at
_MAX_URL = const(2048)  # signed addresses with temporary credentials exceed 256 characters
_MAX_NAME = const(64)
_MAX_SIZE = const((1 << 31) - 1)
_MAX_ID = (1 << 62) - 1
_CODES = (None, 200, 1000)
_HEX_DIGITS = {"md5": 32, "sha256": 64}


class Job:
    """One update that the service offers.

    module:   "" for the default one
    version:  text, ASCII: other characters are numbers in it, "%4e2d"
    size:     bytes of the file, None when not given
    url:      where it is, "" when it comes in blocks over MQTT
    stream:   (stream id, file id) then
    method:   "md5" or "sha256", "" when no digest was given
    sign:     the digest in small hexadecimal digits, bytes
    """

    def __init__(self, module, version):
        self.module = module
        self.version = version
        self.size = None
        self.url = self.method = ""
        self.sign = b""
        self.stream = None

    def is_same(self, other):
        """True when both bring the same file, whatever the address."""
        if not other:
            return False
        mine, its = (self.version, self.sign, self.size), (other.version, other.sign, other.size)
        return mine == its

    def mark(self):
        """Four bytes that stand for the job in a record."""
        text = "%s %s " % (self.version, self.size)
        return crc32(text.encode() + self.sign).to_bytes(4, "little")


def read(buf):
    """Parse a message.

    buf:      bytes-like
    returns:  (id as text, Job); None in place of the Job when there is nothing to do
    raises:   FwError BAD_MESSAGE; UNSUPPORTED for a package of several files, at = its module
    """
    found = bounded_json.loads(buf, MAX_MESSAGE)
    code = bounded_json.number(found, "code", 9999)
    data = bounded_json.table(found, "data")
    bad = code not in _CODES
    if code is None and not data:  # only then does the text for people count
        bad = found.get("message") not in (None, "", "success")
    if bad:
        raise FwError(errors_net.BAD_MESSAGE)
    return str(found.get("id"))[:20], _job(data) if data else None


def module_of(name):
    """The service's name of the default module, or none, is "" here."""
    return "" if name == "default" else name


def _job(data):
    module = module_of(bounded_json.text(data, "module", _MAX_NAME))
    job = Job(module, bounded_json.text(data, "version", _MAX_NAME, True))
    if "files" in data:
        _one_file(job, data)
    else:
        job.size = bounded_json.number(data, "size", _MAX_SIZE)
        job.url = bounded_json.text(data, "url", _MAX_URL)
        _digest(job, data, data, "sign", "md5")
        if bounded_json.text(data, "dProtocol", _MAX_NAME) == "mqtt":
            job.url = ""
            job.stream = _id(data, "streamId"), _id(data, "streamFileId")
    is_web = job.url[:8].lower().startswith(("http://", "https://"))
    if not job.version or not (job.stream or is_web) or job.size == 0:
        raise FwError(errors_net.BAD_MESSAGE)
    return job


def _one_file(job, data):
    """A package of the kind that may have many files, and has one."""
    files = data["files"]
    if not isinstance(files, list) or not files or not isinstance(files[0], dict):
        raise FwError(errors_net.BAD_MESSAGE)
    if len(files) > 1:
        raise FwError(errors.UNSUPPORTED, job.module)
    job.size = bounded_json.number(files[0], "fileSize", _MAX_SIZE)
    job.url = bounded_json.text(files[0], "fileUrl", _MAX_URL)
    _digest(job, data, files[0], "fileSign", "fileMd5")


def _digest(job, data, file, sign, md5):
    """The digest the service names, else the MD5 that is always there."""
    job.method = bounded_json.text(data, "signMethod", _MAX_NAME).lower()
    name = sign
    if job.method not in _HEX_DIGITS or not file.get(sign):
        job.method, name = "md5", md5
    digits = bounded_json.text(file, name, _MAX_NAME).lower()
    if not digits:
        job.method = ""
    elif len(digits) != _HEX_DIGITS[job.method] or digits.strip("0123456789abcdef"):
        raise FwError(errors_net.BAD_MESSAGE)
    job.sign = digits.encode()


def _id(data, key):
    found = bounded_json.number(data, key, _MAX_ID)
    if found is None:
        raise FwError(errors_net.BAD_MESSAGE)
    return found
