"""main.py of a device that names its image to `fwtool serve`, and so may get a patch to it."""

from binascii import hexlify

from board import Board

from ufota import loop, patch_client
from ufota.sources import http, poll

board = Board()
of_class = hexlify(board.class_id).decode()
url = "http://updates.example/class/" + of_class + "/newest.fw"
source = poll.Poll(http.HttpSource(), url, 3600, first_s=0)
loop.run(patch_client.PatchClient(board, source))
