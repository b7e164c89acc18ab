"""The application of the MQTT demo: a device of Alibaba Cloud IoT that does nothing but update.

An image that reaches the cloud is good, so it confirms itself there. Without TLS: all of the
demo is on one machine.
"""

import os

import machine
from about import VERSION
from board import Board
from umqtt.simple import MQTTClient

from fwcore.errors import FwError
from ufota import trial
from ufota.alibaba.login import login
from ufota.fleet_client import FleetClient
from ufota.sources.alibaba import AlibabaSource
from ufota.sources.http import HttpSource
from ufota.sources.retry import Retry

print("application", VERSION)
key, name, secret = os.getenv("DEMO_TRIPLE").split()
client_id, user, password = login(key, name, secret)
mqtt = MQTTClient(
    client_id, "127.0.0.1", int(os.getenv("DEMO_PORT")), user, password, keepalive=60
)
board = Board()
cloud = AlibabaSource(board, mqtt, key, name, http=HttpSource(), version=VERSION, reconnect_s=1)
client = FleetClient(board, cloud, Retry())

while True:
    try:
        if client.poll() and client.run():
            # Answered when all before it was read: a reset may lose what is on its way.
            mqtt.publish("demo/restart", b"", qos=1)
            print("the update is committed, restarting")
            machine.reset()
        if cloud.link.up and trial.confirm(board):
            print("confirmed", VERSION)
    except FwError as error:
        if cloud.link.up:  # else it is not logged in yet, after a random part of reconnect_s
            print("error", error.code)
    cloud.wait(200)
