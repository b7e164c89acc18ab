"""Wear of an update in swap mode, measured on simulated NOR flash, beside MCUboot's.

An update is PENDING, the swap, one trial boot and confirm(); the download is not counted. A
revert is the boot after the last trial. test_wear.py asserts the bounds.

Runs on CPython and on MicroPython; as a script it prints the table.
"""

from powercut_life import DONE, NEW, Life
from trial_kit import pending
from ufota_testkit.noise import noise
from ufota_testkit.simboard import candidate_slots, put

BLOCK = 4096
PROGRAM = 16

# Erases for N blocks, measured on MCUboot's simulator (times N, plus); the same when 10 % of
# the blocks differ, and when the new image has half as many.
MCUBOOT = (("scratch", 3, 3), ("move", 3, 2), ("offset", 2, 2))

# name, blocks of the old image and of the new one, how many of those both have differ
CASES = (
    ("all different", 64, 64, 64),
    ("10 % different", 64, 64, 6),
    ("old 64, new 32", 64, 32, 32),
    ("old 32, new 64", 32, 64, 32),
)


def layout(blocks):
    """A LAYOUT dict in swap mode: active of so many blocks, candidate on a chip of its own."""
    return {
        "devices": {
            "flash": {"size": (blocks + 3) * BLOCK, "erase": BLOCK, "program": PROGRAM},
            "spi": {"size": (blocks + 1) * BLOCK, "erase": BLOCK, "program": PROGRAM},
        },
        "active": {
            "device": "flash",
            "header": 0,
            "start": 112,
            "size": blocks * BLOCK - 112,
            "format": "lfs2",
        },
        "state": {"device": "flash", "start": blocks * BLOCK, "size": 3 * BLOCK},
        "mode": "swap",
        "candidates": {
            "device": "spi",
            "start": 0,
            "size": (blocks + 1) * BLOCK,
            "locations": 1,
        },
    }


def measure(old, new, differ):
    """Figures of one update and of its revert.

    old, new:  blocks of the images, header included
    differ:    how many of the blocks both have are different; the first one always is
    returns:   (update, revert), each {"slots": erases, "journal": erases, "most": erases of
               the block of a slot that had most, "programs": units, "formula": erases of slots}
    """
    images = _images(old, new, differ)
    update = _measured(images, "confirms", _download, _update)
    update["formula"] = 2 * differ + max(0, new - old)
    back = _measured(images, "dies", _to_the_last_trial, Life.boot)
    back["formula"] = differ  # each kept block is copied back once
    return update, back


def _images(old, new, differ):
    before = noise(old * BLOCK - 112, 1)
    after = bytearray(noise(new * BLOCK - 112, 2))
    same = min(old, new) - differ
    for block in range(min(old, new) - same, min(old, new)):
        at = block * BLOCK - 112
        after[at : at + BLOCK] = before[at : at + BLOCK]
    return before, bytes(after)


def _update(life):
    _propose(life)
    life.boot()
    life.confirm()


def _measured(images, habit, before, act):
    """Figures of act(life), after the steps `before`."""
    blocks = max(len(images[0]), len(images[1])) // BLOCK + 1
    life = Life(layout(blocks), images[0], images[1], habit)
    life.most_ops = 1000 * blocks
    before(life)
    flash, spi = life.board.disks["flash"], life.board.disks["spi"]
    flash.wear[:], spi.wear[:] = [0] * len(flash.wear), [0] * len(spi.wear)
    life.power.reset()
    act(life)
    slots, journal = flash.wear[:blocks] + spi.wear, sum(flash.wear[blocks:])
    return {
        "slots": sum(slots),
        "journal": journal,
        "most": max(slots),
        "programs": life.power.ops - sum(slots) - journal,
    }


def _download(life):
    """As a factory would: what a download costs is another figure."""
    slot = candidate_slots(life.board)[0]
    put(life.board, slot, NEW, life.images[NEW])


def _propose(life):
    """As a client does it."""
    pending(life.board, life.head, life.tries)
    life.truth.offered = DONE


def _to_the_last_trial(life):
    _download(life)
    _propose(life)
    for _ in range(life.tries):
        life.boot()


def table():
    """The lines of the table, as text."""
    line = "{:18}{:>7}{:>8}{:>9}{:>7}{:>6}{:>10}"
    lines = [line.format("erases", "slots", "formula", "journal", "total", "most", "programs")]
    for name, old, new, differ in CASES:
        for what, found in zip((name, "  reverted"), measure(old, new, differ)):
            total = found["slots"] + found["journal"]
            lines.append(
                line.format(
                    what,
                    found["slots"],
                    found["formula"],
                    found["journal"],
                    total,
                    found["most"],
                    found["programs"],
                )
            )
    count = CASES[0][1]
    for name, times, plus in MCUBOOT:
        total = times * count + plus
        lines.append("MCUboot swap-{:8}{}N+{} = {} in each case".format(name, times, plus, total))
    return lines


if __name__ == "__main__":
    print("\n".join(table()))
