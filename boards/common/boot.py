"""Frozen, and empty: the port would run a boot.py of a file system, before the boot stage."""
