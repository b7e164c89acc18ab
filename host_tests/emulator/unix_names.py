"""The scenes of host_tests/stack/stack_scenes.py that the emulated board has too, for `--keep`.

There each is played by MicroPython's unix interpreter; what both have is in one table.
"""

_CLIENT = ("made", "started", "polled", "done")  # steps, where not all of a scene are meant


def _mode(name):
    found = {
        f"boot, {name}": (name, "mode", ("idle",)),
        f"install, {name}": (name, "mode", ("installed",)),
        f"cut install, {name}": (name, "mode", ("resumed",)),
        f"way back, {name}": (name, "mode", ("back",)),
    }
    # Where nothing is copied, there is nothing to cut; simple installation knows no way back.
    absent = {"direct": "cut install", "simple": "way back"}.get(name, "-")
    return {key: found[key] for key in found if not key.startswith(absent)}


# unix scene -> (story, scene, its steps; () for all but the start)
NAMES = {
    **_mode("simple"),
    **_mode("swap"),
    **_mode("overwrite"),
    **_mode("direct"),
    "boot, rescue": ("rescue", "rescue", ("rescued",)),
    "boot, nothing to start": ("rescue", "rescue", ("nothing",)),
    "boot, recovery": ("recovery", "recovery", ("started",)),
    "boot, recovery asked for": ("recovery", "recovery", ("asked",)),
    "boot, selector": ("selector", "stages", ("started",)),
    "boot, selector, new stage": ("selector", "stages", ("new",)),
    "boot, selector, no stage": ("selector", "stages", ("frozen",)),
    "provision": ("provision", "provision", ()),
    "first start": ("first start", "first_start", ()),
    "confirm": ("update", "confirm", ()),
    "confirm when": ("fleet", "confirm_when", ()),
    "confirm when, asyncio": ("two files", "aconfirm_when", ()),
    "reject": ("reject", "reject", ()),
    "last result": ("reject", "result", ("result",)),
    "writer": ("writer", "writer", ()),
    "writer, all decoders": ("writer, packed", "writer", ()),
    "writer, fragments": ("fragments", "fragments", ()),
    "writer, unsigned": ("unsigned", "unsigned", ()),
    "poll": ("fleet", "fleet", ("made", "polled")),
    "run": ("update", "update", ()),
    "run, no client store": ("variant storeless", "variant", ()),
    "run, permanent": ("variant permanent", "variant", ()),
    "run, simple": ("variant simple", "variant", ()),
    "run, boot stages": ("variant stages", "variant", ()),
    "run, firmware": ("variant firmware", "variant", ()),
    "run, deflated": ("deflate", "update", ()),
    "run, deflated patch": ("patch", "update", ()),
    "run, Arm patch": ("arm", "update", ()),
    "run, encrypted": ("raw-encrypted", "update", ()),
    "run, all decoders": ("patch-encrypted", "update", ()),
    "fleet": ("fleet", "fleet", ()),
    "fleet, manifest first": ("two files", "fleet", ()),
    "fleet, after a reset": ("resume", "resume", _CLIENT),
    "fleet, broken links": ("broken links", "broken", ()),
    "fleet, address in the client store": ("address in the store", "stored_url", _CLIENT),
    "patch client": ("patch client", "patched", ()),
    "asyncio": ("asyncio", "arun", ()),
    "loop": ("loop", "loop", ()),
    "loop, asyncio": ("asyncio loop", "aloop", ()),
    "HTTP, chunked": ("HTTP chunked", "http", ()),
    "HTTP, redirect": ("HTTP moved", "http", ()),
    "HTTP, kept connections": ("HTTP kept", "http", ()),
    "HTTP, come back later": ("HTTP busy", "http", ()),
    "card": ("file", "card", ()),
    "card, refused": ("file refused", "card", ()),
    "group, card": ("group, file", "card", ()),
    "group, HTTP": ("group, HTTP", "card", ()),
    "hawkBit": ("hawkBit", "hawkbit", ()),
    "hawkBit, consent": ("hawkBit asks", "hawkbit", ()),
    "hawkBit, cancel": ("hawkBit cancels", "hawkbit", ()),
    "hawkBit, after the way back": ("hawkBit, back", "hawkbit", ("told",)),
    "Alibaba, blocks over MQTT": ("Alibaba, MQTT", "alibaba", ()),
    "Alibaba, HTTP": ("Alibaba, HTTP", "alibaba", ()),
    "Alibaba, login": ("Alibaba login", "login", ()),
}


def figures(steps_of):
    """{unix scene: bytes}. steps_of: {name of a story: its Steps}"""
    found = {}
    for name, (story, scene, steps) in NAMES.items():
        deep = [
            each.stack
            for each in steps_of.get(story, ())
            if each.scene == scene and (each.step in steps if steps else each.step != "start")
        ]
        if deep:
            found[name] = max(deep)
    return found
