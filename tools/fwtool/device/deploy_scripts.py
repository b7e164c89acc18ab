"""Scripts that `fwtool deploy` runs on the board: MicroPython, one answer each (device_link.py).

None of them imports a module that is only being installed. Those with braces are formats,
with root and stage: the folder above lib, and the folder of the copied files.
"""

# Of an identity, in the order they are digested.
NAMES = ("rot", "key", "vendor_id", "class_id", "class_key")

# Where mip installs too: /lib, or /flash/lib. A firmware's own are in /rom.
_ROOT = """
import sys
libs = [path for path in sys.path if path.endswith("/lib") and not path.startswith("/rom")]
root = libs[0][:-4] if libs else ""
"""

# .frozen: modules that are there, but not as files of a deploy.
PROBE = (
    _ROOT
    + """
import json, os
frozen = []
for name in {names}:
    try:
        path = getattr(__import__(name), "__file__", "")
        if "lib/" not in path or path.startswith("/rom/"):
            frozen.append(name)
    except Exception as error:
        if not isinstance(error, ImportError):
            continue  # it is there, and broken: replace it
def digest(path):
    import binascii, hashlib
    try:
        with open(path, "rb") as file:
            return binascii.hexlify(hashlib.sha256(file.read()).digest()).decode()
    except OSError:
        return None
try:
    with open(root + "/lib/ufota.json") as file:
        record = json.load(file)["files"]
except (OSError, ValueError, KeyError):
    record = {{}}
space = os.statvfs(root or "/")
answer = dict(
    mpy=getattr(sys.implementation, "_mpy", 0) & 0xFF,
    frozen=frozen,
    root=root,
    main=digest(root + "/main.py"),
    record=record,
    block=space[0],
    size=space[1] * space[2],
    free=space[0] * space[4],
)
"""
)

# As a board looks for it (fwcore.modules.built_in): no file will do.
FROZEN_KEY = """
import binascii, sys
path = list(sys.path)
sys.path[:] = [".frozen"]
try:
    from maker_key import TABLES
    answer = "04" + binascii.hexlify(TABLES[4:68]).decode()
except ImportError:
    answer = None
finally:
    sys.path[:] = path
"""

_REMOVE = """
import os
def remove(path):
    try:
        is_folder = os.stat(path)[0] & 0x4000
    except OSError:
        return
    if is_folder:
        for entry in list(os.ilistdir(path)):
            remove(path + "/" + entry[0])
        os.rmdir(path)
    else:
        os.remove(path)
"""

CLEAN = _REMOVE + 'remove("{stage}")\nanswer = True\n'

PREPARE = (
    _REMOVE
    + """
remove("{stage}")
os.mkdir("{stage}")
for folder in {folders}:
    os.mkdir(folder)
answer = True
"""
)

DIGESTS = """
import binascii, hashlib
buf = memoryview(bytearray(512))
answer = []
for name in {names}:
    hash = hashlib.sha256()
    try:
        with open(name, "rb") as file:
            while True:
                size = file.readinto(buf)
                if not size:
                    break
                hash.update(buf[:size])
        answer.append(binascii.hexlify(hash.digest()).decode())
    except OSError:
        answer.append(None)
"""

# Out first: what imports goes before what it imports. A .py beside a .mpy would be preferred.
INSTALL = (
    _REMOVE
    + """
root, stage, units = "{root}", "{stage}", {units}
os.mkdir(stage + "/old")
if "lib" not in os.listdir(root or "/"):
    os.mkdir(root + "/lib")
number = 0
for path in reversed(units):
    stem = path[:-4] if path.endswith(".mpy") else path[:-3] if path.endswith(".py") else path
    for old in (stem + ".py", stem + ".mpy") if stem != path else (path,):
        try:
            os.rename(root + old, stage + "/old/" + str(number))
            number += 1
        except OSError as error:
            if error.errno != 2:
                raise
for path in units:
    os.rename(stage + path, root + path)
remove(stage)
if hasattr(os, "sync"):
    os.sync()
answer = True
"""
)

# Of its identity the key alone: it is public.
IDENTITY = (
    _ROOT
    + """
import binascii, json
key = b""
try:
    from board import Board
    board = Board()
    key = board.store().get(b"key", b"")
except Exception:
    pass  # no board module yet, or a broken one that is about to be replaced
try:
    with open(root + "/identity.json") as file:
        key = binascii.unhexlify(json.load(file)["key"])
except (OSError, ValueError, KeyError):
    pass
# Once it runs, a watchdog outlives the reset that began this, and a deploy is long.
try:
    if "watchdog_ms" in board.layout:
        board.watchdog(board.layout["watchdog_ms"])
        from machine import Timer
        try:
            timer = Timer(-1)
        except ValueError:  # esp32 has no virtual ones
            timer = Timer(0)
        timer.init(period=1000, callback=lambda timer: board.feed())
except (AttributeError, ImportError, NameError):
    pass
answer = dict(made=bool(key), key=binascii.hexlify(key).decode())
"""
)

# From RAM into the store: no file ever has the identity. It is read by another Board: what is in
# flash, not what the first one remembers.
PROVISION = (
    f"names = {NAMES}"
    + """
import binascii, hashlib
from board import Board
from ufota.provision import provision
provision(Board(), {identity})
store = Board().store()
hash = hashlib.sha256()
for name in names:
    value = store.get(name.encode(), b"")
    hash.update(value if len(value) > 1 else b"")  # a zero stands for none
answer = binascii.hexlify(hash.digest()).decode()
"""
)
