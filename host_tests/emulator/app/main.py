"""The application of the emulated board: it runs scenes, functions of scenes_*.py.

Which ones stands in /user/scene: a JSON object, version of the release -> its scenes,
"client.update", say, which is in scenes_client.py, or "calls.result, sources.tls rsa": one
after the other, with arguments.
"""

import json

import micropython
import release
import report

if release.IS_BROKEN:
    raise ValueError("a release that cannot start")


def _first(names):
    _second(names)


def _second(names):
    # The fourth call is the scene itself. What that calls comes on top of some 950 B of the
    # application's own, of the 1,024 B that are left to it.
    report.run(names, release.VERSION, _START)


_START = micropython.stack_use()
try:
    with open("/user/scene") as _file:
        _names = json.load(_file).get(release.VERSION, "calls.boot")
except OSError:
    _names = "calls.boot"
_first(_names)
