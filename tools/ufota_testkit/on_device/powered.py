"""Starts a virtual board whose chips hang on supply.py: STATE MODULE [ARGUMENT ...].

MODULE is `_boot`, the boot stage and then the application, or a script of this folder.
"""

import sys

import blockdev
import supply

blockdev.FileFlash, blockdev.FileCard = supply.Flash, supply.Card  # before `board` takes them
__import__(sys.argv.pop(2))
