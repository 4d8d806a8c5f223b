"""Imports between packages ("rooms") go one way, as the block in `ARCHITECTURE.md` says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import reage

PACKAGE = Path(reage.__file__).parent
DRAWING = (Path(__file__).parent.parent / "ARCHITECTURE.md").read_text()


def drawn() -> dict[str, set[str]]:
    """For each room, the rooms that it may import, from the block of lines ``room -> rooms`` in the document.

    The first line names the base modules, which every room may import and which imports only itself.
    """
    block = re.search(r"```imports\n(.*?)```", DRAWING, re.DOTALL)
    assert block, "ARCHITECTURE.md has no block of imports"
    rooms = {}
    for line in block[1].strip().splitlines():
        name, _, below = line.partition("->")
        rooms[name.strip()] = set(below.split())
    return rooms


def room_of(module: str) -> str:
    """``reage.photo.files`` lies in the room ``photo``, ``reage.batch`` is one of its own."""
    name = module.split(".")[1] if "." in module else "reage"
    return "base" if name in drawn()["base"] else name


def imports(path: Path) -> Iterator[str]:
    """Modules of reage that a file imports anywhere, but for those that only its types need."""
    tree = ast.parse(path.read_text())
    typing = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    ]
    skipped = {id(inner) for node in typing for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "reage")
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "reage":
            for alias in node.names:
                inner = PACKAGE.joinpath(*node.module.split(".")[1:], alias.name)
                is_module = inner.is_dir() or inner.with_suffix(".py").is_file()
                yield f"{node.module}.{alias.name}" if is_module else node.module


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of_file(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "reage" if parts == ("__init__",) else room_of(".".join(("reage", *parts)))


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_lies_below_it(path: Path) -> None:
    rooms, here = drawn(), room_of_file(path)
    if here == "reage" or path.stem == "__main__":  # doors: the public names, and the command line
        return
    allowed = {"base", here, *(rooms[here] if here != "base" else ())}
    upwards = {module for module in imports(path) if room_of(module) not in allowed}
    assert not upwards, f"{here} may not import {upwards}"


def test_the_drawing_has_no_arrow_that_nobody_uses() -> None:
    used: dict[str, set[str]] = {}
    for path in (path for path in files() if path.stem != "__main__"):
        used.setdefault(room_of_file(path), set()).update(map(room_of, imports(path)))
    for room, below in drawn().items():
        if room != "base":
            assert below <= used[room], f"{room} does not import {below - used[room]}"


def test_the_drawing_has_no_circle() -> None:
    rooms = {room: below for room, below in drawn().items() if room != "base"}
    while rooms:
        free = [room for room, below in rooms.items() if not below & set(rooms)]
        assert free, f"a circle among {sorted(rooms)}"
        for room in free:
            del rooms[room]
