"""`fwtool stage`: an updatable boot stage, as an image for a slot of boot stages.

In it are the board's `stage` module and what that imports of fwboot, fwcore and ufota,
compiled. The header goes in front when the image is put into a slot: by the update client,
or here by `fwtool header create --kind stage`.
"""

import ast
from hashlib import sha256
from pathlib import Path

import rich_click as click

from fwcore import errors, regions
from fwcore.layout import FORMATS
from fwtool import files, paths
from fwtool.exits import Failure
from fwtool.images import image, layouts
from fwtool.signing import statements

ENTRY = "stage"  # module whose enter() the selector calls
# Imported by the board, when the layout asks for signed images: the search below cannot find it.
ALSO = ("fwcore.p256",)
# Asked for where a board has `systems`, which the board a stage confirms itself to has not.
NEVER = ("ufota.firmware.targets",)
COMPONENT = "BOOT"  # where no layout says
DEFAULT_FORM, DEFAULT_BLOCK = "lfs2", 4096


def collect(board):
    """Sources of a stage -> {"stage.py": bytes, "fwboot/main.py": bytes}, sorted by name.

    board:   folder of the board
    raises:  Failure when there is no such module, or it is no Python
    """
    found = {}
    waiting = [ENTRY, *ALSO]
    while waiting:
        module = waiting.pop()
        path = _source(board, module)
        if path is None or module in NEVER:
            continue
        name = path.name if module == ENTRY else path.relative_to(_place(module)).as_posix()
        if name not in found:
            found[name] = files.read(str(path))
            waiting += _imports(str(path), found[name])
    if f"{ENTRY}.py" not in found:
        raise Failure(f"{board} has no {ENTRY}.py")
    return dict(sorted(found.items()))


def _place(module):
    """The folder a package of ours is in; None for what is not ours."""
    folders = {"fwboot": paths.bootloader(), "fwcore": paths.device(), "ufota": paths.device()}
    return folders.get(module.split(".")[0])


def _source(board, module):
    """Path of a module's file; None for a built-in one, and for a name inside a module."""
    place = Path(board) if module == ENTRY else _place(module)
    if place is None:
        return None
    path = place.joinpath(*module.split("."))
    for each in (path.with_suffix(".py"), path / "__init__.py"):
        if each.is_file():
            return each
    return None


def _imports(path, source):
    """Names that may be modules: those imported, the packages they are in, their members."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise Failure(f"{path} is no Python: {error}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0]
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split(".")[0]
                yield alias.name


def of_layout(layout):
    """The stages of a layout as a layout of their own. Raises Failure when there are none."""
    if "stages" not in layout:
        raise Failure("the layout has no stages")
    return {**layout["stages"], "devices": layout["devices"]}


def check_fits(layout, name, data):
    """Refuse a stage that either slot of the layout is too small for. Raises Failure."""
    stages = of_layout(layout)
    found = [regions.fixed_slot(stages, stages["active"], _device(stages, "active"))]
    found += regions.slots(stages, _device(stages, "candidates"))
    for place in found:
        if not place.fits(len(data)):
            room = place.end - place.body_at
            text = f"{name} of {len(data)} bytes does not fit a stage slot of {room}"
            raise Failure(f"error {errors.TOO_BIG}: {text}")


def _device(stages, region):
    """Stands for the device of a region, in the slot arithmetic."""
    return layouts._blank(stages, stages[region]["device"])


@click.command()
@click.option("-o", "--output", required=True, metavar="FILE", help="Image file; - for stdout.")
@click.option(
    "--board",
    metavar="FOLDER",
    help=f"Folder of the board, with its {ENTRY}.py; default: the virtual board.",
)
@click.option("--layout", metavar="FILE", help="Format and block of its stages; refuse too much.")
@click.option("--format", "form", type=click.Choice(FORMATS), help=f"Default: {DEFAULT_FORM}.")
@click.option("--block", type=files.SIZE, help=f"Block of its device; default: {DEFAULT_BLOCK}.")
@statements.file_options(f"default: that of --layout, or {COMPONENT}.")
@files.json_option
def stage(output, board, layout, form, block, signing, as_json):
    """Make an image of an updatable boot stage, deterministically.

    Sign an update by `fwtool bundle --component BOOT`, what goes into a new device by
    --sign-key, --version, a vendor and a class, into OUTPUT.sig.
    """
    if signing:
        signing.check(output)
    loaded = None
    component = COMPONENT
    if layout is not None:
        if form is not None or block is not None:
            raise click.UsageError("--layout already says what --format and --block would")
        loaded = layouts.load(layout)
        chain = of_layout(loaded)
        active, component = chain["active"], statements.component_of(chain)
        form, block = active["format"], loaded["devices"][active["device"]]["erase"]
    block = DEFAULT_BLOCK if block is None else block
    if not 1 <= block <= files.MAX_IMAGE:
        raise Failure(f"block must be 1..{files.MAX_IMAGE}")
    tree = collect(board or paths.board())
    data = image.build(image.compile_all(tree), form or DEFAULT_FORM, block)
    if loaded is not None:
        check_fits(loaded, output, data)
    if not signing:
        statements.check_left_over(output, data)
    files.write(output, data, (layout,))
    about = {
        "stage": output,
        "format": form or DEFAULT_FORM,
        "files": len(tree),
        "size": len(data),
        "digest": sha256(data).hexdigest(),
    }
    if signing:
        about["signature"] = signing.write(output, data, component, (layout,))
    if output != files.STDIO:
        files.show(about, as_json)
