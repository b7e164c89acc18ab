"""What tests of interrupted downloads share: a board with a client store, and its FleetClient.

Runs on CPython and on MicroPython.
"""

from ufota import fleet_client
from ufota.sources.retry import Retry
from ufota_testkit import simboard
from ufota_testkit.simboard import put
from update_kit import OLD, FakeSource, Key


def layout(kind):
    """simboard's layout of a simple installation, and a client store.

    The flash of simboard's layouts ends with it: three banks of two erase blocks.
    """
    made = simboard.layout(kind)
    made["devices"]["flash"]["size"] = 0x5800
    made["client"] = {"device": "flash", "start": 0x4000, "size": 0x1800}
    return made


def board_of(kind):
    board = simboard.Board(layout(kind), simboard.ROT, Key())
    put(board, simboard.active_slot(board), *OLD)
    return board


class NoWait(Retry):
    """Does not wait."""

    def after(self, error, source=None, done=0):
        wait_ms = super().after(error, source, done)
        return wait_ms and 0


def fleet_of(board, pages, drops=0, retry=True, **more):
    source = FakeSource(pages, pieces=(333, 512, 100))
    source.drops = drops
    machine = fleet_client.FleetClient(
        board, source, retry=NoWait(attempts=5) if retry else None, **more
    )
    return source, machine
