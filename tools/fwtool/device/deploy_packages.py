"""What is installed on a board: packages of the repository, and the modules of a board.

    python -m fwtool.device.deploy_packages     writes the files that `mpremote mip install` reads

Each lists all it needs, fwcore included: mip has no names for parts of one repository.
Targets are below /lib. Sources are relative and below the file that names them, because a
server of raw files need not understand "..".
"""

import json
import os
import tomllib
from importlib import metadata
from pathlib import Path

from fwtool import paths
from fwtool.exits import Failure

# file -> packages it installs; fwcore whole, so that any two fit together
PACKAGES = {
    "package.json": ("fwcore", "ufota"),
    "boot.json": ("fwcore", "fwboot"),
    "device/bdev/package.json": ("bdev",),
}
INSTALLED = ("fwcore", "bdev", "fwboot", "ufota")  # by deploy, in this order
_LEFT_OUT = ("_boot.py", "boot.py")  # of a firmware only


def folder_of(package):
    """Where the sources of a package are."""
    return (paths.bootloader() if package == "fwboot" else paths.device()) / package


def sources(package):
    """Files of a package: list of (name below /lib, Path), sorted; empty when it is not there."""
    folder = folder_of(package)
    return [
        (path.relative_to(folder.parent).as_posix(), path) for path in sorted(folder.rglob("*.py"))
    ]


def is_native(name):
    """True for a module of machine code: mpy-cross would need an option for the machine."""
    return name.endswith("_native.py")


def version():
    """The one version, of pyproject.toml."""
    project = paths.device().parent / "pyproject.toml"
    if project.is_file():
        return tomllib.loads(project.read_text())["project"]["version"]
    return metadata.version("ufota")


def package_json(name):
    """Text of one of the PACKAGES."""
    root = paths.device().parent
    urls = [
        [target, path.relative_to((root / name).parent).as_posix()]
        for package in PACKAGES[name]
        for target, path in sources(package)
    ]
    rows = ",\n".join("    " + json.dumps(url) for url in urls)
    text = json.dumps({"urls": [], "deps": [], "version": version()}, indent=2)
    return text.replace('"urls": []', f'"urls": [\n{rows}\n  ]') + "\n"


def exist():
    """Names of the PACKAGES whose sources are there."""
    return [name for name, parts in PACKAGES.items() if all(sources(part) for part in parts)]


def board_modules(name):
    """Modules of the board boards/NAME, as its manifest_boot.py lists them.

    name:     of a folder below boards/, or a path
    returns:  dict module file -> Path; main.py among them is what starts the boot stage
    raises:   Failure
    """
    folder = Path(name) if os.sep in name else paths.boards() / name
    if not (folder / "layout.py").is_file():
        raise Failure(f"no board {name}: there are {', '.join(paths.layouts())}")
    found = {}
    _read_manifest(folder / "manifest_boot.py", found)
    if (folder / "main.py").is_file():
        found["main.py"] = folder / "main.py"
    if "main.py" not in found:
        raise Failure(f"board {name} has no main.py to start the boot stage")
    return {name: path for name, path in found.items() if name not in _LEFT_OUT}


def _read_manifest(path, found):
    """Collect the module() lines of a manifest and of what it includes.

    A manifest is a program, and is run, as each build of MicroPython does.
    """

    def include(other, **_):
        if "$(" not in other:
            _read_manifest(path.parent / other, found)

    def module(file, base_path=".", **_):
        found[file] = path.parent / base_path / file

    def other(*_, **__):
        pass

    names = ("add_library", "freeze", "freeze_as_mpy", "metadata", "package", "require")
    try:
        code = compile(path.read_text(), str(path), "exec")
        exec(code, {"include": include, "module": module, **dict.fromkeys(names, other)})
    except (OSError, SyntaxError, NameError, TypeError) as error:
        raise Failure(f"{path} is no manifest: {error}") from None


def write():
    """Write the PACKAGES of a checkout."""
    for name in exist():
        (paths.device().parent / name).write_text(package_json(name))


if __name__ == "__main__":
    write()
