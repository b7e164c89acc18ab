"""Scenes of stack_scenes.py: what an application calls besides its client.

Each function prepares a board, and returns what is watched.
"""

import json
from binascii import hexlify

import stack_worlds as worlds
from boards_kit import IDENTITY
from stack_hardware import Pico
from update_kit import payload, signed


def _identity():
    return {name.decode(): hexlify(IDENTITY[name]).decode() for name in IDENTITY}


def provision():
    board = Pico().running()

    def act():
        from ufota.provision import provision

        assert provision(board, _identity())

    return act


def first_start():
    """Of a file on the user's LittleFS, which the boot stage has mounted."""
    world = Pico()
    world.start().mount_user()
    with open("/user/identity.json", "w") as file:
        json.dump(_identity(), file)
    board = world.running()

    def act():
        from ufota.provision import first_start

        assert first_start(board)

    return act


# Trial


def confirm(world=None):
    board = worlds.on_trial(world).running()

    def act():
        from ufota import trial

        assert trial.confirm(board)

    return act


def confirm_when():
    board = worlds.on_trial().running()

    def act():
        from ufota.trial import confirm_when

        answers = [False, True]
        assert confirm_when(board, lambda: answers.pop(0), 60000)

    return act


def aconfirm_when():
    board = worlds.on_trial().running()
    worlds.web()

    def act():
        import asyncio

        from ufota.trial import aconfirm_when

        answers = [False, True]

        async def check():
            return answers.pop(0)

        assert asyncio.run(aconfirm_when(board, check, 60000))

    return act


def reject():
    board = worlds.on_trial().running()

    def act():
        from ufota import trial

        trial.reject(board, 300)

    return act


def last_result():
    board = worlds.booted(worlds.on_trial(), 3).running()

    def act():
        from ufota import trial

        assert trial.last_result(board).reason

    return act


# A transport of the application's own


def writer(name="two"):
    board = worlds.sold().running()

    def act():
        from ufota.update.writer import UpdateWriter

        update = UpdateWriter(board)
        update.begin(signed(name))
        data = payload(name)
        for at in range(0, len(data), 700):
            update.write(data[at : at + 700])
        update.end()

    return act


def packed_writer():
    return writer("packed_all")


def fragments():
    board = worlds.sold().running()

    def act():
        from ufota.update.writer import UpdateWriter

        update = UpdateWriter(board)
        update.begin(signed("two"), False, 512)
        data = payload("two")
        for at in (1024, 4608, 0, 512, 2048, 3584, 1536, 2560, 3072, 4096):
            update.write(data[at : at + 512], at)
        update.end()

    return act


def unsigned():
    board = worlds.sold(unsigned=True, signed=False).running()

    def act():
        from hashlib import sha256

        from ufota.update import unsigned
        from ufota.update.writer import UpdateWriter

        update = UpdateWriter(board)
        data = payload("small")
        unsigned.begin(update, "2.0.0", len(data), sha256(data).digest())
        update.write(data)
        update.end()

    return act


def chip_confirm():
    return confirm(worlds.on_chip())


SCENES = {
    "provision": provision,
    "first start": first_start,
    "confirm": confirm,
    "confirm when": confirm_when,
    "confirm when, asyncio": aconfirm_when,
    "confirm, NOR chip": chip_confirm,
    "reject": reject,
    "last result": last_result,
    "writer": writer,
    "writer, all decoders": packed_writer,
    "writer, fragments": fragments,
    "writer, unsigned": unsigned,
}
