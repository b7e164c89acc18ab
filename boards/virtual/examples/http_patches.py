"""main.py of a device that names its image to `fwtool serve`, and so may get a patch to it."""

from binascii import hexlify

from board import Board

from ufota import loop, patch_client
from ufota.sources import http, poll
from ufota.web import tls

board = Board()
of_class = hexlify(board.class_id).decode()
url = "https://updates.example/class/" + of_class + "/newest.fw"
with open("/user/ca.der", "rb") as file:  # of your server
    web = http.HttpSource(tls=tls.context(file.read()))
source = poll.Poll(web, url, 3600, first_s=0)
loop.run(patch_client.PatchClient(board, source))
