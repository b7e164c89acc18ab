"""Updates of MicroPython's own firmware on ESP32: the next OTA partition, a trial by ESP-IDF.

A target of targets.py. Needs a partition table with two OTA partitions, and a second-stage
bootloader with roll-back, as MicroPython builds it: firmware that is not confirmed is reverted
at the next reset, whatever the cause. Power cuts are harmless: the partition that runs is never
written to, and the choice of one is stored twice. Source: ESP-IDF, "Over The Air Updates".
"""

from micropython import const

from fwcore.storage import Storage
from ufota.firmware.targets import FirmwareSlot, Target

_BLOCK = const(4096)
_UNIT = const(16)  # bytes; a flash that is encrypted takes no less


class OtaPartition(Target):
    """
    running:  esp32.Partition(esp32.Partition.RUNNING)
    version:  version, u64, of the firmware that runs: a constant that is frozen into it
    raises:   ValueError, TypeError for what is no number
    """

    def __init__(self, running, version):
        self._running = running
        self._version = int(version)

    def version(self):
        return self._version

    def slot(self):
        """Raises OSError where there is no other OTA partition."""
        self._next = self._running.get_next_update()
        return FirmwareSlot(Storage(self._next, _BLOCK, _UNIT))

    def install(self, size):
        """ESP-IDF checks the whole image once more. Raises OSError when it is none."""
        self._next.set_boot()
        self.installed = True

    def failed(self, begun):
        return begun

    def confirm(self):
        self._running.mark_app_valid_cancel_rollback()
