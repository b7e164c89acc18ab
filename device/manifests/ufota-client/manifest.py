# ruff: noqa: F821 (the names are those of manifest files)
# The update client, and the rest of what it needs of fwcore. Which payloads it takes besides
# plain images is the board's choice; a payload without its decoder is refused with a number:
#
#     require("ufota-client", library="ufota", decoders=("inflate", "delta"))
import os

_ADD = "add.py", "add_native.py", "add_wide.py"
DECODERS = {
    "inflate": ("inflate.py",),
    "delta": _ADD + ("delta.py", "precursor.py"),
    "delta_arm": _ADD + ("delta_arm.py", "lz4.py", "precursor.py"),
    "decrypt": ("decrypt.py",),
}

metadata(version="0.1.0", description="Update client: signed firmware over HTTP, MQTT, SD")
require("ufota-boot")
options.defaults(decoders=tuple(DECODERS))
package(
    "fwcore",
    ("boot_chain.py", "errors_net.py", "formats.py", "manifest.py"),
    base_path="../..",
    opt=3,
)
own = sorted(name for name in os.listdir("../../ufota") if name[-3:] == ".py")
chosen = {"__init__.py", "chain.py", "errors.py"}
chosen.update(*(DECODERS[name] for name in options.decoders))
package("ufota", own, base_path="../..", opt=3)
package("ufota/decoders", sorted(chosen), base_path="../..", opt=3)
for name in ("alibaba", "firmware", "hawkbit", "sources", "update", "web"):
    package("ufota/" + name, base_path="../..", opt=3)
