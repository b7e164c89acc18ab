# ruff: noqa: F821 (the names are those of manifest files)
# Frozen modules of a firmware that runs applications: boot stage, client, and what the port's
# own manifest freezes. That one is not included: it freezes a _boot.py too, and two of a
# name stop the build. As of MicroPython 1.29.
include("manifest_boot.py")
require("ufota-client", library="ufota")
# espnow for aioespnow; machine.py is the port's half of machine. Without its _boot.py nobody
# asks for flashbdev and inisetup, but for users.
names = ("apa106.py", "espnow.py", "flashbdev.py", "inisetup.py", "machine.py")
freeze("$(PORT_DIR)/modules", names)
include("$(MPY_DIR)/extmod/asyncio")
require("bundle-networking")
for name in ("aioespnow", "dht", "ds18x20", "neopixel", "onewire"):
    require(name)
for name in ("umqtt.robust", "umqtt.simple", "upysh"):
    require(name)
