"""BaseBoard: all that DESIGN.md asks of a board, except how to open its devices.

A board.py derives from it and adds that.
"""

import sys
import time
from errno import ENODEV

from micropython import const

from fwcore.modules import STORE, built_in, load

NAMES = ("rot", "key", "vendor_id", "class_id", "class_key")  # what provisioning leaves
STORE_SIZE = const(512)  # bytes of all of it
# Before a reset, so that ^C can stop it: a board without an image resets for ever.
_GRACE_MS = const(3000)
_STEP_MS = const(100)


class BaseBoard:
    """A board with this layout. A subclass says how to open its devices."""

    _watchdog = None  # of the chip: what one Board starts, every other one feeds
    _store = None  # one for all: two would not know of each other's writes
    _hung = None  # was it the watchdog? The chip's own answer does not last (was_hung())

    def __init__(self, layout):
        if "fwcore.kv" not in sys.modules:  # the boot stage's, whose modules are dropped: heap
            BaseBoard._store = None
        self.layout = layout
        self._devices = {}
        self._key = None

    def device(self, name):
        """The block device `name` of the layout. Raises OSError when it is not there."""
        if name not in self._devices:
            self._devices[name] = self.open(name, self.layout["devices"][name])
        return self._devices[name]

    def open(self, name, spec):
        """The block device of layout["devices"][name]. Raises OSError when it does not answer."""
        raise OSError(ENODEV)

    def chip(self, spi, cs):
        """A SPI NOR chip. Raises OSError."""
        load("bdev", "errors sfdp norchip spinor")
        from bdev.spinor import SpiNor

        return SpiNor(spi, cs, feed=self.feed)

    def card(self, spi, cs):
        """An SD card on a SPI bus. Raises OSError."""
        load("bdev", "errors sdcard")
        from bdev.sdcard import SDCard

        return SDCard(spi, cs, feed=self.feed)

    # Identity

    def store(self):
        """What provisioning left here: get(name) and put(name, value), both bytes.

        In the region `identity` of the layout. Raises OSError
        """
        if BaseBoard._store is None:
            load("fwcore", STORE)
            from fwcore.journal import Journal
            from fwcore.kv import KeyValue
            from fwcore.regions import storage_of

            region = self.layout["regions"]["identity"]
            storage = storage_of(self, region)
            journal = Journal(storage, region["start"], region["size"], STORE_SIZE)
            BaseBoard._store = KeyValue(journal, journal.load())
        return BaseBoard._store

    def rot(self):
        """16 bytes only this device knows, or None before provisioning. Raises OSError."""
        return self.store().get(b"rot")

    @property
    def vendor_id(self):
        return self._id("VENDOR_ID", b"vendor_id")

    @property
    def class_id(self):
        return self._id("CLASS_ID", b"class_id")

    def _id(self, frozen, stored):
        if self._is_frozen():
            return getattr(built_in("maker_key"), frozen)
        return self.store().get(stored, b"")

    def _is_frozen(self):
        """True where key and ids are frozen, as no application can write them."""
        stages = self.layout.get("stages", {})
        return "start" in (self.layout.get("signed", False), stages.get("signed", False))

    def key(self):
        """The key that images and manifests are signed by, as one that verifies.

        Where the layout says signed: "start" it is frozen, as are vendor and class id
        (maker_key.py): the store can be written by an application. Else it is in the store.
        raises:  FwError NO_KEY before provisioning, BAD_KEY; ImportError; OSError
        """
        if self._key is None:
            # Here, not above: most starts verify no signature and need not load it.
            load("fwcore", "p256")
            from fwcore import errors_boot, p256
            from fwcore.errors import FwError

            if self._is_frozen():
                self._key = p256.FixedKey(built_in("maker_key").TABLES, self.feed)
                return self._key
            point = self.store().get(b"key")
            if not point:
                raise FwError(errors_boot.NO_KEY)
            self._key = p256.PublicKey(point, self.feed)
        return self._key

    def class_key(self):
        """16 bytes that encrypted payloads are made for, or None. Raises OSError."""
        key = self.store().get(b"class_key", b"")
        return key if len(key) == 16 else None

    # The chip

    def mapped(self, name):
        """None: a ROMFS image is read into RAM, unless a board overrides this."""
        return None

    def feed(self):
        """Feed the watchdog, once one runs."""
        if BaseBoard._watchdog:
            BaseBoard._watchdog.feed()

    def watchdog(self, timeout_ms):
        """Start the watchdog: from now on feed() must come within timeout_ms."""
        self.hung()  # before the start, which overwrites the answer on rp2
        BaseBoard._watchdog = built_in("machine").WDT(timeout=timeout_ms)

    def hung(self):
        """True when it was the watchdog that reset the board.

        The chip is asked once a start, before the watchdog starts at the latest.
        """
        if BaseBoard._hung is None:
            BaseBoard._hung = self.was_hung()
        return BaseBoard._hung

    def was_hung(self):
        """The chip's answer, for hung() only. A board that knows it otherwise overrides this."""
        machine = built_in("machine")
        return machine.reset_cause() == machine.WDT_RESET

    def wants_recovery(self):
        """False: no key asks for a recovery image, unless a board overrides this."""
        return False

    def log(self, text):
        """One line of the boot log."""
        print(text)

    def reset(self):
        """Does not return. ^C in the last seconds before it leads to the prompt."""
        self.log("reset in {} s".format(_GRACE_MS // 1000))
        for _ in range(0, _GRACE_MS, _STEP_MS):
            self.feed()
            time.sleep_ms(_STEP_MS)
        built_in("machine").reset()

    def mount_user(self):
        """Mount the user files on /user, where the layout has such a region. Raises OSError."""
        region = self.layout.get("regions", {}).get("user")
        if region is None or "format" not in region:
            return
        import vfs

        from fwcore.userfs import user_files

        name = region["device"]
        files = user_files(self.device(name), region, self.layout["devices"][name])
        vfs.mount(files, "/user")
