"""A board on CPython: what `micropython` gives a process, given by CPython.

start.py takes the arguments and the MICROPYPATH of `micropython`. Nothing here is for code of an
application: to that it is invisible.
"""
