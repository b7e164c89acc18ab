"""The login of Alibaba Cloud IoT: what an MQTT client needs, made of a device's triple.

    client_id, user, password = login("a1B2c3D4e5F", "dev001", SECRET, mode=TLS)
    mqtt = MQTTClient(client_id, HOST, 443, user, password, keepalive=60, ssl=context)

The host is PRODUCTKEY.iot-as-mqtt.REGION.aliyuncs.com, or that of the instance. Load this
file to log in, and drop it: an update needs none of it.
source: the documented login; vectors in host_tests/vectors/aliyun/alibaba_ota.json
"""

import hashlib
import time
from binascii import hexlify

from micropython import const

from fwcore import errors_net
from fwcore.errors import FwError
from fwcore.mac import hmac_sha256

_BUILD_YEAR = const(2026)  # no clock that was ever set is earlier
_FROM_1970_S = const(946684800)  # to 2000
TLS = 2  # secure modes
PLAIN = 3


def login(
    product_key,
    device_name,
    device_secret,
    device_id=None,
    method="hmacsha256",
    timestamp=None,
    mode=PLAIN,
):
    """Make the fields of MQTT's CONNECT.

    device_id:  any text of at most 64 characters without "|"; product_key.device_name when None
    method:     hmacsha256, or, where hashlib has them, hmacsha1 and hmacmd5
    timestamp:  milliseconds since 1970 as text; None: those of the device's clock, if that was
                ever set; "": none. With one, each login has a password of its own
    mode:       TLS or PLAIN, what the connection is
    returns:    (client id, user name, password), text
    raises:     FwError LOGIN for a method this device does not have
    """
    if device_id is None:
        device_id = product_key + "." + device_name
    content = "clientId" + device_id + "deviceName" + device_name + "productKey" + product_key
    about = "securemode=%d,signmethod=%s" % (mode, method)
    if timestamp is None:
        timestamp = _now()
    if timestamp:
        content += "timestamp" + timestamp
        about += ",timestamp=" + timestamp
    password = hexlify(_sign(method, device_secret.encode(), content.encode()))
    return (
        device_id + "|" + about + "|",
        device_name + "&" + product_key,
        password.decode().upper(),
    )


def _now():
    """The clock as the service wants it; "" when it was never set."""
    if time.gmtime()[0] < _BUILD_YEAR:
        return ""
    seconds = time.time()
    if time.gmtime(0)[0] == 2000:  # where most boards begin to count
        seconds += _FROM_1970_S
    return "%d000" % seconds


def _sign(method, key, content):
    if method == "hmacsha256":
        return hmac_sha256(key, content)
    make = getattr(hashlib, method[4:], None) if method in ("hmacsha1", "hmacmd5") else None
    if make is None:
        raise FwError(errors_net.LOGIN)
    return _hmac(make, key, content)


def _hmac(make, key, content):
    """HMAC with a hash of 64-byte blocks (RFC 2104), for the two old ones."""
    if len(key) > 64:
        key = make(key).digest()
    key += bytes(64 - len(key))
    inner = make(bytes(byte ^ 0x36 for byte in key))
    inner.update(content)
    outer = make(bytes(byte ^ 0x5C for byte in key))
    outer.update(inner.digest())
    return outer.digest()
