"""Starts a virtual board whose chips hang on supply.py: STAND_INS STATE MODULE [ARGUMENT ...].

STAND_INS is a folder, or "-"; a machine.py in it adds what an application takes from `machine`,
pins for instance. MODULE is `_boot`, the boot stage and then the application, or a script of
this folder, by its full name.
"""

import os
import sys

import blockdev
import machine

from ufota_testkit.on_device import supply

blockdev.FileFlash, blockdev.FileCard = supply.Flash, supply.Card  # before `board` takes them
stand_ins = sys.argv.pop(1)
if "machine.py" in (os.listdir(stand_ins) if stand_ins != "-" else ()):
    with open(stand_ins + "/machine.py") as file:
        exec(file.read(), machine.__dict__)  # resets and watchdog stay the board's
__import__(sys.argv.pop(2))
