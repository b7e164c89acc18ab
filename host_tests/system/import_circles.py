"""Circles of files that import each other. Lazy imports count, and imports by a string.

    python host_tests/system/import_circles.py      a circle of this repository, or "no circle"

A name that is only known at run time counts as every module of its package.
"""

import ast
import functools
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOTS = ("device", "bootloader", "tools")  # their packages are imported by their dotted names
# Of fwcore.modules: load(package, names), built_in(name); and what they are made of.
BY_NAME = ("__import__", "import_module", "built_in")


def repository():
    """{file: text} of all Python files of this repository."""
    found = {}
    for folder in (*ROOTS, "boards", "host_tests"):
        for path in (ROOT / folder).rglob("*.py"):
            if not {"manifests", "node_modules"} & set(path.parts):
                found[path.relative_to(ROOT).as_posix()] = path.read_text()
    return found


def circle(files):
    """Files of which each imports the next, and the last the first; [] when there are none.

    files:   {name: text}
    """
    graph = Graph(files)
    try:
        TopologicalSorter({file: graph.edges(file) for file in files}).prepare()
    except CycleError as error:
        return error.args[1][:0:-1]  # graphlib names the first twice, and what is imported first
    return []


@functools.cache
def parsed(text):
    """The tree of a file: many tests look at all of them."""
    return ast.parse(text)


class Graph:
    """Which file imports which."""

    def __init__(self, files):
        self._trees = {file: parsed(text) for file, text in files.items()}
        self._modules = {_module(file): file for file in files if file.split("/")[0] in ROOTS}
        self._loose = {}  # files that are imported by their bare names
        for file in files:
            if file.split("/")[0] not in ROOTS:
                self._loose.setdefault(Path(file).stem, []).append(file)
        self._constants = {}
        for tree in self._trees.values():
            self._constants.update(_strings(tree))

    def edges(self, file):
        """Files that this one imports."""
        found = set()
        tree = self._trees[file]
        strings = False
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found |= self._named(alias.name, file)
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    name = f"{node.module}.{alias.name}"
                    found |= self._named(name, file) or self._named(node.module, file)
            elif isinstance(node, ast.Call):
                strings |= _last_name(node.func) == "import_module"
                found |= self._called(node, file)
        if strings:  # a table of names, of which one is imported
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found |= self._named(node.value.partition(":")[0], file)
        return found - {file}

    def _called(self, node, file):
        """Files that a call imports by a string."""
        name = _last_name(node.func)
        if name in BY_NAME and node.args:
            return set().union(*(self._named(each, file) for each in self._words(node.args[0])))
        if name == "load" and len(node.args) == 2:
            packages, words = (self._words(arg) for arg in node.args)
            names = {f"{package}.{word}" for package in packages for word in words}
            if packages and not words:  # known at run time only
                names = {
                    each
                    for each in self._modules
                    for package in packages
                    if each.startswith(package + ".")
                }
            return set().union(*(self._named(each, file) for each in names))
        return set()

    def _words(self, node):
        """What a string may be, split at blanks: constants of the repository are looked up."""
        found = set()
        for each in ast.walk(node):
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                found |= set(each.value.split())
            elif isinstance(each, ast.Name | ast.Attribute):
                found |= set(self._constants.get(ast.unparse(each).rpartition(".")[2], "").split())
        return found

    def _named(self, name, file):
        """The file of a module, in a set; empty for what is not ours."""
        if name in self._modules:
            return {self._modules[name]}
        beside = Path(file).parent
        places = self._loose.get(name.partition(".")[0], [])
        near = [each for each in places if Path(each).parent == beside]
        shared = [each for each in places if each.startswith(("host_tests/", "boards/common/"))]
        return set(near or shared[:1])


def _last_name(function):
    """ "run" of `run` and of `a.b.run`; None of what has no name."""
    return getattr(function, "attr", getattr(function, "id", None))


def _module(file):
    """ "device/fwcore/slot.py" -> "fwcore.slot" """
    return file.partition("/")[2].removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _strings(tree):
    """{name: text} of the string constants at module level, sums of them included."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            text = _text(node.value, found)
            if text is not None:
                found[node.targets[0].id] = text
    return found


def _text(node, known):
    """The string that an expression is; None when it is another thing."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = _text(node.left, known), _text(node.right, known)
        return None if None in parts else "".join(parts)
    return None


if __name__ == "__main__":
    print(" imports ".join(circle(repository())) or "no circle")
