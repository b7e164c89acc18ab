"""Alibaba Cloud IoT OTA: a source that gets its offers over MQTT, and reports there.

    mqtt = MQTTClient(..., ssl=context)      umqtt.simple; see login.py
    cloud = AlibabaSource(board, mqtt, PRODUCT_KEY, DEVICE_NAME, http=HttpSource(tls=context))
    client = FleetClient(board, cloud, Retry())
    while True:
        if client.poll() and client.run():
            machine.reset()
        cloud.wait(1000)

The file of an update comes over HTTP(S), through the source handed in, or in blocks over MQTT.
It is a signed bundle; a bare image only where the layout says `unsigned`.

    what happens                             what is reported
    the device connects                      version of each module; not while it is on trial,
                                             as the service takes it for the success
    an update is offered while one is        nothing; requested again afterwards
    under way, or on trial
    bytes have come                          progress 0..99, 100 once it is committed
    an error that passes                     the same progress, with the number of the error;
                                             requested again after a back-off, and at once
                                             when it is pushed
    an error that is final                   progress -1 or -3, with its number
    after the reset: it runs, confirmed      the new version
    after the reset: it was reverted         the old version, and progress -1 with the reason

Which errors are final: verdicts.py. A final report that comes late, after a break of the
connection or a reset, names no job: it is sent once the service has said which job it offers now,
and not at all when that is another.
source: the documented protocol, in docs/SERVERS.md in short
"""

import hashlib
import time
from binascii import hexlify, unhexlify

from micropython import const

from fwcore import errors, errors_net
from fwcore.errors import FwError
from ufota.alibaba.job import module_of
from ufota.alibaba.link import Link, quoted

_SCHEME = const("aliyun://")
_PUMPS = const(8)  # messages an offer() takes in at most
_RENEWALS = const(3)  # new addresses in a row of which none brought a byte
_MOST_MS = const(86400000)  # between two attempts at a job that fails
_MAX_BLOCK = const(131072)  # the service gives no larger ones
_OVERHEAD = const(516)  # bytes of a reply beyond its block
_SEQUENCE = const(0x30)  # a manifest begins with it


class AlibabaSource:
    """One module of a device, as a source: its offers, and the bytes of what was offered.

    board:        see docs/DESIGN.md, "What a board offers"
    mqtt:         an MQTT client, see Link of alibaba/link.py. The first offer() connects it, and
                  later ones again after a break. An application that connects it by itself
                  calls link.connected() each time
    http:         byte source for http(s):// addresses; None: blocks over MQTT only
    module:       the service's name for this part of the device; "" for the default one
    version:      text, or a function that returns it; None: the version in the image's header
    block:        bytes of a block over MQTT; the client holds one in RAM, and a little more.
                  Another module's, with its link, is no larger than the first one's, or 3580
    on_other:     on_other(topic, msg) for messages on topics of the application
    link:         of another module of the same device, in place of mqtt and the names
    knobs:        reconnect_s, patience_ms, block_ms, repeats: see Link
    raises:       ValueError, TypeError
    """

    def __init__(
        self,
        board,
        mqtt,
        product_key,
        device_name,
        http=None,
        module="",
        version=None,
        block=2048,
        on_other=None,
        link=None,
        **knobs,
    ):
        self.board = board
        self.http = http
        self.module = module_of(module)
        self.version = version
        if not 1 <= block <= _MAX_BLOCK or block != int(block):
            raise ValueError
        self._block = int(block)
        most = self._block + _OVERHEAD
        if not link:
            link = Link(board, mqtt, product_key, device_name, most, on_other, **knobs)
        elif knobs or most > link.limit:
            raise ValueError  # they are the other module's
        self.link = link
        self.link.modules[self.module] = self
        self.cost = 700 if http else 900
        self.header = b""
        self.at = self.retry_after_s = 0
        self.length = None
        self.tag = b""
        self._late = None  # (step, description, mark of the job) that is still to be reported
        self.asked = None  # id of our firmware/get
        self._greeting = False  # the report that follows a connect is due
        self._ask = True  # firmware/get is due
        self._tries = 0
        self._retry = None  # Retry, once a job has failed: heap
        self._ended_ms = self._rest_ms = 0  # the last failure, and when to ask after it
        self._job = None  # what was offered last
        self._closed = None  # the Job that has ended, with success or not
        self._busy = False
        self._inner = None  # the byte source in use
        self._under = None  # the Job that is under way, or was last
        self._is_old = False  # True: the service has offered another job since
        self._bare = False  # True: what comes is no bundle
        self.percent = "0"  # how far it came
        self._told = ()  # last step and description of this attempt

    # What Link calls, some of it from within the client's callback

    def connected(self):
        self._greeting = True
        self._ask = not self._busy

    def offered(self, job, answer):
        """job: Job, or None; answer: True for the answer to a request, False for a push."""
        if job and self._busy and not job.is_same(self._under):
            self._is_old = True
        if answer:
            self._ask = False
            self._answered = True
            self._tries = 0
        elif self._busy:
            self._ask = True  # afterwards
            return
        else:
            self._closed = None  # a push means: try it again
        self._job = job

    # Offers

    def offer(self):
        """The address of what is offered, or None. Raises FwError CONNECT, NO_ANSWER."""
        self._busy = False
        link = self.link
        link.connect()
        for _ in range(_PUMPS):
            link.pump()
        self._speak()
        if self._greeting:  # on trial: what is offered now may be what runs
            self._job = None
            return None
        if self._late and not self._ask:
            self._tell_late(*self._late)
        job = self._job
        if job and not job.is_same(self._closed):
            if not job.is_same(self._under):
                self.percent, self._retry = "0", None
            self._under = job
            self._is_old = False
            self._told = ()
            if job.url and not self.http:
                self.finished(FwError(errors_net.NO_SOURCE))
                self.tell(self.percent, str(errors_net.NO_SOURCE))
                return None
            return _SCHEME + self.module + "/" + job.version
        if self._ask and not self._rests():
            self._rest_ms = 0
            self._question()
        return None

    def report(self, client):
        """Report the state of a Client. Raises FwError CONNECT."""
        from ufota.alibaba import reports

        try:
            step = reports.step(self, client)
        except OSError as error:
            raise FwError(errors.READ_FAILED, errors.errno_of(error))
        if self.link.up:
            self._speak()
        if step:
            self.tell(*step)

    def finished(self, error=None):
        """An update has ended, with success or an FwError. True: and so has the job."""
        self._busy = False
        self._ask = True
        self._job = None
        self._rest_ms = 0
        from ufota.sources import retry

        if not error or retry.is_final(error.code):
            self._closed = self._under
            self._retry = None
            self.percent = "0"  # of the same job, when it is pushed
            return True
        if not self._retry:
            self._retry = retry.Retry(random=self.link.random)
        self._rest_ms = self._retry.after(error, self) or _MOST_MS
        self._ended_ms = time.ticks_ms()
        return False

    def _rests(self):
        """True while it is too early to ask again after a failure."""
        if not self._rest_ms:
            return False
        return time.ticks_diff(time.ticks_ms(), self._ended_ms) < self._rest_ms

    def mark(self):
        """Bytes that stand for the job under way."""
        return self._under.mark() if self._under else b""

    # Bytes

    def open(self, url, at=0, tag=b""):
        """As of every byte source; url: of offer(). Raises FwError BAD_URL | CONNECT | ..."""
        self.close()
        if not url.startswith(_SCHEME):
            raise FwError(errors.BAD_URL)
        self._busy = True
        self._at = at
        self._have = tag
        self._renewals = 0
        self._tries = 0
        self._answered = self._job is not None
        self.link.connect()
        self._speak()
        if self._job:
            self._begin()

    def readinto(self, mv):
        """As of every byte source; blocks over MQTT only while the client's packets are cut."""
        if not self._inner:
            self._await_job()
            return None
        if self._inner is self.http:
            self._keep_alive()
        try:
            count = self._inner.readinto(mv)
        except FwError as error:
            self._renew(error)
            return None
        if count is not None:
            self._check(mv, count)
        return count

    def wait(self, ms):
        if self._inner is self.http and self.http:
            self.http.wait(ms)
        else:
            self.link.wait(ms)

    def bare(self):
        """(version, size, SHA-256 or b"") when the file under way is no bundle, else None.

        For ufota/update/unsigned.py.
        """
        if not self._bare:
            return None
        job = self._under
        return job.version, job.size, unhexlify(job.sign) if job.method == "sha256" else b""

    def close(self):
        if self._inner:
            self._inner.close()
            self._inner = None

    def _begin(self):
        """Open the file of self._job."""
        job = self._job
        if self._at and not job.is_same(self._under):
            self._at, self._have = 0, b""
        if job.stream:
            from ufota.alibaba.blocks import Blocks

            self.link.hear_blocks()  # here, not in its open(): C stack
            source = Blocks(self.link, job, self._block)
        elif self.http:
            source = self.http
        else:
            raise FwError(errors_net.NO_SOURCE)
        self._under = job
        self._is_old = False
        self._bare = False
        self._inner = source
        self._running = None  # the digest of what has passed
        self._passed = -1  # bytes; -1: nothing is known of the file yet
        own, source.header = source.header, b""  # meant for no server that a message names
        try:
            source.open(job.url, self._at, self._have)
        finally:
            source.header = own

    def _check(self, mv, count):
        """Check the bytes that come: the length once, the digest when all bytes have come."""
        source, job = self._inner, self._under
        if self._passed < 0:
            self.at, self.length, self.tag = source.at, source.length, source.tag
            if job.size is not None and self.length not in (None, job.size):
                raise FwError(errors_net.OTHER_LENGTH, self.length)
            self._passed = self.at
            if not self.at and job.method:
                make = getattr(hashlib, job.method, None)
                self._running = make and make()
            if not self.at and count:
                self._bare = mv[0] != _SEQUENCE
                if self._bare and not self.board.layout.get("unsigned", False):
                    raise FwError(errors_net.UNSIGNED)
        if count and self._running:
            self._running.update(mv[:count] if count < len(mv) else mv)
        self._passed += count
        if self._running and (not count or self._passed == self.length):
            digest, self._running = self._running, None
            if hexlify(digest.digest()) != job.sign:
                raise FwError(errors.CORRUPT, self._passed)

    def _renew(self, error):
        """Ask for another address when this one has expired. Raises error when it has not."""
        from ufota.sources import verdicts

        self.retry_after_s = getattr(self._inner, "retry_after_s", 0)
        if not verdicts.is_expired(error):
            raise error
        self._job = None
        self._answered = False
        if self._passed >= 0:
            raise FwError(errors.CUT_SHORT, self._passed)  # a retry comes back to open()
        self._renewals += 1
        if self._renewals > _RENEWALS:
            raise error
        self.close()

    def _await_job(self):
        """Ask for the job, or look whether the answer has come, and begin with it then."""
        self.link.connect()
        self.link.pump()
        self._speak()
        if self._job:
            self._begin()
        elif self._answered:
            raise FwError(errors_net.CANCELED)
        else:
            self._question()

    # Messages

    def _question(self):
        """Send firmware/get, or again when it was not answered in time.

        raises:  FwError NO_ANSWER after the last time, CONNECT
        """
        link = self.link
        now_ms = time.ticks_ms()
        # One request at a time: an empty answer does not say for which module.
        if link.asker and time.ticks_diff(now_ms, link.asked_ms) < link.block_ms:
            return
        if link.asker is self and self._tries > link.repeats:
            link.asker = None
            self._tries = 0
            raise FwError(errors_net.NO_ANSWER)
        self._tries += 1
        link.asked_ms = now_ms
        module = quoted(self.module or "default")
        rest = '"version":"1.0","params":{"module":%s},"method":"thing.ota.firmware.get"'
        link.asker = self
        self.asked = link.publish("/sys/%s/thing/ota/firmware/get", rest % module)

    def _speak(self):
        """Send what is due: version and result after a connect, delayed reports, refusals."""
        link = self.link
        if self._greeting:
            from ufota.alibaba import reports

            try:
                self._greeting = not reports.greet(self)
            except OSError as error:
                raise FwError(errors.READ_FAILED, errors.errno_of(error))
        if link.refused:
            name, why = link.refused
            link.refused = None
            self._progress(name, "-1", str(why.code))

    def tell(self, step, about=""):
        """Report progress; what ends the job, and cannot be sent now, is sent later."""
        if (step, about) == self._told:
            return
        self._told = step, about
        ends = step[0] == "-"
        if ends:
            self.tell_late(step, about, self.mark())  # if it cannot be sent now
            if self._is_old:
                return
        self._progress(self.module, step, about)
        if ends:
            self._late = None

    def tell_late(self, step, about, mark):
        """Report this of the job with this mark, once it is known that no other is offered."""
        self._late = step, about, mark

    def _tell_late(self, step, about, mark):
        from ufota.alibaba import reports

        job = self._job
        if not job or mark in (b"", job.mark()):  # b"": of an older record
            self._progress(self.module, step, about)
            if job and step[0] == "-":  # it was offered before the service heard of this
                self._closed, self._job = job, None
        self._late = None
        try:
            reports.forget(self)
        except OSError as error:
            raise FwError(errors.READ_FAILED, errors.errno_of(error))

    def _progress(self, module, step, about):
        rest = '"params":{"step":"%s","desc":%s%s}' % (step, quoted(about), _in_module(module))
        self.link.publish("/ota/device/progress/%s", rest)

    def inform(self, version):
        """Report which version runs. Raises FwError CONNECT."""
        rest = '"params":{"version":%s%s}' % (quoted(version), _in_module(self.module))
        self.link.publish("/ota/device/inform/%s", rest, 1)

    def _keep_alive(self):
        """Serve MQTT while HTTP transfers a file; a broken MQTT connection can wait."""
        try:
            self.link.pump()
        except FwError:
            pass


def _in_module(name):
    return ',"module":' + quoted(name) if name else ""
