"""The result of an update, as trial.last_result() returns it."""

from collections import namedtuple

# result: CONFIRMED, REVERTED or REFUSED of fwcore.state; reason: error number that goes
# with it, 0 for none; version, digest (32 bytes): of the image that update brought
Result = namedtuple("Result", ("result", "reason", "version", "digest"))
