"""What each error says about the update that met it: final, soon, rarely; file, link, report."""

from fwcore import errors, errors_boot, errors_net
from fwcore.errors import FwError
from ufota.decoders import errors as errors_payload
from ufota.sources import verdicts

BOTH = True  # runs on CPython and on MicroPython

STATUS = errors.HTTP_STATUS
MODULES = errors, errors_boot, errors_net, errors_payload
FINAL = """
    URI_TOO_LONG BAD_SIGNATURE UNSUPPORTED CORRUPT NOT_NEWER VENDOR_DATA WRONG_VENDOR WRONG_CLASS
    WRONG_PRECURSOR TOO_BIG INSTALL_DENIED DOWNLOAD_DENIED WRONG_COMPONENT INSTALL_FAILED
    BAD_VERSION BAD_DIGEST NOT_CONFIRMED CRASHED HUNG BELOW_FLOOR BLACK_LISTED CANCELED NEEDS
    NO_CIPHER
"""
SOON = "CONNECT TIMEOUT CUT_SHORT ON_TRIAL TOO_SLOW BUSY NO_ANSWER"
BY_PLACE = "HTTP_STATUS BAD_RESPONSE BAD_RANGE TLS_REFUSED TLS_FAILED"
FILE = """
    MALFORMED BAD_SCHEMA BAD_URL CUT_SHORT TOO_LONG OTHER_LENGTH UNSIGNED BAD_STREAM STREAM_CUT
    TOO_MUCH OUTSIDE_OLD OTHER_PATCH OTHER_SIZE BIG_FRAME STARVED WRONG_CLASS_KEY BAD_PADDING
"""


def codes(names):
    found = []
    for name in names.split():
        found.extend(getattr(each, name) for each in MODULES if hasattr(each, name))
    assert len(found) == len(names.split())
    return sorted(found)


def of_all(holds):
    return [code for code in range(256) if holds(code)]


def permanent(code, at=0, **more):
    return verdicts.looks_permanent(FwError(code, at), **more)


def test_final_is_what_was_judged():
    assert of_all(verdicts.is_final) == codes(FINAL)
    assert verdicts.is_final(256) and verdicts.is_final(65535)  # an application's reason


def test_a_number_that_nobody_knows_is_met_rarely_and_is_not_final():
    for code in (0, 20, 24, 79, 130, 164, 255):
        assert verdicts.row(code) == "-" and permanent(code)


def test_what_is_wrong_with_a_file_on_a_card():
    assert of_all(verdicts.is_of_file) == sorted(codes(FINAL) + codes(FILE))


def test_only_the_link_and_a_busy_server_are_met_soon():
    soon = of_all(lambda code: not permanent(code))
    here = codes(BY_PLACE)
    here.remove(STATUS)
    here.remove(errors_net.TLS_REFUSED)
    assert soon == sorted(codes(SOON) + here)


def test_statuses():
    soon = {408, 425, 429} | set(range(500, 600)) - {501, 505}
    for status in range(1000):
        assert permanent(STATUS, status) == (status not in soon), status
        assert not permanent(STATUS, status, asks=True)
        new = verdicts.is_expired(FwError(STATUS, status))
        assert new == (status in (401, 403, 404, 410)), status
        assert verdicts.refuses_report(status) == (status in (400, 404, 409, 410, 422)), status
    assert not verdicts.is_expired(FwError(errors.CUT_SHORT, 403))


def test_a_retry_after_speaks_for_statuses_only():
    assert permanent(errors_net.CLOCK_NOT_SET, asks=True)


def test_tls_is_refused_for_good_but_for_two_alerts():
    for alert in range(256):
        assert permanent(errors_net.TLS_REFUSED, alert) == (alert not in (20, 80))


def test_the_same_nonsense_again_looks_permanent():
    for code in (errors.BAD_RESPONSE, errors_net.BAD_RANGE, errors_net.TLS_FAILED):
        assert not permanent(code, 7) and permanent(code, 7, again=True)
    assert not permanent(errors.BAD_RESPONSE, 1, again=True)  # hung up without an answer
    assert not permanent(errors.CONNECT, 1, again=True)
