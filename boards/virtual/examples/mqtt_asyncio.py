"""main.py of an asyncio application that gets updates of Alibaba Cloud IoT meanwhile, over MQTT.

They come in blocks over the same connection; docs/SERVERS.md has them fetched over HTTPS.
umqtt.simple is micropython-lib's, and in the image as well.
"""

import asyncio

from board import Board
from umqtt.simple import MQTTClient

from ufota import fleet_client, loop
from ufota.alibaba.login import login
from ufota.sources.alibaba import AlibabaSource

KEY, NAME, SECRET = "a1B2c3D4e5F", "dev001", "SECRET"
client_id, user, password = login(KEY, NAME, SECRET)
mqtt = MQTTClient(client_id, "updates.example", 1883, user, password, keepalive=60)
board = Board()
client = fleet_client.FleetClient(board, AlibabaSource(board, mqtt, KEY, NAME))


async def blink():  # your application
    while True:
        print("blink")
        await asyncio.sleep(0.1)


asyncio.run(asyncio.gather(blink(), loop.arun(client)))
