"""Imports itself until stack_watch.py has seen enough: what an import takes on the C stack."""

import sys

del sys.modules[__name__]

import stack_level  # noqa: E402, F401
