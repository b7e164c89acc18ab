"""main.py of a device of Alibaba Cloud IoT, which gets its updates over MQTT with TLS.

They come in blocks over the same connection; docs/SERVERS.md has them fetched over HTTPS.
umqtt.simple is micropython-lib's, and in the image as well.
"""

from board import Board
from umqtt.simple import MQTTClient

from ufota import loop
from ufota.alibaba.login import TLS, login
from ufota.fleet_client import FleetClient
from ufota.sources.alibaba import AlibabaSource
from ufota.web import tls

KEY, NAME, SECRET = "a1B2c3D4e5F", "dev001", "SECRET"
client_id, user, password = login(KEY, NAME, SECRET, mode=TLS)
with open("/user/ca.der", "rb") as file:  # of the broker
    context = tls.context(file.read())
mqtt = MQTTClient(client_id, "updates.example", 8883, user, password, 60, ssl=context)
board = Board()
cloud = AlibabaSource(board, mqtt, KEY, NAME)
client = FleetClient(board, cloud)
loop.run(client)
