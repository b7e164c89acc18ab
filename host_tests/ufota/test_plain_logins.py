"""A token or a login that everybody on the way can read is told, once, where it is given."""

from resume_kit import board_of
from ufota.sources.alibaba import AlibabaSource
from ufota.sources.hawkbit import HawkbitSource
from ufota.web.service import HttpService

BOTH = True  # runs on CPython and on MicroPython

PATH = "://updates.example/DEFAULT/controller/v1/dev-1"


class Mqtt:
    """As umqtt.simple's; ssl is its own name."""

    def __init__(self, ssl=None):
        self.ssl = ssl

    def set_callback(self, f):
        pass


class Other:
    """A client that does not say whether it has TLS."""

    def set_callback(self, f):
        pass


def told(make, *args, **more):
    """Lines of the log of a board, by the making of a source."""
    board = board_of("sd")
    lines = []
    board.log = lines.append
    make(board, *args, **more)
    return lines


def test_a_token_over_plain_http_is_told():
    for scheme in ("http", "HTTP"):
        lines = told(HawkbitSource, HttpService(), scheme + PATH, "TargetToken 5ec4e7")
        assert len(lines) == 1 and lines[0].startswith("[WARN] The token goes over plain HTTP")
        assert "5ec4e7" not in lines[0]
    for scheme, token in (("https", "TargetToken x"), ("HTTPS", "TargetToken x"), ("http", "")):
        assert told(HawkbitSource, HttpService(), scheme + PATH, token) == []


def test_an_mqtt_login_without_tls_is_told():
    for ssl in (None, False):
        lines = told(AlibabaSource, Mqtt(ssl), "KEY", "name")
        assert len(lines) == 1 and lines[0].startswith("[WARN] The MQTT login goes without TLS")
    for mqtt in (Mqtt(object()), Mqtt(True), Other()):
        assert told(AlibabaSource, mqtt, "KEY", "name") == []


def test_another_module_of_the_same_link_does_not_tell_it_again():
    board = board_of("sd")
    lines = []
    board.log = lines.append
    first = AlibabaSource(board, Mqtt(), "KEY", "name")
    AlibabaSource(board, None, "", "", module="modem", link=first.link)
    assert len(lines) == 1
