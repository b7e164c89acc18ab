"""ufota_testkit: test the update of an application, power cuts included. See docs/TESTING.md."""

import sys

if sys.implementation.name == "cpython":
    import fwtool  # noqa: F401  (makes the device's modules importable)
