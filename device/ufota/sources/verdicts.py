"""Verdicts: what each error says about the update that met it. The only such table.

Owns the rows below, and nothing that acts on them. What a source tells its service for good,
what a device forgets for good, and how soon it asks again: all of it is looked up here.

    F  final: this image was judged, and is judged no better the next time
    s  soon, after a back-off: the link, or a server that is busy
    r  rarely: it looks permanent, until somebody changes something
    p  by the place of the error: soon, or rarely
    c  as s; on a card, where no link can cut it, the file is what is wrong
    D  as r: the bytes are not what they should be, which a portal or damage can bring about;
       on a card the file is what is wrong

-  is no number. From 256 on a number is the application's reason to reject an image: final.
Imported when an error has come, not before: an update that works needs none of this.
docs/OUTAGES.md says what comes of it, service by service.
"""

from micropython import const

from fwcore import errors

_FIRST = const(21)
_REASONS = const(256)  # of applications, see trial.reject()
_TABLE = (
    "F"  # 21 URI_TOO_LONG: its signature was right, and its maker wrote it so
    "D"  # 22 MALFORMED: a portal's page is none either
    "F"  # 23 BAD_SIGNATURE: a whole manifest, and not by the key that is trusted
    "-"
    "F"  # 25 UNSUPPORTED: signed, and of a format that this firmware does not take
    "F"  # 26 CORRUPT: all of it has come, and its digest is another
    "F"  # 27 NOT_NEWER: signed, and not newer than what runs
    "D"  # 28 BAD_SCHEMA: found before the signature was looked at
    "F"  # 29 VENDOR_DATA: as 21
    "F"  # 30 WRONG_VENDOR: signed, for others
    "F"  # 31 WRONG_CLASS: signed, for others
    "F"  # 32 WRONG_PRECURSOR: signed, a patch for another image than what runs
    "F"  # 33 TOO_BIG: signed, and larger than its place
    "r"  # 34 NO_MEMORY: of this device, for now
    "r"  # 35 WRITE_FAILED: storage of this device, not the image
    "r"  # 36 READ_FAILED: storage of this device, or a card
    "F"  # 37 INSTALL_DENIED: the application's word
    "F"  # 38 DOWNLOAD_DENIED: the application's word
    "F"  # 39 WRONG_COMPONENT: signed, for a part that this device does not have
    "F"  # 40 INSTALL_FAILED: the boot stage has tried, again, and gone back
    "F"  # 41 BAD_VERSION: as 21
    "-"
    "F"  # 43 BAD_DIGEST: as 21
    "------"
    "r"  # 50 BAD_MAGIC: a header of this device
    "r"  # 51 BAD_CRC: a header of this device
    "r"  # 52 BAD_MAC: a header of this device
    "r"  # 53 BAD_KEY: a key of this device
    "------"
    "r"  # 60 BAD_LAYOUT: this device's own
    "r"  # 61 MISALIGNED: this device's own
    "r"  # 62 OVERLAP: this device's own
    "r"  # 63 OUT_OF_DEVICE: this device's own
    "r"  # 64 NO_SLOT: none can be used now
    "-----"
    "D"  # 70 BAD_URL: whoever named the address may name another
    "s"  # 71 CONNECT: the link, or the server is down
    "s"  # 72 TIMEOUT: the link, or the server is down
    "p"  # 73 HTTP_STATUS: by the status, see below
    "p"  # 74 BAD_RESPONSE: a server in trouble; the same again: not an HTTP server, or a label
    "c"  # 75 CUT_SHORT: the link; a file on a card ends for good
    "D"  # 76 TOO_LONG: the object is another than the manifest's
    "---"
    "F"  # 80 NOT_CONFIRMED: its trials are used up
    "F"  # 81 CRASHED: in its last trial
    "F"  # 82 HUNG: in its last trial
    "F"  # 83 BELOW_FLOOR: signed, and older than this device may run
    "F"  # 84 BLACK_LISTED: rejected on this device before
    "s"  # 85 ON_TRIAL: what runs now is confirmed first
    "r"  # 86 NOT_ON_TRIAL: a call of the application
    "r"  # 87 NO_KEY: the device is not provisioned yet
    "r"  # 88 NO_VERIFIER: this firmware's own; another may have it
    "r"  # 89 RESTING: it comes in again after some starts
    "r"  # 90 TOO_MANY_REDIRECTS: a server set up wrongly, or a portal
    "r"  # 91 BAD_REDIRECT: a server set up wrongly, or a portal
    "r"  # 92 INSECURE_REDIRECT: a portal
    "p"  # 93 BAD_RANGE: a proxy; the same again: a server that has no ranges
    "s"  # 94 TOO_SLOW: the link
    "D"  # 95 OTHER_LENGTH: a portal's page; or the object is another by now
    "----"
    "r"  # 100 NOT_VERIFYING: a call of the application
    "r"  # 101 UNTRUSTED: a portal, or a certificate that somebody has to change
    "r"  # 102 WRONG_HOST: a portal, or a certificate that somebody has to change
    "r"  # 103 EXPIRED: a certificate that somebody has to change
    "r"  # 104 NOT_YET_VALID: a certificate, or the clock is set wrongly
    "r"  # 105 CLOCK_NOT_SET: it may be later
    "p"  # 106 TLS_REFUSED: by the alert, see below
    "p"  # 107 TLS_FAILED: damage on the way; the same again: the two do not agree
    "--"
    "r"  # 110 NO_SOURCE: none of a group; each has its own back-off
    "s"  # 111 BUSY: says so itself
    "r"  # 112 BAD_MESSAGE: a portal's page, or a service that has changed
    "D"  # 113 UNSIGNED: a portal's page has no manifest either
    "F"  # 114 CANCELED: the service called it off, and knows
    "s"  # 115 NO_ANSWER: the link, or a service in trouble
    "r"  # 116 LOGIN: somebody has to let this device in
    "---"
    "r"  # 120 OUT_OF_ORDER: a call of the application
    "r"  # 121 INCOMPLETE: more fragments may come
    "r"  # 122 NOT_BEGUN: a call of the application
    "--"
    "F"  # 125 NEEDS: signed, for a device with other components
    "r"  # 126 BAD_IDENTITY: the device is not provisioned yet
    "-----------------------"
    "D"  # 150 BAD_STREAM: before the digest of the whole: it may be damage on the way
    "D"  # 151 STREAM_CUT: as 150
    "D"  # 152 TOO_MUCH: as 150
    "D"  # 153 OUTSIDE_OLD: as 150
    "D"  # 154 OTHER_PATCH: as 150
    "D"  # 155 OTHER_SIZE: as 150
    "D"  # 156 BIG_FRAME: as 150
    "D"  # 157 STARVED: as 150
    "--"
    "F"  # 160 NO_CIPHER: signed, and encrypted; this port cannot decrypt
    "r"  # 161 NO_CLASS_KEY: the device may be given one
    "D"  # 162 WRONG_CLASS_KEY: as 150
    "D"  # 163 BAD_PADDING: not raised any more
)

_TLS_REFUSED = const(106)
_ALERTS = (20, 80)  # bad_record_mac: damage on the way; internal_error: a server in trouble
_EXPIRED = (401, 403, 404, 410)
_REFUSED = (400, 404, 409, 410, 422)


def row(code):
    """The letter of an error number."""
    if code >= _REASONS:
        return "F"
    at = code - _FIRST
    return _TABLE[at] if 0 <= at < len(_TABLE) else "-"


def is_final(code):
    """True when this image was judged: to try it again would not help."""
    return row(code) == "F"


def is_of_file(code):
    """True when a file on a card is what is wrong, not the card or the device."""
    return row(code) in "FDc"


def looks_permanent(error, asks=False, again=False):
    """True when an error that is not final is to be met rarely.

    asks:    True: the server said when it wants to be asked again
    again:   True: the last attempt met the same number at the same place
    """
    letter = row(error.code)
    if letter != "p":
        return letter not in "sc"
    if error.code == errors.HTTP_STATUS:
        return not (asks or _passes(error.at))
    if error.code == _TLS_REFUSED:
        return error.at not in _ALERTS
    if error.code == errors.BAD_RESPONSE and error.at == 1:  # hung up without an answer
        return False
    return again


def _passes(status):
    """408 Request Timeout, 425 Too Early, 429 Too Many Requests, and a server in trouble.

    Not 501 Not Implemented and 505 HTTP Version Not Supported. 520 to 530 are a proxy's.
    """
    return status in (408, 425, 429) or 500 <= status < 600 and status not in (501, 505)


def is_expired(error):
    """True when a service is to be asked for a new address, before anything else."""
    return error.code == errors.HTTP_STATUS and error.at in _EXPIRED


def refuses_report(status):
    """True when a service will never take this report, as it knows nothing of what it is on."""
    return status in _REFUSED
