"""Exit codes of fwtool: the one place that says which failure is which.

    0  ok
    1  failed: anything not named below (files, layouts, keys)
    2  usage: the command line itself (click says so too)
    3  verification failed: bytes are not what a header, a digest or a signature says
    4  device or transport
    5  refused by policy: well-formed and signed, but not for this device, or not now

Scripts act on these numbers: they are as stable as the error codes.
"""

from fwcore import errors, errors_boot, errors_net
from fwcore.errors import FwError
from ufota.decoders import errors as decoder_errors

OK = 0
FAILED = 1
VERIFY = 3
DEVICE = 4
REFUSED = 5

_VERIFY = (
    errors.MALFORMED,
    errors.BAD_SIGNATURE,
    errors.CORRUPT,
    errors.BAD_SCHEMA,
    errors.BAD_DIGEST,
    errors_boot.BAD_MAGIC,
    errors.BAD_CRC,
    errors.BAD_MAC,
    decoder_errors.BAD_STREAM,
    decoder_errors.STREAM_CUT,
    decoder_errors.TOO_MUCH,
    decoder_errors.OUTSIDE_OLD,
    decoder_errors.OTHER_SIZE,
    decoder_errors.WRONG_CLASS_KEY,
    decoder_errors.BAD_PADDING,
)
_DEVICE = (
    errors.WRITE_FAILED,
    errors.READ_FAILED,
    errors_boot.INSTALL_FAILED,
    errors.BAD_URL,
    errors.CONNECT,
    errors.TIMEOUT,
    errors.HTTP_STATUS,
    errors.BAD_RESPONSE,
    errors.CUT_SHORT,
    errors.TOO_LONG,
)
_REFUSED = (
    errors.UNSUPPORTED,
    errors.NOT_NEWER,
    errors.WRONG_VENDOR,
    errors.WRONG_CLASS,
    errors_net.WRONG_PRECURSOR,
    errors.INSTALL_DENIED,
    errors.DOWNLOAD_DENIED,
    errors_net.WRONG_COMPONENT,
    errors_boot.BELOW_FLOOR,
    errors_boot.BLACK_LISTED,
    errors_boot.ON_TRIAL,
    decoder_errors.OTHER_PATCH,
    decoder_errors.BIG_FRAME,
    decoder_errors.STARVED,
    decoder_errors.NO_CLASS_KEY,
)
_OF_CODE = {
    **dict.fromkeys(_VERIFY, VERIFY),
    **dict.fromkeys(_DEVICE, DEVICE),
    **{code: DEVICE for name, code in vars(errors_net).items() if name.isupper()},
    **dict.fromkeys((*_REFUSED, errors_net.UNSIGNED, errors_net.CANCELED), REFUSED),
}


class Failure(Exception):
    """What fwtool itself refuses: one line for people, and an exit code."""

    def __init__(self, text, exit_code=FAILED):
        super().__init__(text)
        self.exit_code = exit_code


def of(code):
    """FwError code -> exit code."""
    return _OF_CODE.get(code, FAILED)


def words(error):
    """FwError -> what it says, for people."""
    from fwtool import explain

    return explain.sentence(error)


def failure(error):
    """FwError, OSError, UnicodeError or Failure -> Failure that says it in one line."""
    if isinstance(error, FwError):
        return Failure(f"error {error.code}: {words(error)}", of(error.code))
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return Failure(f"{name}{error.strerror or error}")
    if isinstance(error, UnicodeError):
        return Failure("a name or text is not valid Unicode")
    return error
