"""main.py of a device of Alibaba Cloud IoT, which is told of updates over MQTT.

They come in blocks over the same connection; docs/SERVERS.md has them fetched over HTTPS.
umqtt.simple is micropython-lib's, and in the image as well.
"""

from board import Board
from umqtt.simple import MQTTClient

from ufota import fleet, loop
from ufota.sources import aliyun, aliyun_login

KEY, NAME, SECRET = "a1B2c3D4e5F", "dev001", "SECRET"
login, user, password = aliyun_login.login(KEY, NAME, SECRET)
mqtt = MQTTClient(login, "updates.example", 1883, user, password, keepalive=60)
board = Board()
cloud = aliyun.Aliyun(board, mqtt, KEY, NAME)
client = fleet.FleetClient(board, cloud)
loop.run(client)
