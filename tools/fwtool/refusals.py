"""Refusals: one line of text for an error, and its exit code."""

from fwcore import errors, errors_boot, errors_net
from fwcore.errors import FwError
from fwtool import exits, explain
from fwtool.exits import Failure
from ufota.decoders import errors as decoder_errors

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
    **dict.fromkeys(_VERIFY, exits.VERIFY),
    **dict.fromkeys(_DEVICE, exits.DEVICE),
    **{code: exits.DEVICE for name, code in vars(errors_net).items() if name.isupper()},
    **dict.fromkeys(
        (*_REFUSED, errors_net.UNSIGNED, errors_net.CANCELED, errors_net.RESTING), exits.REFUSED
    ),
}


def exit_code(code):
    """FwError code -> exit code."""
    return _OF_CODE.get(code, exits.FAILED)


def failure(error):
    """FwError, OSError, UnicodeError or Failure -> Failure that says it in one line."""
    if isinstance(error, FwError):
        text = f"error {error.code}: {explain.sentence(error)}"
        return Failure(text, exit_code(error.code))
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return Failure(f"{name}{error.strerror or error}")
    if isinstance(error, UnicodeError):
        return Failure("a name or text is not valid Unicode")
    return error
