"""Requests to a hawkBit server, with the token, which no other server gets.

It is no line of the HttpService's own header but for a moment: others may use that as well.

Owns limits of time and size. hawkbit.py decides what is requested and reported; messages.py
has the messages.
"""

import time

from micropython import const

from fwcore import errors, errors_net
from fwcore.errors import FwError
from ufota import bounded_json
from ufota.web.origin import origin

_PATIENCE_MS = const(30000)  # for a whole answer
_WAIT_MS = const(50)  # between looks at what has arrived of it
_ACCEPT = b"Accept: application/hal+json\r\n"
_OK = const(200)


class Server:
    """One controller of a hawkBit server.

    url:     of the controller; token: as for HawkbitSource
    limit:   bytes of an answer
    raises:  ValueError for a token with a line end

    Requests are generators: they yield how long to wait for the server, ms.
    """

    def __init__(self, url, token, limit):
        self.url = url.rstrip("/")
        self.has_tls = url[:6].lower() == "https:"
        if "\n" in token or "\r" in token:  # as a file ends; it would forge the request
            raise ValueError
        self._token = token.encode()
        self._buf = memoryview(bytearray(limit))

    def credentials(self, http, url):
        """The header line that names this device; b"" for any other server."""
        if not self._token or origin(http, url) != origin(http, self.url):
            return b""
        return b"Authorization: %s\r\n" % self._token

    def get(self, http, url):
        """The answer, a dict. Raises FwError, also BAD_MESSAGE | TOO_LONG."""
        self._begin(http, "GET", url)
        while http.more() is None:
            yield self._wait(http)
        return bounded_json.loads(self._buf[: http.size], len(self._buf))

    def put(self, http, url, body):
        """Raises FwError."""
        self._begin(http, "PUT", url, body)
        while http.more() is None:
            yield self._wait(http)

    def feedback(self, http, kind, action, body):
        """Report on an action.

        kind:    "deploymentBase", "confirmationBase", "cancelAction"
        returns: status; from 400 on the server will never take this, see verdicts.py
        raises:  FwError when it may take it another time
        """
        url = "%s/%s/%s/feedback" % (self.url, kind, action)
        try:
            self._begin(http, "POST", url, body)
            while http.more() is None:
                yield self._wait(http)
        except FwError as error:
            if error.code == errors.HTTP_STATUS:
                from ufota.sources import verdicts

                if verdicts.refuses_report(error.at):
                    return error.at
            raise
        return _OK

    def _begin(self, http, method, url, body=b""):
        own, http.header = http.header, self.credentials(http, url) + _ACCEPT
        self._since_ms = time.ticks_ms()
        try:
            http.begin(method, url, self._buf, body)
        finally:
            http.header = own

    def _wait(self, http):
        if time.ticks_diff(time.ticks_ms(), self._since_ms) > _PATIENCE_MS:
            http.close()
            raise FwError(errors_net.NO_ANSWER)
        return _WAIT_MS
