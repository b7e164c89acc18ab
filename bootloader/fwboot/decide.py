"""Decisions of the boot stage: pure functions, no I/O.

source: mbed-bootloader d02afab, upgrade.cpp, as recorded in
host_tests/vectors/boot_scenarios; its log lines are the log lines here.

    candidate header                      verdict
    unreadable, torn, of another device   NO_IMAGE
    version <= best so far, or size 0     OLDER
    else                                  CHECK: digest the body

    body digest differs                   BAD_BODY
    size > maximum application size       TOO_LARGE
    else                                  BEST so far
"""

from micropython import const

NO_IMAGE = const(0)
OLDER = const(1)
CHECK = const(2)
BAD_BODY = const(3)
TOO_LARGE = const(4)
BEST = const(5)

LINES = {
    NO_IMAGE: "No Update image",
    OLDER: "Update image is older",
    BAD_BODY: "Update image integrity check failed",
    TOO_LARGE: "Update image too large",
}


def by_header(head, best_version):
    """Verdict on a candidate by its header alone: NO_IMAGE, OLDER or CHECK.

    head:          Header, or None when it could not be read or verified
    best_version:  version of the best image so far; 0 when there is none, so a
                   candidate of version 0 is never installed
    """
    if head is None:
        return NO_IMAGE
    if head.version <= best_version or not head.size:
        return OLDER
    return CHECK


def by_body(head, digest, max_size):
    """Verdict on a candidate whose body was digested: BAD_BODY, TOO_LARGE or BEST.

    digest:    32 bytes, or None when the body could not be read
    max_size:  bytes the active region may hold
    """
    if digest != head.digest:
        return BAD_BODY
    if head.size > max_size:
        return TOO_LARGE
    return BEST
