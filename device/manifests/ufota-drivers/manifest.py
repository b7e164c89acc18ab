# ruff: noqa: F821 (the names are those of manifest files)
# Storage on a SPI bus: NOR flash and SD cards.
metadata(version="0.1.0", description="SPI NOR flash and SD cards as block devices")
package("bdev", base_path="../..", opt=3)
