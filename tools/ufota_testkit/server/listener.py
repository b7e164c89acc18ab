"""What raw servers of tests share: a free port, and a thread for each connection."""

import socket
import threading


class Listener:
    """Listens from creation to the end of `with`; a subclass has serve(connection, number).

    number counts from 1; connection is closed when serve() returns, or raises OSError.

    host:     address to listen on; port: which one it became
    accepted: connections so far
    """

    def __init__(self, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.accepted = 0
        self._listener = socket.create_server((host, 0), family=family)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            self.accepted += 1
            arguments = connection, self.accepted
            threading.Thread(target=self._serve, args=arguments, daemon=True).start()

    def _serve(self, connection, number):
        with connection:
            try:
                self.serve(connection, number)
            except OSError:
                pass
