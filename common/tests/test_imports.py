"""The arrows of DESIGN: which room may import which, and that a name is taken from where it is defined."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

import common

ROOT = Path(common.__file__).parent
# Each line may import those above it, and itself where it is one room.
LEVELS = (
    (
        "errors",
        "alone",
        "output",
        "screen",
        "cli",
        "files",
        "resume",
        "process",
        "kernel",
        "threads",
        "timing",
        "facts",
        "pickles",
        "rehearsal",
    ),  # the ground
    ("images", "graph", "report"),
    ("npu_files", "gallery"),
    ("npu_tools",),
    ("backends",),
    ("engine",),
    ("cluster",),
    ("compare",),
    ("export",),
    ("options",),
    ("evaluation", "prediction", "embedding"),
    ("retrieval",),
    ("atc", "infer", "throughput"),  # commands, which nobody imports
)
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
GROUND, COMMANDS = LEVELS[0], LEVELS[-1]


def parse(root):
    """Return the modules under a folder by their names without `common`, parsed."""
    return {
        ".".join(path.relative_to(root).with_suffix("").parts)
        .removesuffix("__init__")
        .rstrip("."): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(root.rglob("*.py"))
    }


def imports(modules, name):
    """Yield what a module imports of the library anywhere in it: the module, and the name taken from it, if any."""
    for node in ast.walk(modules[name]):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "common":
                    yield alias.name.partition(".")[2], None
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield "." * node.level, None
            elif (node.module or "").partition(".")[0] == "common":
                source = node.module.partition(".")[2]
                for alias in node.names:
                    inner = f"{source}.{alias.name}".lstrip(".")
                    yield (inner, None) if inner in modules else (source, alias.name)


def defined(tree):
    """Return the names that a module itself defines, not those it imports."""
    names, left = set(), list(tree.body)
    while left:
        node = left.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        else:
            left.extend(ast.iter_child_nodes(node))
    return names


def problems(modules):
    """Return every import that goes against an arrow, circles, and packages that hold more than a docstring."""
    found = []
    for name, tree in modules.items():
        if not name or any(other.startswith(f"{name}.") for other in modules):
            if [type(node) for node in tree.body] != [ast.Expr] or not ast.get_docstring(tree):
                found.append(f"{name or 'common'}/__init__.py holds more than a docstring")
        elif name.partition(".")[0] not in LEVEL:
            found.append(f"{name} is in no room")
        else:
            pairs = sorted(set(imports(modules, name)), key=str)
            found += filter(None, (problem(modules, name, target, taken) for target, taken in pairs))
            if "__all__" in defined(tree):
                found.append(f"{name} hands names on")
    graph = {name: {target for target, _ in imports(modules, name)} for name in modules}
    try:
        tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        found.append(f"circle: {' '.join(error.args[1])}")
    return found


def problem(modules, name, target, taken):
    """Say what is wrong with one import, if anything is."""
    room, other = name.partition(".")[0], target.partition(".")[0]
    if target not in modules or other not in LEVEL:
        return f"{name} imports {target or 'common'}, which is no module"
    if other in COMMANDS:
        return f"{name} imports the command {target}"
    beside = LEVEL[other] == LEVEL[room] and other != room and room not in GROUND
    if beside or LEVEL[other] > LEVEL[room]:
        return f"{name} imports {target}, which is not below it"
    if taken and taken not in defined(modules[target]):
        return f"{name} takes {taken} from {target}, which does not define it"
    return None


def test_every_import_follows_the_arrows():
    modules = parse(ROOT)
    assert {name.partition(".")[0] for name in modules} - {""} == set(LEVEL)
    assert problems(modules) == []


def test_nothing_above_the_library_is_imported():
    asks = ROOT / "report" / "page.py"  # it starts the program that makes the page, and imports nothing of it
    for path in set(ROOT.rglob("*.py")) - {asks}:
        assert "ascend_tools" not in path.read_text(encoding="utf-8"), path


PACKAGE = '"""Rooms."""\n'
OUTLINE, STREAM = "graph/outline.py", "engine/stream.py"
MISTAKES = {
    "to a higher room": ({OUTLINE: "from common.engine.stream import run"}, "graph.outline imports engine.stream, which is not below"),
    "in a function": ({OUTLINE: "def load():\n    import common.engine.stream"}, "graph.outline imports engine.stream, which is not"),
    "for types only": ({OUTLINE: "if TYPE_CHECKING:\n    from common.engine import stream"}, "graph.outline imports engine.stream"),
    "to a room beside": ({"images/read.py": "from common.graph.outline import load"}, "images.read imports graph.outline, which is not"),
    "from the ground": ({"cli.py": "from common.graph.outline import load"}, "cli imports graph.outline, which is not below it"),
    "to a command": ({"infer.py": "from common.atc import main", "atc.py": ""}, "infer imports the command atc"),
    "of a name from elsewhere": (
        {STREAM: "from common.graph.outline import Path", OUTLINE: "from pathlib import Path"},
        "engine.stream takes Path from graph.outline, which does not define it",
    ),
    "relative": ({STREAM: "from . import task"}, "engine.stream imports ., which is no module"),
    "of what is not there": ({STREAM: "from common.engine.lost import run"}, "engine.stream imports engine.lost, which is no module"),
    "a package with code": ({"engine/__init__.py": f"{PACKAGE}import sys"}, "engine/__init__.py holds more than a docstring"),
    "a package without words": ({"graph/__init__.py": ""}, "graph/__init__.py holds more than a docstring"),
    "a list of names": ({STREAM: "__all__ = ['run']"}, "engine.stream hands names on"),
    "another room": ({"misc.py": ""}, "misc is in no room"),
    "a circle in a room": ({OUTLINE: "from common.graph import aipp", "graph/aipp.py": "from common.graph import outline"}, "circle: "),
    "a circle on the ground": ({"cli.py": "from common import files", "files.py": "from common import cli"}, "circle: "),
}  # fmt: skip


def write(root, files):
    sound = {
        "__init__.py": PACKAGE,
        **{f"{room}/__init__.py": PACKAGE for room in ("graph", "engine", "images")},
        "cli.py": "from common.errors import GuideError",
        "errors.py": "class GuideError(Exception): ...",
        "graph/outline.py": "from common import cli\nfrom common.errors import GuideError\ndef load(): ...",
        "engine/stream.py": "from common.graph.outline import load\nimport common.graph.outline\nrun = load",
        "engine/task.py": "from common.engine.stream import run",
        "images/read.py": "import numpy",
        "infer.py": "from common.engine import stream",
    }
    for name, text in {**sound, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_what_follows_the_arrows_is_found_right(tmp_path):
    write(tmp_path, {})
    assert problems(parse(tmp_path)) == []


@pytest.mark.parametrize("kind", MISTAKES)
def test_the_check_finds_each_kind_of_mistake(tmp_path, kind):
    files, message = MISTAKES[kind]
    write(tmp_path, files)
    found = problems(parse(tmp_path))
    assert any(problem.startswith(message) for problem in found), found
