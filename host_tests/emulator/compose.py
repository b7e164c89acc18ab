"""What is in the flash of an emulated board before its first start, made on the host.

Images, header and identity come from fwtool's and the device's own functions, as a factory
makes them; what servers have lies behind the chip, where net.py of the application reads it.
"""

import json
import random
import secrets
import struct
import uuid
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from boards_kit import World
from fwcore import formats
from fwcore.manifest import version_word
from fwtool import paths
from fwtool.demos import demo_mqtt_client
from fwtool.device import provision
from fwtool.images import combine, filesystems, headers, image, layouts, stage
from fwtool.payloads import arm_delta, packing, payloads
from fwtool.signing import class_key, keys, manifests, statements

HERE = Path(__file__).parent
NAME = "RPI_PICO_W"
LAYOUT = layouts.load(str(HERE.parents[1] / "boards" / NAME / "layout.py"))
AREA = 0x12C000  # where rp2.Flash begins in the flash
WEB = 4 << 20
IMAGE_SIZE = 102400  # bytes
_FILLER_SIZE = 24000
_IMAGES_SIZE = 32000
# Images of scenes_stage.py and scenes_select.py: component, version, bytes of /image
_SIGNED = (
    *(
        ("MAIN", version, slice(version * 1000, version * 1000 + size))
        for version, size in ((1, 24000), (2, 16000), (3, 20000))
    ),
    ("RECOVERY", 7, slice(7000, 15000)),
)
_SYSTEM_SIZE = 20000
_CHANGED = 1000  # bytes from one change to the next
_BLOCK = LAYOUT["devices"]["flash"]["erase"]
VENDOR = uuid.uuid5(uuid.NAMESPACE_DNS, "vendor.example")
CLASS = uuid.uuid5(VENDOR, "demo-board")
KEY, OTHER_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
SIGN = statements.signer(KEY, VENDOR, CLASS)
CLASS_KEY = secrets.token_bytes(16)


def release(version, is_broken=False):
    """An application image: bytes. is_broken: it raises at its start."""
    tree = image.collect(str(HERE / "app"))
    tree["release.py"] = f"VERSION = {version!r}\nIS_BROKEN = {is_broken}\n".encode()
    for name in ("fake_broker.py", "fake_hawkbit.py"):
        tree[name] = (HERE.parent / "simulators" / name).read_bytes()
    mqtt = demo_mqtt_client.fetch(HERE.parents[1] / "build" / "umqtt")
    tree["umqtt/simple.py"] = (mqtt / "umqtt" / "simple.py").read_bytes()
    tree["filler.bin"] = _filler(version)
    data = image.build(image.compile_all(tree), "lfs2", _BLOCK, IMAGE_SIZE)
    image.check(LAYOUT, version, data)
    return data


def _filler(version):
    """Bytes that no packer makes smaller, some of which are others in each release."""
    data = bytearray(arm_delta.MAGIC)  # without it Arm's tool makes no patch
    data += random.Random(0).randbytes(_FILLER_SIZE)
    for at in range(_CHANGED, len(data), _CHANGED):
        data[at : at + 8] = version.encode().ljust(8)
    return bytes(data)


def bundle(version, data, old, kind, key=KEY):
    """Signed manifest and payload, as a server has them.

    data:   the image;  old: the one before;  key: that signs
    kind:   of payloads.KINDS, and "-encrypted" behind it when only our class may read it
    """
    name, _, is_encrypted = kind.partition("-")
    made = payloads.make(name, old, data)
    packed = packing.Packed(*made, sha256(old).digest() if made.is_patch else b"")
    if is_encrypted:
        number = packed.format | formats.ENCRYPTED
        packed = packed._replace(format=number, data=class_key.encrypt(packed.data, CLASS_KEY))
    return manifests.create(key, data, VENDOR, CLASS, version, packed=packed) + packed.data


def two_files(version, data):
    """{path: bytes} of a manifest, and of the payload that it names."""
    made = manifests.create(KEY, data, VENDOR, CLASS, version, uri="payload.bin")
    return {"/app.man": made, "/payload.bin": data}


def fixed_pages():
    """{path: bytes} of what scenes want that is no new release: images for the boot stage and
    their signatures, a boot stage, the firmware of another chip.
    """
    data = random.Random(1).randbytes(_IMAGES_SIZE)
    tree = image.compile_all(stage.collect(paths.board()))
    chosen = image.build(tree, "lfs2", _BLOCK)
    found = {
        f"/{component}-{version}.sig": SIGN(component, version, data[place])
        for component, version, place in _SIGNED
    }
    for version in 1, 2:
        found[f"/BOOT-{version}.sig"] = SIGN("BOOT", version, chosen)
    system = data[:_SYSTEM_SIZE]
    head = manifests.create(KEY, system, VENDOR, CLASS, "2.0.0", component="SYSTEM")
    return {**found, "/image": data, "/stage": chosen, "/system.fw": head + system}


def identity():
    """What `fwtool provision` makes of options: a dict of hex texts."""
    point = keys.point(KEY.public_key())
    return provision.make(point, VENDOR, CLASS, class_key=CLASS_KEY)


def area(version, data):
    """The part of the flash that the board's layout divides, as a factory leaves it.

    data:     application image, the active one
    returns:  (without an identity, with one): bytearrays
    """
    world = World(NAME)
    disk = world.disks["flash"]
    head = headers.installed(LAYOUT, version_word(version), data, SIGN)
    disk.load(*combine.join(LAYOUT, "flash", combine.parts(LAYOUT, data, head)))
    new = bytearray(disk.data)
    with world.ports():
        store = world.start().store()
        for name, value in identity().items():
            store.put(name.encode(), bytes.fromhex(value))
    return new, bytearray(disk.data)


def put_user(area, files):
    """Put /user into an area. files: {name: bytes}"""
    user = LAYOUT["regions"]["user"]
    data = filesystems.build(files, "lfs2", _BLOCK, user["size"])
    area[user["start"] : user["start"] + len(data)] = data


def web(pages):
    """Bytes at WEB. pages: {path: bytes}"""
    at = _BLOCK
    table, bodies = {}, b""
    for path, body in pages.items():
        table[path] = at + len(bodies), len(body)
        bodies += body
    text = json.dumps(table).encode()
    return (struct.pack("<I", len(text)) + text).ljust(_BLOCK, b"\xff") + bodies
