"""Decisions of the boot stage: pure functions, no I/O.

source: mbed-bootloader d02afab, upgrade.cpp, as recorded in
host_tests/vectors/boot_scenarios; its log lines are the log lines here.

    candidate header                      verdict
    unreadable, torn, of another device   NO_IMAGE
    version <= best so far, or size 0     OLDER
    else                                  CHECK: digest the body

    body digest differs                   BAD_BODY
    size > maximum application size       TOO_LARGE
    signature asked for and not good      UNSIGNED (ours)
    else                                  BEST so far

A trial, with a state region (ours):

    tries left   active image             act
    0            any                      GO_BACK
    1 or more    not the new one, whole   GO_BACK
    1 or more    the new one, whole       START, with one try less

Why an image may be started where the layout says `signed` (ours), from its digest as it was
computed at this start:

    statement                                     verdict
    nobody asks                                   NOT_ASKED
    in a good state, as verified, and not "start" RECORDED
    the signature verifies now                    VERIFIED
    the signature does not                        FORGED
    the active image, while there is no key yet   UNPROVISIONED
"""

from micropython import const

NO_IMAGE = const(0)
OLDER = const(1)
CHECK = const(2)
BAD_BODY = const(3)
TOO_LARGE = const(4)
BEST = const(5)
UNSIGNED = const(6)

START = const(7)
GO_BACK = const(8)

NOT_ASKED = const(9)
FORGED = const(10)
RECORDED = const(11)
VERIFIED = const(12)
UNPROVISIONED = const(13)

LINES = {
    NO_IMAGE: "No Update image",
    OLDER: "Update image is older",
    BAD_BODY: "Update image integrity check failed",
    TOO_LARGE: "Update image too large",
    UNSIGNED: "Update image signature check failed",
    FORGED: "[ERR ] Signature check failed",
    RECORDED: "[DBG ] Signature recorded",
    VERIFIED: "[DBG ] Signature verified",
    UNPROVISIONED: "[WARN] Signature not checked, no key yet",
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


def by_trial(tries, head, new):
    """What to do with an image on trial: START or GO_BACK.

    tries:  trial boots left
    head:   Header of the active image when it is whole, else None
    new:    Header of the image on trial
    """
    if not tries or head is None or head.digest != new.digest:
        return GO_BACK
    return START


def may_start(head, floor, is_bad):
    """True when a whole image may be started, or installed.

    floor:   the oldest version that may
    is_bad:  is_bad(digest) is True for a black-listed image
    """
    return head.version >= floor and not is_bad(head.digest)
