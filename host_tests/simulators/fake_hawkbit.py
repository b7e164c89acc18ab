"""A hawkBit in memory: the device API (DDI) of one controller, and what it was told.

    server = FakeHawkbit()
    server.deploy("5", "http://host/fw.bin")
    hawkbit = HawkbitSource(board, server.http(), server.url, "TargetToken secret")

FakeHttp stands in for the HTTP source (web/service.py), so this runs on CPython and on
MicroPython without a network; fake_hawkbit_net.py puts the same server behind a socket.
Shapes and rules are those of hawkBit's DDI: only closed ends an action, a closed one is 410.
"""

import json

from fwcore import errors
from fwcore.errors import FwError
from ufota.sources.http import HttpSource

HOST = "http://ddi.example:8080"
BASE = "/DEFAULT/controller/v1/dev-1"
TOKEN = "TargetToken secret"


class FakeHawkbit:
    """One controller, with at most one action.

    host:       scheme, name and port of the links it gives
    sleep:      of its answers to a poll
    files:      path -> bytes, artifacts on this server
    override:   path -> (status, bytes) said instead of the truth; bytes alone: with status 200
    lost:       number of the request, from 1, whose answer does not arrive; not even the request
                does when it is negative. 0: none
    asked:      (method, url, header) of each request
    heard:      (kind, action, message) of each feedback; kind is "deploymentBase", message a dict
    attributes: what configData brought; None while the server still wants it
    """

    def __init__(self, host=HOST, token=TOKEN):
        self.host = host
        self.token = token
        self.sleep = "00:05:00"
        self.url = host + BASE
        self.files = {}
        self.override = {}
        self.lost = 0
        self.asked = []
        self.heard = []
        self.attributes = None
        self.action = None  # (id, the inner part of deploymentBase)
        self.agreed = True  # False: it is a confirmationBase yet
        self.canceling = None  # id of the cancel action

    def deploy(self, action, href, agreed=True, filename="image.fw", **inner):
        """Assign an update. inner: download, update, maintenanceWindow, ..."""
        links = {"download-http": {"href": href}, "md5sum-http": {"href": href + ".MD5SUM"}}
        if href.startswith("https"):
            links = {"download": {"href": href}, "md5sum": {"href": href + ".MD5SUM"}}
        artifact = {"filename": filename, "size": 1, "hashes": {"sha1": "00"}, "_links": links}
        chunk = {"part": "os", "version": "2.0.0", "name": "app", "artifacts": [artifact]}
        job = {"download": "forced", "update": "forced", "chunks": [chunk]}
        job.update(inner)
        self.action = action, job
        self.agreed = agreed
        self.canceling = None

    def cancel(self, action):
        """Call the action off; `action` is the number of the cancel action."""
        self.canceling = action

    def said(self, kind="deploymentBase"):
        """What was reported: (execution, finished) of each feedback, in order."""
        found = []
        for each, _action, message in self.heard:
            if each == kind:
                status = message["status"]
                found.append((status["execution"], status["result"]["finished"]))
        return found

    def details(self):
        """Details of the last feedback, "" for none."""
        return self.heard[-1][2]["status"].get("details", [""])[0]

    def http(self):
        """A connection to it, in place of an HTTP source."""
        return FakeHttp(self)

    def answer(self, method, url, header, body):
        """(status, bytes) of a request; None: the link broke.

        header:  bytes, its lines
        body:    bytes
        """
        self.asked.append((method, url, header))
        if -self.lost == len(self.asked):
            return None
        found = self._true_answer(method, url, header, body)
        return None if self.lost == len(self.asked) else found

    def _true_answer(self, method, url, header, body):
        path = url[url.find("/", 8) :].split("?")[0]
        if path in self.override:
            found = self.override[path]
            return (200, found) if isinstance(found, bytes) else found
        if path in self.files:
            return 200, self.files[path]
        if not path.startswith(BASE):
            return 404, b""
        if self.token and b"Authorization: " + self.token.encode() not in header:
            return 401, b"{}"
        return self._controller(method, path[len(BASE) :].strip("/").split("/"), body)

    def _controller(self, method, parts, body):
        if method == "GET" and parts == [""]:
            return self._json(self._poll())
        if method == "GET" and len(parts) == 2:
            return self._get(*parts)
        if method == "PUT" and parts == ["configData"]:
            self.attributes = json.loads(body)
            return self._json({})
        if method == "POST" and len(parts) == 3 and parts[2] == "feedback":
            return self._feedback(parts[0], parts[1], json.loads(body))
        return 404, b""

    def _poll(self):
        links = {}
        if self.attributes is None:
            links["configData"] = self._link("configData")
        if self.canceling:
            links["cancelAction"] = self._link("cancelAction/" + self.canceling)
        elif self.action:
            kind = "deploymentBase" if self.agreed else "confirmationBase"
            links[kind] = self._link(kind + "/" + self.action[0] + "?c=-2127183556")
        return {"config": {"polling": {"sleep": self.sleep}}, "_links": links}

    def _link(self, path):
        return {"href": self.url + "/" + path}

    def _get(self, kind, action):
        if kind == "cancelAction" and action == self.canceling:
            stop = self.action[0] if self.action else "0"
            return self._json({"id": action, "cancelAction": {"stopId": stop}})
        if not self.action or action != self.action[0]:
            return 404, b""
        key = {"deploymentBase": "deployment", "confirmationBase": "confirmation"}[kind]
        return self._json({"id": action, key: self.action[1]})

    def _feedback(self, kind, action, message):
        if kind == "cancelAction":
            if action != self.canceling:
                return 410, b""
            self.heard.append((kind, action, message))
            execution = message["status"]["execution"]
            if execution == "closed":
                self.action = None
            if execution in ("closed", "rejected"):
                self.canceling = None
            return self._json({})
        if not self.action or action != self.action[0]:
            return 410, b""
        self.heard.append((kind, action, message))
        if kind == "confirmationBase":
            self.agreed = message["confirmation"] == "confirmed"
        elif message["status"]["execution"] == "closed":
            self.action = None
        return self._json({})

    def _json(self, found):
        return 200, json.dumps(found).encode()


class FakeHttp:
    """What a source calls of web/service.py, answered by a FakeHawkbit.

    down:     True: the server cannot be reached
    piece:    bytes a read returns at most
    after:    function, called before each read of an artifact
    is_open:  False after close(), until the next request
    """

    split = staticmethod(HttpSource.split)

    def __init__(self, server):
        self.server = server
        self.down = False
        self.piece = 512
        self.after = None
        self.header = b""
        self.retry_after_s = 0
        self.is_open = False

    def begin(self, method, url, mv, body=b"", tag=b""):
        self._request(method, url, body)
        if self.status >= 300:
            self.close()
            raise FwError(errors.HTTP_STATUS, self.status)
        if len(self._body) > len(mv):
            self.close()
            raise FwError(errors.TOO_LONG, len(mv))
        mv[: len(self._body)] = self._body
        self.size = len(self._body)
        self._is_asked = True

    def more(self):
        if self._is_asked:  # the answer takes a moment
            self._is_asked = False
            return None
        return self.size

    def open(self, url, at=0, tag=b""):
        self._request("GET", url, b"")
        self.at, self.tag = at, b""
        self._at = at
        self.length = len(self._body)

    def readinto(self, mv):
        assert self.is_open
        if self.after:
            self.after()
        if self.down:
            raise FwError(errors.CONNECT)
        if self.status >= 300:
            raise FwError(errors.HTTP_STATUS, self.status)
        count = min(len(mv), self.piece, len(self._body) - self._at)
        mv[:count] = memoryview(self._body)[self._at : self._at + count]
        self._at += count
        return count

    def wait(self, ms):
        pass

    def close(self):
        self.is_open = False

    def _request(self, method, url, body):
        answer = None if self.down else self.server.answer(method, url, self.header, body)
        self.is_open = answer is not None
        if not self.is_open:
            raise FwError(errors.CONNECT)
        self.status, self._body = answer
