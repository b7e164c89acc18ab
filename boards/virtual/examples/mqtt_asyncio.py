"""main.py of an asyncio application that gets updates of Alibaba Cloud IoT meanwhile.

They come in blocks over MQTT with TLS; docs/SERVERS.md has them fetched over HTTPS.
umqtt.simple is micropython-lib's, and in the image as well.
"""

import asyncio

from blink import blink
from board import Board
from umqtt.simple import MQTTClient

from ufota import fleet_client, loop
from ufota.alibaba.login import TLS, login
from ufota.sources.alibaba import AlibabaSource
from ufota.web import tls

KEY, NAME, SECRET = "a1B2c3D4e5F", "dev001", "SECRET"
client_id, user, password = login(KEY, NAME, SECRET, mode=TLS)
with open("/user/ca.der", "rb") as file:  # of the broker
    context = tls.context(file.read())
mqtt = MQTTClient(client_id, "updates.example", 8883, user, password, 60, ssl=context)
board = Board()
client = fleet_client.FleetClient(board, AlibabaSource(board, mqtt, KEY, NAME))

asyncio.run(asyncio.gather(blink(), loop.arun(client)))
