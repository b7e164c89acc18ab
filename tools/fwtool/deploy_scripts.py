"""What `fwtool deploy` lets the board itself do: MicroPython, one answer each (device_link.py).

Each stands alone, so none needs a module that is only being installed. Each is a
format, with root and stage: the folder above lib, and that of what was brought.
"""

NAMES = ("rot", "key", "vendor_id", "class_id")  # of an identity, in the order they are digested

# .frozen: modules that are there, and not as files a deploy has brought.
PROBE = """
import json, os, sys
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
# Where mip installs too: /lib, or /flash/lib. A firmware's own are in /rom.
libs = [path for path in sys.path if path.endswith("/lib") and not path.startswith("/rom")]
root = libs[0][:-4] if libs else ""
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
IDENTITY = """
import binascii, json
key, made = b"", False
try:
    from board import Board
    board = Board()
    made = bool(board.rot())
    key = board.store().get(b"key", b"") if hasattr(board, "store") else board._point
except Exception:
    pass  # no board module yet, or a broken one that is about to be replaced
try:
    with open("{root}/identity.json") as file:
        key, made = binascii.unhexlify(json.load(file)["key"]), True
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
answer = dict(made=made, key=binascii.hexlify(key).decode())
"""

# The last write makes it provisioned: the key in the store, the name of the file.
PROVISION = """
import binascii, hashlib, json, os
from board import Board
board = Board()
with open("{root}/identity.new") as file:
    identity = json.load(file)
names = ("rot", "vendor_id", "class_id", "key")
if hasattr(board, "store"):
    store = board.store()
    for name in names:
        store.put(name.encode(), binascii.unhexlify(identity[name]))
    os.remove("{root}/identity.new")
    found = {{name: Board().store().get(name.encode()) for name in names}}
else:
    os.rename("{root}/identity.new", "{root}/identity.json")
    with open("{root}/identity.json") as file:
        found = {{name: binascii.unhexlify(text) for name, text in json.load(file).items()}}
hash = hashlib.sha256()
for name in ("rot", "key", "vendor_id", "class_id"):
    hash.update(found[name])
answer = binascii.hexlify(hash.digest()).decode()
"""
