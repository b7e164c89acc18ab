"""Exit codes of fwtool: the one place that says which failure is which.

    0  ok
    1  failed: anything not named below (files, layouts, keys)
    2  usage: the command line itself (click says so too)
    3  verification failed: bytes are not what a header, a digest or a signature says
    4  device or transport
    5  refused by policy: well-formed and signed, but not for this device, or not now

Scripts act on these numbers: they are as stable as the error codes. Which error has which is in
refusals.py.
"""

OK = 0
FAILED = 1
VERIFY = 3
DEVICE = 4
REFUSED = 5


class Failure(Exception):
    """What fwtool itself refuses: one line for people, and an exit code."""

    def __init__(self, text, exit_code=FAILED):
        super().__init__(text)
        self.exit_code = exit_code
