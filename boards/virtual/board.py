"""The virtual board: files for chips, identity.json for the identity.

Implements the board that fwboot and ufota need (DESIGN.md, boards). Applications make
one the way they do on every board: `from board import Board; board = Board()`.
"""

import json
import os
import sys

from blockdev import FileCard, FileFlash

_LINES = 40  # of a boot log that is kept


class Store:
    """identity.json: what the other boards keep in KeyValue. values: dict of hex texts"""

    def __init__(self, path, values):
        self._path = path
        self._values = values

    def get(self, name, default=None):
        text = self._values.get(name.decode())
        return default if text is None else bytes.fromhex(text)

    def put(self, name, value):
        """Durable when this returns: a cut leaves the old file or the new one. Raises OSError."""
        if self.get(name) == value:
            return
        self._values[name.decode()] = value.hex()
        with open(self._path + ".new", "w") as file:
            json.dump(self._values, file)
        os.rename(self._path + ".new", self._path)


class Board:
    """One board, in the folder state_dir (default: the one this process started with).

    flash.bin, spi.bin, sd.bin   the devices of the layout; a missing file is a pulled card
    identity.json                rot, key, vendor_id, class_id, class_key in hex; may be missing
    layout.json                  replaces layout.py when present
    recovery                     while it is there, the recovery key is pressed
    """

    _watchdog = None  # of the chip: what one Board starts, every other one feeds
    lines = None  # the newest of the boot log, where a console keeps them: a list

    def __init__(self, state_dir=None):
        self._dir = state_dir or sys.argv[1]
        self.layout = self._json("layout.json")
        if self.layout is None:
            from layout import LAYOUT

            self.layout = LAYOUT
        self._store = Store(self._dir + "/identity.json", self._json("identity.json") or {})
        self._devices = {}
        self._key = None
        self.fed = 0

    def _json(self, name):
        try:
            with open(self._dir + "/" + name) as file:
                return json.load(file)
        except OSError:
            return None

    def device(self, name):
        """The block device `name` of the layout. Raises OSError when it is not there."""
        if name not in self._devices:
            spec = self.layout["devices"][name]
            path = self._dir + "/" + name + ".bin"
            if spec.get("overwrite"):
                self._devices[name] = FileCard(path, spec["size"])
            else:
                self._devices[name] = FileFlash(path, spec["size"], spec["erase"], spec["program"])
        return self._devices[name]

    def store(self):
        """What provisioning left here: get(name) and put(name, value), both bytes."""
        return self._store

    def rot(self):
        """16 bytes only this device knows, or None before provisioning."""
        return self._store.get(b"rot")

    @property
    def vendor_id(self):
        frozen = self._frozen()
        return frozen["VENDOR_ID"] if frozen else self._store.get(b"vendor_id", b"")

    @property
    def class_id(self):
        frozen = self._frozen()
        return frozen["CLASS_ID"] if frozen else self._store.get(b"class_id", b"")

    def _frozen(self):
        """What stands for the frozen module, maker_key.json; None where nothing asks for one."""
        stages = self.layout.get("stages", {})
        if "start" not in (self.layout.get("signed", False), stages.get("signed", False)):
            return None
        found = self._json("maker_key.json")
        if not found:
            raise ImportError("maker_key")
        return {name: bytes.fromhex(value) for name, value in found.items()}

    def key(self):
        """The key that images and manifests are signed by. Raises FwError NO_KEY, BAD_KEY.

        Where the layout says signed: "start" it is frozen, as are vendor and class id; else it
        is in the store.
        """
        if self._key is None:
            # Here, not above: most starts verify no signature and need not load it.
            from fwcore import errors_boot, p256
            from fwcore.errors import FwError

            frozen = self._frozen()
            if frozen:
                self._key = p256.FixedKey(frozen["TABLES"], self.feed)
                return self._key
            point = self._store.get(b"key")
            if not point:
                raise FwError(errors_boot.NO_KEY)
            self._key = p256.PublicKey(point, self.feed)
        return self._key

    def class_key(self):
        """16 bytes that encrypted payloads are made for, or None."""
        key = self._store.get(b"class_key", b"")
        return key if len(key) == 16 else None

    def mapped(self, name):
        """None: files are not memory-mapped, a ROMFS image is read into RAM."""
        return None

    def feed(self):
        """Feed the watchdog, and count the calls; tests ask whether long loops feed."""
        self.fed += 1
        if self._watchdog:
            self._watchdog.feed()

    def watchdog(self, timeout_ms):
        """Start the watchdog: from now on feed() must come within timeout_ms."""
        import machine

        Board._watchdog = machine.WDT(timeout=timeout_ms)

    def hung(self):
        """True when it was the watchdog that reset the board."""
        import machine

        return machine.reset_cause() == machine.WDT_RESET

    def wants_recovery(self):
        """True while the recovery key is pressed: a file `recovery` is in the folder."""
        try:
            open(self._dir + "/recovery").close()
        except OSError:
            return False
        return True

    def log(self, text):
        """One line of the boot log."""
        print(text)
        if self.lines is not None:
            self.lines.append(text)
            del self.lines[:-_LINES]

    def reset(self):
        """Does not return."""
        import machine

        machine.reset()

    def mount_user(self):
        """Mount the user files on /user, where the layout has a region for them. Raises OSError.

        Where a console has it on / already, it is shown here too.
        """
        region = self.layout.get("regions", {}).get("user")
        if region is None or "format" not in region:
            return
        import machine
        import vfs

        from fwcore.userfs import user_files

        name = region["device"]
        device, spec = self.device(name), self.layout["devices"][name]
        vfs.mount(machine.files or user_files(device, region, spec), "/user")
