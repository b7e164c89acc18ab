"""What the emulated board lives through: a story is a row of STORIES.

A scene is a function in app/scenes_*.py, which a release of the application runs; the board is
reset between them, by itself. What must be said, in this order, is in `tells`.
"""

from dataclasses import dataclass

OLD, NEW = "1.0.0", "2.0.0"
OTHER_KEY = "other key"  # kind of a bundle that another key has signed


@dataclass
class Story:
    """scenes: what each release runs, as app/main.py takes it
    tells:     "SCENE STEP WORDS" of some of the steps, in order
    typed:     a scene that is typed at the prompt, after those
    is_broken: the new release raises at its start;  is_new: the board has no identity yet
    certs:     the server has certificates
    dropped:   what the server has is in the file /user/update.bin, too
    kind:      what the server has for the new release, as compose.bundle() takes it, or OTHER_KEY
    more:      bytes above the bound that it may take
    """

    name: str
    scenes: dict
    tells: list
    typed: str = ""
    is_broken: bool = False
    is_new: bool = False
    certs: bool = False
    dropped: bool = False
    kind: str = "raw"
    more: int = 0


def _taken(name, scene, new="calls.confirm", **more):
    """The old release takes the new one, which then runs its scenes."""
    tells = [_done(each) for each in (scene, *new.split(", "))]
    return Story(name, {OLD: scene, NEW: new}, tells, **more)


def _short(name, scene, *tells, **more):
    """Nothing is started by it."""
    return Story(name, {OLD: scene}, list(tells) or [_done(scene)], **more)


def _typed(name, scene, *steps):
    """Of the boot stage; steps: that must have come."""
    found = scene.split()[0].split(".")[1]
    return Story(name, {}, [f"{found} {step}" for step in (*steps, "done")], typed=scene)


def _done(scene):
    return scene.split()[0].split(".")[1] + " done"


def _again(what):
    """What an old release does that is asked for the last result first."""
    return {OLD: f"calls.result, {what}"}


_MODE = ("idle", "installed", "trials", "back", "cut", "resumed")

STORIES = [
    Story("boot", {}, ["boot start 1.0.0", "boot done"]),
    _typed("simple", "stage.mode simple", "idle", "installed", "cut", "resumed"),
    *(_typed(name, f"stage.mode {name}", *_MODE) for name in ("swap", "overwrite", "direct")),
    _typed("rescue", "stage.rescue", "nothing", "rescued"),
    _typed("recovery", "stage.recovery", "started", "asked"),
    _typed("selector", "select.stages", "started", "new", "frozen"),
    _short("first start", "calls.first_start", is_new=True),
    _short("provision", "calls.provision", is_new=True),
    _taken("update", "client.update"),
    _taken("fleet", "client.fleet", "calls.confirm_when"),
    _taken("two files", "client.fleet /app.man", "calls.aconfirm_when"),
    _taken("asyncio", "client.arun"),
    _taken("broken links", "client.broken"),
    _taken("resume", "client.resume"),
    _taken("address in the store", "client.stored_url"),
    _taken("loop", "client.loop", "client.loop"),
    _taken("asyncio loop", "client.aloop", "client.aloop"),
    *(
        _taken(kind, "client.update", kind=kind)
        for kind in ("deflate", "patch", "arm", "raw-encrypted", "patch-encrypted")
    ),
    _taken("patch client", "client.patched", kind="patch"),
    *(
        _short(f"variant {kind}", f"client.variant {kind}")
        for kind in ("storeless", "permanent", "simple", "firmware", "stages")
    ),
    *(
        _short(f"HTTP {kind}", f"sources.http {kind}")
        for kind in ("chunked", "moved", "kept", "busy")
    ),
    _taken("file", "sources.card", "calls.confirm, sources.card", dropped=True),
    _short("file refused", "sources.card", "card refused 23", dropped=True, kind=OTHER_KEY),
    _taken("group, file", "sources.card group", dropped=True),
    _taken("group, HTTP", "sources.card group"),
    _taken("hawkBit", "services.hawkbit"),
    _short("hawkBit asks", "services.hawkbit consent", "hawkbit polled", "hawkbit done"),
    _short("hawkBit cancels", "services.hawkbit cancel", "hawkbit cancelled", "hawkbit done"),
    Story(
        "hawkBit, back",
        _again("services.hawkbit back"),
        ["hawkbit done", "result result 2 81", "hawkbit done"],
        is_broken=True,
    ),
    _taken("Alibaba, MQTT", "services.alibaba blocks", "calls.confirm, services.alibaba told"),
    _taken("Alibaba, HTTP", "services.alibaba http"),
    _short("Alibaba login", "calls.login"),
    _taken("writer", "calls.writer"),
    _taken("writer, packed", "calls.writer", kind="patch-encrypted"),
    _taken("fragments", "calls.fragments"),
    _short("unsigned", "calls.unsigned"),
    Story(
        "reject",
        {**_again("client.update"), NEW: "calls.reject"},
        ["update done", "reject done", "result result 2 300", "update error 84"],
    ),
    Story(
        "broken",  # three trials, the way back, and it does not come in again: 81, 84
        _again("client.update"),
        ["update done", "result result 2 81", "update error 84"],
        is_broken=True,
    ),
    Story(
        "hang",  # three times until the watchdog bites: 82
        {**_again("client.update"), NEW: "calls.hang"},
        ["update done", "hang start", "hang start", "hang start", "result result 2 82"],
    ),
    *(
        Story(
            f"TLS, {name}",
            {OLD: f"sources.tls {kind}", NEW: "calls.confirm"},
            ["tls shaken", "tls done", "confirm done"],
            certs=True,
        )
        for name, kind in (("RSA-2048", "rsa"), ("P-256", "p256"))
    ),
    _short("TLS, other CA", "sources.tls p256 rsa", "tls error 101", certs=True),
    # With RSA they take as much of the stack, and a minute more.
    _taken("asyncio TLS, P-256", "sources.atls p256", certs=True),
    # Within the 8 KiB, but above the bound: mbedTLS deciphers an answer under a report's calls.
    _taken("hawkBit TLS, P-256", "services.hawkbit p256", certs=True, more=512),
]
