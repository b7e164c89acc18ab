"""What has not changed is not sent again: a poll of a real server, on both interpreters."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

import poll_driver
from helpers import here
from update_kit import signed


class Handler(SimpleHTTPRequestHandler):
    """Has Last-Modified, and answers 304 to If-Modified-Since."""

    def log_request(self, code="-", size="-"):
        self.server.statuses.append(int(code))

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    (tmp_path / "update").write_bytes(signed("two"))
    found = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path)))
    found.statuses = []
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


def check(server, said):
    whole = f"27 0 {len(signed('two'))}"
    assert said.splitlines() == [whole, whole, "73 304 None"], said
    assert server.statuses == [200, 200, 304]


def address(server):
    return f"http://127.0.0.1:{server.server_port}/update"


def test_a_manifest_that_was_not_newer_costs_a_304_on_cpython(server, capsys):
    poll_driver.main(address(server))
    check(server, capsys.readouterr().out)


def test_a_manifest_that_was_not_newer_costs_a_304_on_micropython(server, micropython):
    done = micropython(here("ufota/sources/poll_driver.py"), address(server))
    check(server, done.stdout + done.stderr)
