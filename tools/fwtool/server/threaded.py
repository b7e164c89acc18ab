"""`fwtool serve` in a thread: for the demos, and for the test kit."""

import threading

from fwtool.server import serve


class Server:
    """An ASGI application on a free port, for as long as `with` lasts.

    url:  its address, with a slash at the end
    """

    def __init__(self, application):
        import uvicorn

        self._listener = serve.listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._server = uvicorn.Server(uvicorn.Config(application, log_level="critical"))
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}, daemon=True
        )

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.should_exit = True
        self._thread.join()
