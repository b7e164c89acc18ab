"""MicroPython's built-in `machine`, of which boards/virtual/machine.py is the rest.

An application that drives pins cannot run on the virtual board, whatever the interpreter.
"""

import time


def idle():
    time.sleep(0)
