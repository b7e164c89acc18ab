"""Requests to a hawkBit server, with the token, which no other server gets.

Owns limits of time and size, and which refusals are final. hawkbit.py decides what is
requested and reported; messages.py has the messages.
"""

import time

from micropython import const

from fwcore import errors, errors_net
from fwcore.errors import FwError
from ufota import bounded_json
from ufota.web.origin import origin

_PATIENCE_MS = const(30000)  # for a whole answer
_ACCEPT = b"Accept: application/hal+json\r\n"
_OK = const(200)
# The 4xx that are no refusal of the message: it may be sent again.
_ONCE_MORE = (401, 403, 408, 425, 429)


class Server:
    """One controller of a hawkBit server.

    url:     of the controller; token: as for HawkbitSource
    limit:   bytes of an answer
    """

    def __init__(self, board, url, token, limit):
        self._board = board
        self.url = url.rstrip("/")
        self.has_tls = url.startswith("https:")
        self._token = token.encode()
        self._buf = memoryview(bytearray(limit))

    def credentials(self, http, url):
        """The header line that names this device; b"" for any other server."""
        if not self._token or origin(http, url) != origin(http, self.url):
            return b""
        return b"Authorization: %s\r\n" % self._token

    def get(self, http, url):
        """The answer, a dict. Raises FwError, also BAD_MESSAGE | TOO_LONG."""
        self._prepare(http, url)
        size = http.call("GET", url, self._buf, feed=self._feed)
        return bounded_json.loads(self._buf[:size], len(self._buf))

    def put(self, http, url, body):
        """Raises FwError."""
        self._prepare(http, url)
        http.call("PUT", url, self._buf, body, feed=self._feed)

    def feedback(self, http, kind, action, body):
        """Report on an action.

        kind:    "deploymentBase", "confirmationBase", "cancelAction"
        returns: status; from 400 on the server will never take this
        raises:  FwError when it may take it another time
        """
        url = "%s/%s/%s/feedback" % (self.url, kind, action)
        self._prepare(http, url)
        try:
            http.call("POST", url, self._buf, body, feed=self._feed)
        except FwError as error:
            status = error.at
            if error.code != errors.HTTP_STATUS or status >= 500 or status in _ONCE_MORE:
                raise
            return status
        return _OK

    def _prepare(self, http, url):
        http.header = self.credentials(http, url) + _ACCEPT
        self._since_ms = time.ticks_ms()

    def _feed(self):
        self._board.feed()
        if time.ticks_diff(time.ticks_ms(), self._since_ms) > _PATIENCE_MS:
            raise FwError(errors_net.NO_ANSWER)
