# ruff: noqa: F821 (the names are those of manifest files)
# Storage on a SPI bus: NOR flash and SD cards.
metadata(version="0.1.0", description="SPI NOR flash and SD cards as block devices")
names = ("checked.py", "errors.py", "norchip.py", "sdcard.py", "sfdp.py", "spinor.py")
package("bdev", names, base_path="../..", opt=3)
