"""The bench row of an update over HTTPS: the smallest heap, and what TLS takes beside it."""

import contextlib
import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from bench_lab import KB, TRIES, smallest
from tls_kit import Certificates

_ROOM_KB = 8  # for looking at the memory


@contextlib.contextmanager
def server(lab):
    """Serve over TLS what the lab serves; its state gets ca.der. Yields the address."""
    certificates = Certificates(lab.state)
    handler = functools.partial(_Quiet, directory=lab.served)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as made:
        context = certificates.server_context()
        made.socket = context.wrap_socket(
            made.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{made.server_port}/"
        made.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except OSError:  # a device out of memory hangs up
            pass


def heap(lab):
    """[(name, figure, unit, note)] of the smallest heap, and of memory outside of it.

    raises:  RuntimeError when the heap depends on the size of the image
    """
    sizes = (64 * KB, 2048 * KB)
    found = {}
    with server(lab) as url:
        for size in sizes:
            lab.image(size)
            found[size], _ = smallest(functools.partial(_update, lab, url, size))
        room_kb = found[size] + _ROOM_KB
        with_tls, without = (
            max(_update(lab, each, size, room_kb, "memory") for _ in range(TRIES))
            for each in (url, lab.url)
        )
    most = max(found.values())
    if most - min(found.values()) > 1:
        raise RuntimeError(f"the heap depends on the size of the image: {found}")
    note = "images of " + ", ".join(f"{size // KB} KiB: {found[size]:g}" for size in sizes)
    note_beside = "mbedTLS, outside of MicroPython's heap"
    return [
        ("heap of an update over HTTPS", most, "KiB", note),
        ("  memory beside it, above plain HTTP", with_tls - without, "KiB", note_beside),
    ]


def _update(lab, url, size, heap_kb, *memory):
    """A number when the update gets done in that heap, else None. With "memory": KiB used."""
    lab.blank()
    command = "bench_https", lab.state, f"{url}{size}.der", *memory
    done = lab.micropython(int(heap_kb * KB), *command)
    if not done.stdout.startswith("done"):
        return None
    if not lab.holds(size):
        raise RuntimeError(f"an update in {heap_kb} KiB did not leave the image in its slot")
    return int(done.stdout.split()[1])
