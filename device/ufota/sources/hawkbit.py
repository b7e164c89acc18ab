"""Eclipse hawkBit: a source whose server rolls out updates and gets reports of them.

Owns the order of the device API (DDI): when to request and to report what. Requests are in
server.py, messages in messages.py, the result of an update in action.py.

    hawkbit = HawkbitSource(board, HttpService(tls=context),
                      "https://server/DEFAULT/controller/v1/dev-1",
                      "TargetToken 0123...", attributes={"hw_revision": "2"})
    client = FleetClient(board, hawkbit, approve_install=hawkbit.approve)
    while True:
        if client.poll() and client.run():
            board.reset()
        time.sleep(1)

    server has              the device does                                  and reports
    configData              sends its attributes                             -
    confirmationBase        asks the application (consent)                   confirmed, denied
    deploymentBase          offers the artifact's address to the client      download
                            image verified in the candidate                  downloaded
                            header written, reset is due                     proceeding
                            image confirmed by the application               closed, success
                            an error that is final                           closed, failure
                            any other error                                  proceeding
    cancelAction            gives up, before the header is written           closed, success
                            goes on, after it                                rejected

Success is never reported before the application has confirmed: with a region `client` in the
layout the action survives the reset (client store, key "hawkbit"). Without one the server offers
it again, and the device then reports that this image runs already.

Which errors are final says verdicts.py. All others leave the action open: the server is told
once, "error N at M", and the device takes it up again after a rest (hawkbit/rest.py). For an
address that has expired it asks for the deployment again, at once.

`forced` does not overrule the application: an approve_install() that shall obey it looks at
.forced. Hashes and sizes of artifacts are ignored: the signed manifest has its own.
"""

from micropython import const

from fwcore import errors, errors_net
from fwcore.errors import FwError
from fwcore.modules import load
from ufota import bounded_json
from ufota import client as states
from ufota.fleet_client import PAUSED
from ufota.hawkbit import action
from ufota.hawkbit import messages as ddi
from ufota.hawkbit.action import Action
from ufota.hawkbit.server import Server
from ufota.sources.poll import Pace
from ufota.sources.relay import Relay, finish
from ufota.sources.retry import is_final

_INTERVAL_S = const(300)  # until the server has said what it wants
_LEAST_S = const(1)
_QUARTER = const(25)  # percent between two reports

_GONE = (404, 410)  # the server knows nothing of this action any more
_DENIED = (errors.DOWNLOAD_DENIED, errors.INSTALL_DENIED)


class HawkbitSource(Relay):
    """A source for one device of one hawkBit server.

    board:       see docs/DESIGN.md, "What a board offers"
    http:        HttpService; fetches the artifacts, and sends the reports between
    url:         of this device: "https://host:port/TENANT/controller/v1/ID"
    token:       "TargetToken ..." or "GatewayToken ..."; "": the TLS certificate is the login.
                 Goes to the server of `url` only. Over plain HTTP: a line in the log
    attributes:  dict of text, or a function that returns one; for the server's lists
    consent(name, version): the server wants somebody to agree first: True, False, None later.
                 Left out: whoever runs the server agrees there
    approve_install(manifest): as a Client's; pass .approve to the client in its place
    side:        another HttpService, to report progress and hear of a cancel while `http`
                 downloads; None: not before the download is complete
    ahead:       True: download before the maintenance window opens. The client has to ask
                 .approve then, which says "later" until it does
    pace:        poll.Pace; the server sets its interval
    limit:       bytes of an answer; an artifact is some 1000 of a deployment's

    forced:      False: the server leaves it to the application when to do this update
    """

    cost = 700
    header = b""  # what the client wants to be sent along with the artifact

    def __init__(
        self,
        board,
        http,
        url,
        token="",
        attributes=None,
        consent=None,
        approve_install=None,
        side=None,
        ahead=False,
        pace=None,
        limit=2048,
    ):
        for each in (consent, approve_install, not isinstance(attributes, dict) and attributes):
            if each and not callable(each):
                raise TypeError
        if not (hasattr(http, "begin") and hasattr(side or http, "begin")):
            raise TypeError  # an HttpSource, for instance
        self.source = http
        self.pace = pace or Pace(_INTERVAL_S)
        self.pace.left_ms()  # raises, of what is no Pace
        self.forced = False
        self._server = Server(url, token, limit)
        if token and not self._server.has_tls:
            board.log("[WARN] The token goes over plain HTTP: use https")
        self._action = Action(board)
        self._board = board
        self._side = side
        self._attributes = attributes
        self._consent = consent
        self._approve = approve_install
        self._ahead = ahead
        self._introduced = False  # attributes were sent, and are not asked for again
        self._denied = ""  # action that consent() was against
        self._rest = None  # Rest of the last action, once an attempt has failed
        self._canceled = False  # the server has canceled the client's update
        self._open = True  # the maintenance window
        self._percent = 0  # reported

    # What a group or a client asks

    def offer(self):
        """Poll, when it is time.

        returns:  address of an artifact, or None
        raises:   FwError, also BAD_MESSAGE for what is not DDI; the next poll comes nevertheless
        """
        return finish(self.polling(), self.source.wait, self._board.feed)

    def polling(self):
        """offer() in steps: a generator that yields how long to wait for the server, ms."""
        rest = self._rest
        rested = rest and rest.waits and not rest.left_ms()
        if self.pace.left_ms() and not rested:
            return None
        if rested:
            rest.waits = False
        url = None
        try:
            url = yield from self._round()
            self._on_time()
        except FwError as error:
            self.pace.failed(error, self.source)
            raise
        finally:
            if not url:
                self.source.close()
        return url

    def open(self, url, at=0, tag=b""):
        self._check()
        http = self.source
        own, http.header = http.header, self.header + self._server.credentials(http, url)
        try:
            http.open(url, at, tag)
        finally:
            http.header = own

    def readinto(self, mv):
        self._check()
        return self.source.readinto(mv)

    def report(self, client):
        """Report to the server what has changed. Raises FwError."""
        if self._action.kind != action.TAKEN:
            return
        state = client.state
        if state == states.DOWNLOAD:
            if self._side:
                if client.done < client.manifest.size:  # else it is too late to call it off
                    finish(self._progress(client), self._side.wait, self._board.feed)
                self._side.close()
        elif state in (PAUSED, states.VERIFY, states.READY, states.FAILED):
            finish(self._report(client, state), self.source.wait, self._board.feed)
            self.source.close()

    def approve(self, manifest):
        """For the client's approve_install: waits for the window, hears a cancel, then asks.

        raises:  FwError CANCELED
        """
        if self._action.kind == action.TAKEN:
            if not self.pace.left_ms():
                finish(self._look(self.source), self.source.wait, self._board.feed)
                self.source.close()
            self._check()
            if not self._open:
                return None
        return self._approve(manifest) if self._approve else True

    # One poll; what sends requests is a generator, as polling()

    def _on_time(self):
        """A poll went well: the next one is after the interval."""
        self.pace.retry.reset()
        self.pace.again()

    def _round(self):
        """Everything a poll does while no update is under way."""
        if self._action.kind == action.TAKEN:
            self._action.forget()  # the application has called abort() of the client
        self._action.settle()
        if self._action.kind == action.ENDED:
            yield from self._settled()
        server = self._server
        found = yield from server.get(self.source, server.url)
        self._set_interval(found)
        yield from self._introduce(ddi.link(found, "configData"))
        href = ddi.link(found, "cancelAction")
        if href:
            yield from self._cancel(self.source, href)
        href = ddi.link(found, "confirmationBase")
        if href:
            yield from self._ask(href)
        href = ddi.link(found, "deploymentBase")
        if not href or self._action.kind != action.NONE:
            return None
        found = yield from server.get(self.source, href)
        return (yield from self._take(ddi.job(found, "deployment", server.has_tls)))

    def _look(self, http):
        """What a poll does while an update is under way. Nothing when the link fails."""
        server = self._server
        try:
            found = yield from server.get(http, server.url)
            self._set_interval(found)
            href = ddi.link(found, "cancelAction")
            if href:
                yield from self._cancel(http, href)
            href = ddi.link(found, "deploymentBase")
            if href:
                found = yield from server.get(http, href)
                job = ddi.job(found, "deployment", server.has_tls)
                self._open = _is_open(job)
                if job.id != self._action.id:
                    self._give_up()
            self._on_time()
        except FwError as error:
            self.pace.failed(error, self.source)

    def _set_interval(self, found):
        sleep_s = ddi.sleep_s(found)
        if sleep_s is not None:
            self.pace.interval_s = max(sleep_s, _LEAST_S)

    def _introduce(self, href):
        """Send the attributes when they are asked for; once, if that never ends."""
        if href and not self._introduced:
            values = self._attributes
            if callable(values):
                values = values()
            yield from self._server.put(self.source, href, ddi.attributes(values or {}))
        self._introduced = bool(href)

    def _take(self, job):
        """Address of the artifact of a deployment; None when it is not to be fetched now."""
        if job.download == "skip" or not (_is_open(job) or self._ahead):
            return None
        if self._rest and self._rest.id == job.id and self._rest.waits:
            return None
        self._action.take(job.id)
        self._canceled = False
        self._percent = 0
        self._open = _is_open(job)
        self.forced = "forced" in (job.download, job.update)
        if not job.url:
            yield from self._stay(FwError(errors.BAD_URL))
            return None
        yield from self._stage("download", self.source)
        return None if self._canceled else job.url

    def _ask(self, href):
        """Somebody has to agree before this is offered as a deployment."""
        server = self._server
        found = yield from server.get(self.source, href)
        job = ddi.job(found, "confirmation", server.has_tls)
        if not self._consent or job.id == self._denied:
            return
        answer = self._consent(job.name, job.version)
        if hasattr(answer, "send"):  # of an async function: it would always be a yes
            raise TypeError
        if answer is not None:
            said = ddi.consent(answer)
            yield from server.feedback(self.source, "confirmationBase", job.id, said)
            if not answer:
                self._denied = job.id

    def _cancel(self, http, href):
        """The server cancels an action: agree, unless its image is committed already."""
        found = yield from self._server.get(http, href)
        identity = ddi.identity(found, "id")
        stop = ddi.identity(bounded_json.table(found, "cancelAction"), "stopId")
        said = ddi.feedback(identity, "closed", "success")
        if stop == self._action.id:
            if self._action.kind == action.INSTALLING:
                said = ddi.feedback(identity, "rejected")
            else:
                self._give_up()
        yield from self._server.feedback(http, "cancelAction", identity, said)

    def _give_up(self):
        """The action is not this device's any more; the client learns that at its next step."""
        self._canceled = self._action.kind == action.TAKEN
        self._action.forget()

    def _check(self):
        if self._canceled:
            raise FwError(errors_net.CANCELED)

    # What becomes of the action

    def _report(self, client, state):
        if state == states.FAILED:
            yield from self._failed(client)
        elif state == states.READY:
            self._action.install(client.manifest.installed_digest)
            self._action.keep()
            yield from self._stage("proceeding", self.source)
        elif state == states.VERIFY:
            yield from self._stage("downloaded", self.source)
        elif not self.pace.left_ms():
            yield from self._look(self.source)

    def _progress(self, client):
        """While `http` downloads."""
        percent = self._due(client.done * 100 // client.manifest.size)
        if percent:
            yield from self._stage("download", self._side, percent)
        if not self.pace.left_ms():
            yield from self._look(self._side)

    def _stage(self, execution, http, percent=0, details=""):
        """Report how far the update is; a report that cannot be sent is left out."""
        if percent:
            details = "Downloaded %d%%" % percent
        identity = self._action.id
        said = ddi.feedback(identity, execution, "none", details, percent)
        try:
            status = yield from self._server.feedback(http, "deploymentBase", identity, said)
        except FwError:
            return
        if status in _GONE:
            self._give_up()

    def _due(self, percent):
        """The quarter that is to be reported, in percent; 0: none."""
        if percent - self._percent < _QUARTER:
            return 0
        self._percent = percent - percent % _QUARTER
        return self._percent

    def _failed(self, client):
        error = client.error
        code = action.verdict(self._board, error, client.buf)
        if code is None:
            self._action.forget()  # on trial: this may be the image that runs
        elif code and not is_final(code):
            yield from self._stay(error, client.done)
        else:
            if code in _DENIED:
                yield from self._stage("rejected", self.source)
            yield from self._end(code, error.at)

    def _settled(self):
        """What came of a committed image is known."""
        ended = self._action
        if ended.code and not is_final(ended.code):
            yield from self._stay(FwError(ended.code, ended.at))
        else:
            yield from self._close()

    def _stay(self, error, done=0):
        """The action stays open on the server, and is taken up again after a rest."""
        rest, identity = self._rest, self._action.id
        if not rest or rest.id != identity:
            load("ufota.hawkbit", "rest")
            from ufota.hawkbit.rest import Rest

            rest = self._rest = Rest(identity)
        is_new = rest.begin(error, self.source, done)
        self._action.forget()
        if is_new:
            yield from self._stage("proceeding", self.source, 0, _details(error.code, error.at))

    def _end(self, code, at=0):
        """Close the action, with failure, or success for a code of 0; later if need be."""
        self._action.end(code, at)
        try:
            yield from self._close()
        except FwError:
            self._action.keep()

    def _close(self):
        """Closing feedback; the action is over when the server has it, or will never take it."""
        ended = self._action
        details = _details(ended.code, ended.at) if ended.code else ""
        finished = "failure" if ended.code else "success"
        said = ddi.feedback(ended.id, "closed", finished, details)
        yield from self._server.feedback(self.source, "deploymentBase", ended.id, said)
        ended.forget()


def _details(code, at):
    return "error %d at %s" % (code, at)


def _is_open(job):
    """False outside of the maintenance window, and when the server wants no installation."""
    return job.is_open and job.update != "skip"
