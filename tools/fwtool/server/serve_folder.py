"""What a served folder holds: which files are public, what they bring, which is the newest.

Signatures are not checked here: the device decides whose images it takes.
"""

import functools
import mmap
import os
import uuid
from hashlib import file_digest
from typing import NamedTuple
from urllib.parse import unquote

from fwcore import manifest
from fwcore.errors import FwError
from fwcore.formats import RAW
from fwtool.signing import manifests, secret_scan

_PRIVATE = (".pem", ".key")


class Entry(NamedTuple):
    """A public file.

    path:   relative to the folder, links not resolved, with "/"
    size:   bytes
    found:  Manifest, None for a file that does not begin with one
    """

    path: str
    size: int
    found: manifest.Manifest | None

    @property
    def is_offered(self):
        """True for what any device of the class takes: whole, and no patch."""
        return self.is_whole and not self.found.precursor

    @property
    def is_whole(self):
        """True for a manifest or a bundle, complete; a half copied one is not."""
        found = self.found
        if found is None or not found.size:
            return False
        return self.size in (found.end, found.end + found.size)

    def is_for(self, image):
        """True for a patch for devices that run this one. image: serve_results.Image, or None"""
        return image is not None and self.is_whole and image.is_of(self.found.precursor)


def is_public(path, mode):
    """False for what must not be served: keys, hidden files, files that only their owner may read.

    By name and mode; secret() looks into the file.

    path:  relative to the folder served, links resolved
    mode:  st_mode of the file
    """
    hidden = any(part.startswith(".") for part in path.split(os.sep))
    return not hidden and not path.lower().endswith(_PRIVATE) and bool(mode & 0o077)


def entries(folder):
    """The public files of a folder and the folders in it, by path: list of Entry."""
    root = os.path.realpath(folder)
    found = []
    for path, about in _named_public(root):
        full = os.path.join(root, path)
        if not secret(full, about):
            brought = read_manifest(full, about)
            found.append(Entry(path.replace(os.sep, "/"), about.st_size, brought))
    return sorted(found)


def kept_back(folder):
    """[(path, what secret is in it)] of the files that would be public without it."""
    root = os.path.realpath(folder)
    found = [
        (path, secret(os.path.join(root, path), about)) for path, about in _named_public(root)
    ]
    return sorted(row for row in found if row[1])


def _named_public(root):
    """(path relative to the folder, os.stat) of what name and mode make public."""
    for place, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]  # .git is large
        for name in names:
            path = os.path.relpath(os.path.join(place, name), root)
            about = _public_stat(root, path)
            if about:
                yield path, about


def _public_stat(root, path):
    """os.stat of a file that is_public() says yes to, else None."""
    full = os.path.realpath(os.path.join(root, path))
    try:
        about = os.stat(full)
    except OSError:
        return None
    inside = os.path.relpath(full, root)  # "../x" for what a link has outside: hidden
    return about if os.path.isfile(full) and is_public(inside, about.st_mode) else None


def newest_first(folder, class_id, component, vendor_id=None, image=None):
    """What is offered to a device of a class, the best first: list of Entry.

    Newest version first; of one version a patch for the image it runs, then what is for all; of
    these a bundle before a manifest, and the smallest. A device that does not say what it runs
    may know no format but the image itself, which comes first for it.

    class_id, vendor_id:  uuid.UUID; None: any vendor
    image:                serve_results.Image, what the device runs; None: it does not say
    """

    def order(entry):
        found = entry.found
        unpacked = image is None and found.format == RAW
        alone = entry.size == found.end
        return -found.version, not entry.is_for(image), not unpacked, alone, found.size

    fitting = []
    for entry in entries(folder):
        found = entry.found
        if not (entry.is_offered or entry.is_for(image)) or found.class_id != class_id.bytes:
            continue
        if found.component == component and vendor_id in (None, uuid.UUID(bytes=found.vendor_id)):
            fitting.append(entry)
    return sorted(fitting, key=order)


def payload_path(folder, class_id, name):
    """Path of the payload that a manifest of this class calls `name`, beside it; None: no such.

    A manifest served at the address of its class names its payload relative to there.
    """
    for entry in entries(folder):
        if entry.found and entry.found.class_id == class_id.bytes:
            if name == unquote(entry.found.uri):
                return os.path.normpath(os.path.join(os.path.dirname(entry.path), name))
    return None


def secret(path, about):
    """What secret is in a file that must not be served for it; None: none. about: its os.stat."""
    return _secret(path, *_state(about))


def read_manifest(path, about):
    """Manifest at the start of a file, None when there is none. about: its os.stat."""
    return _manifest(path, *_state(about))


def digest(path, about):
    """SHA-256 of a file, hexadecimal. about: its os.stat."""
    return _digest(path, *_state(about))


def _state(about):
    """A key that changes with the file, so that answers can be cached."""
    return about.st_mtime_ns, about.st_size, about.st_ino


@functools.lru_cache(maxsize=4096)
def _secret(path, *_):
    try:
        with open(path, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return None  # nothing to map
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                found = secret_scan.find(data)
    except OSError:
        return "what cannot be read"
    return found and found[0]


@functools.lru_cache(maxsize=4096)
def _manifest(path, *_):
    try:
        with open(path, "rb") as file:
            return manifests.read(file.read(manifest.MAX_SIZE), takes=None)
    except (FwError, OSError):
        return None


@functools.lru_cache(maxsize=4096)
def _digest(path, *_):
    with open(path, "rb") as file:
        return file_digest(file, "sha256").hexdigest()
