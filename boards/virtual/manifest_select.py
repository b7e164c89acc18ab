# ruff: noqa: F821 (the names are those of manifest files)
# Frozen modules of a firmware with a boot selector: the selector, the boot stage that runs
# when no other can, and, for applications, the update client. Updates never change them.
include("manifest.py")
package("fwcore", ("chain.py",), base_path="../../device", opt=3)
