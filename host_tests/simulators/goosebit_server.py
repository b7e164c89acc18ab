"""A goosebit on 127.0.0.1; a process of its own, started by goosebit_kit.py.

    python goosebit_server.py SOCKET [PEM]

SOCKET is the number of the inherited socket it serves, over TLS with a PEM of key and chain.
Settings come from GOOSEBIT_* in the environment, and the empty data base they name gets its
tables here. goosebit's own `python -m goosebit` would listen on every interface, and wants
aerich for the tables.
"""

import asyncio
import socket
import sys


def main(handle, certificate=None):
    import uvicorn
    from goosebit import app

    asyncio.run(_make_tables())
    config = uvicorn.Config(app, log_level="warning", ssl_certfile=certificate)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=handle)])


async def _make_tables():
    from goosebit.db.config import TORTOISE_CONF
    from tortoise import Tortoise

    await Tortoise.init(config=TORTOISE_CONF)
    await Tortoise.generate_schemas()
    await Tortoise.close_connections()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
