"""`fwtool serve` as a process of its own, and what asks it. CPython only."""

import contextlib
import http.client
import signal
import subprocess
import sys

from fwtool_cli import python_environment
from helpers import PATIENCE_S


class Process:
    """A server that runs.

    url:     its address, with "/" at the end;  server: without scheme and "/"
    """

    def __init__(self, popen):
        self._popen = popen
        self.url = self.line()
        self.server = self.url.split("//")[1].rstrip("/")

    def line(self):
        """The next line it prints, without its end."""
        return self._popen.stdout.readline().rstrip("\n")


@contextlib.contextmanager
def serving(folder, *options, quiet=True, stderr=None):
    """`fwtool serve` of a folder, on a free port, for as long as the block lasts.

    stderr:  a list, to which what it says there is added; None: nothing may be said
    """
    command = [sys.executable, "-P", "-m", "fwtool.cli", "serve", str(folder), "--port", "0"]
    command += [*map(str, options), *(["--quiet"] if quiet else [])]
    popen = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=python_environment(),
    )
    try:
        yield Process(popen)
    finally:
        popen.send_signal(signal.SIGINT)
        try:
            _, said = popen.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            popen.kill()
            raise
    assert popen.returncode == 0, said
    if stderr is None:
        assert said == ""
    else:
        stderr.append(said)


def ask(server, path, method="GET", context=None, timeout_s=PATIENCE_S, **headers):
    """(response, body) of one request. context: an SSL context, for https"""
    if context:
        connection = http.client.HTTPSConnection(server, timeout=timeout_s, context=context)
    else:
        connection = http.client.HTTPConnection(server, timeout=timeout_s)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response, response.read()
