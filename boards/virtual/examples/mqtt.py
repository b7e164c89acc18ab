"""main.py of a device of Alibaba Cloud IoT, which gets its updates over MQTT.

They come in blocks over the same connection; docs/SERVERS.md has them fetched over HTTPS.
umqtt.simple is micropython-lib's, and in the image as well.
"""

from board import Board
from umqtt.simple import MQTTClient

from ufota import loop
from ufota.alibaba.login import login
from ufota.fleet_client import FleetClient
from ufota.sources.alibaba import AlibabaSource

KEY, NAME, SECRET = "a1B2c3D4e5F", "dev001", "SECRET"
client_id, user, password = login(KEY, NAME, SECRET)
mqtt = MQTTClient(client_id, "updates.example", 1883, user, password, keepalive=60)
board = Board()
cloud = AlibabaSource(board, mqtt, KEY, NAME)
client = FleetClient(board, cloud)
loop.run(client)
