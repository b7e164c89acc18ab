"""One whole update in blocks over MQTT in as little heap as it takes; MicroPython.

    micropython -X heapsize=N -m bench_alibaba_heap FOLDER KEY PORT BLOCK client|fleet

KEY is PublicKey or FixedKey.

Prints the names of the modules that are loaded in the end, then "done". bench_alibaba.py looks
for the smallest N that gets there.
"""

import gc
import sys


def update(path, key, port, block, kind):
    gc.threshold(256)  # as in bench_board.py, and as there the buffer comes first
    buf = bytearray(4096)
    from umqtt.simple import MQTTClient

    from bench_board import Board
    from ufota.sources.alibaba import AlibabaSource

    mqtt = MQTTClient("bench.dev|securemode=3|", "127.0.0.1", int(port), "dev&bench", "x" * 64)
    board = Board(path, key)
    cloud = AlibabaSource(
        board, mqtt, "bench", "dev", version="1.0.0", block=int(block), random=at_once
    )
    if kind == "fleet":
        from ufota.fleet_client import FleetClient as Client
    else:
        from ufota.client import Client
    client = Client(board, cloud, buf=buf)
    url = None
    while not url:
        cloud.wait(20)
        url = cloud.offer()
    client.start(url)
    return client.run()


def at_once(bits):
    """`random` of a device that does not wait before it logs in."""
    return 0


if __name__ == "__main__" and update(*sys.argv[1:]):
    print(" ".join(sys.modules))
    print("done")
