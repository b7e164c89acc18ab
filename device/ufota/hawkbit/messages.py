"""The messages of hawkBit's device API (DDI): parses those of the server, makes the device's.

Owns names and shapes of the JSON, and decides nothing. A field of another kind, or beyond its
bound, is FwError BAD_MESSAGE. Loaded by hawkbit.py when a poll is due.

    source:  Eclipse hawkBit, DDI v1; host_tests/vectors/hawkbit
"""

import json
from collections import namedtuple

from micropython import const

from fwcore import errors_net
from fwcore.errors import FwError
from ufota import bounded_json

_MAX_HREF = const(2048)  # a signed address of a CDN is long
_MAX_ID = const(36)
_MAX_WORD = const(16)
_MAX_NAME = const(64)  # of what is shown to people
_MAX_SLEEP_S = const(604800)
_SUFFIXES = (".fw", ".ufota")

# id: of the action, text; url: of the artifact, "" when there is none that could be meant;
# download, update: "skip", "attempt", "forced"; is_open: False outside of a maintenance
# window; name, version: of the first software module, for people
Job = namedtuple("Job", ("id", "url", "download", "update", "is_open", "name", "version"))


def sleep_s(found):
    """The interval that a poll's answer asks for, in seconds; None when it asks for none."""
    polling = bounded_json.table(bounded_json.table(found, "config"), "polling")
    words = bounded_json.text(polling, "sleep", _MAX_WORD)
    parts = words.split(":")
    if len(parts) != 3:
        return None
    seconds = 0
    for part in parts:
        if not part or part.strip("0123456789"):
            return None
        seconds = seconds * 60 + int(part)
    return min(seconds, _MAX_SLEEP_S)


def link(found, name):
    """The address of _links[name], "" when there is none."""
    table = bounded_json.table(bounded_json.table(found, "_links"), name)
    href = bounded_json.text(table, "href", _MAX_HREF)
    if href and not href[:8].lower().startswith(("http://", "https://")):
        raise FwError(errors_net.BAD_MESSAGE)
    return href


def job(found, key, has_tls):
    """What a deploymentBase or a confirmationBase says.

    key:     "deployment" or "confirmation"
    has_tls: False: an address with https:// is only taken when there is no other
    """
    inner = bounded_json.table(found, key)
    name, version, url = _software(inner.get("chunks"), has_tls)
    return Job(
        identity(found, "id"),
        url,
        bounded_json.text(inner, "download", _MAX_WORD),
        bounded_json.text(inner, "update", _MAX_WORD),
        bounded_json.text(inner, "maintenanceWindow", _MAX_WORD) != "unavailable",
        name,
        version,
    )


def identity(found, key):
    """Number of an action, as the text that it is in addresses."""
    value = found.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_ID:
        raise FwError(errors_net.BAD_MESSAGE)
    for char in value:
        if not (char == "-" or "0" <= char <= "9" or "A" <= char.upper() <= "Z"):
            raise FwError(errors_net.BAD_MESSAGE)
    return value


def _software(chunks, has_tls):
    """(name, version, address) of what is to be installed."""
    first = None
    artifacts = []
    for chunk in _objects(chunks):
        first = first or chunk
        artifacts.extend(_objects(chunk.get("artifacts")))
    if first is None:
        return "", "", ""
    name, version = _shown(first, "name"), _shown(first, "version")
    named = [one for one in artifacts if _shown(one, "filename").endswith(_SUFFIXES)]
    if named:
        return name, version, _address(named[0], has_tls)
    return name, version, _address(artifacts[0], has_tls) if len(artifacts) == 1 else ""


def _objects(found):
    """A list of objects; [] for a missing one. bounded_json limits how many there can be."""
    if found is None:
        return []
    if not isinstance(found, list):
        raise FwError(errors_net.BAD_MESSAGE)
    for one in found:
        if not isinstance(one, dict):
            raise FwError(errors_net.BAD_MESSAGE)
    return found


def _address(artifact, has_tls):
    url, plain = link(artifact, "download"), link(artifact, "download-http")
    return plain if plain and not (url and has_tls) else url


def _shown(found, key):
    """The end of a text that people see, in any script; "" for what is none."""
    value = found.get(key)
    return value[-_MAX_NAME:] if isinstance(value, str) else ""


def feedback(action, execution, finished="none", details="", percent=0):
    """A feedback message, bytes.

    execution: "download", "downloaded", "proceeding", "scheduled", "rejected", "closed"
    finished:  "none", or with closed: "success", "failure"
    details:   ASCII text for the log of the action, "" for none
    percent:   reported as progress; 0: none
    """
    result = {"finished": finished}
    if percent:
        result["progress"] = {"cnt": percent, "of": 100}
    status = {"execution": execution, "result": result}
    if details:
        status["details"] = [details]
    return json.dumps({"id": action, "status": status}).encode()


def consent(answer):
    """Answer to a confirmationBase, bytes."""
    return json.dumps({"confirmation": "confirmed" if answer else "denied"}).encode()


def attributes(values):
    """The attributes of a device, bytes. values: dict of text"""
    return json.dumps({"mode": "merge", "data": values}).encode()
