"""The user's file system, from outside: STATE mount, or STATE get|put PATH FILE, FILE on the host.

Mounting formats it where it is blank. Prints nothing, or what went wrong.
"""

import sys

from board import Board


def copy(source, target):
    with open(source, "rb") as file:
        data = file.read()
    with open(target, "wb") as file:
        file.write(data)


try:
    Board().mount_user()
    if sys.argv[2] == "get":
        copy(sys.argv[3], sys.argv[4])
    elif sys.argv[2] == "put":
        copy(sys.argv[4], sys.argv[3])
except OSError as error:
    print("error", error.args[0])
