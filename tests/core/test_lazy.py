"""The public names of every room resolve, and the three lists of them agree."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "core"
ROOMS = sorted(
    ".".join(path.relative_to(CORE.parent).parent.parts)
    for path in CORE.rglob("__init__.py")
    if "lazy_face(" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_resolves(room: str) -> None:
    package = importlib.import_module(room)
    for name in package.__all__:
        assert getattr(package, name) is not None


@pytest.mark.parametrize("room", ROOMS)
def test_the_types_and_the_table_name_the_same(room: str) -> None:
    """A room lists its names for type checkers (`if TYPE_CHECKING`), for `lazy_face` (`else`), and in `__all__`."""
    package = importlib.import_module(room)
    assert package.__file__ is not None
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    (switch,) = [node for node in tree.body if isinstance(node, ast.If)]
    for_checkers = {
        (node.module, alias.name) for node in switch.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    lazy_face_call = switch.orelse[0].value  # type: ignore[attr-defined]
    table = ast.literal_eval(lazy_face_call.args[1])
    lazy = {(module, name) for module, names in table.items() for name in names}
    # A room may also import light names at once, outside the switch.
    eager = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    public = set(package.__all__)
    assert for_checkers == lazy
    assert {name for _, name in lazy} | (eager & public) == public


@pytest.mark.parametrize("room", ROOMS)
def test_importing_a_room_imports_nothing_heavy(room: str) -> None:
    code = f"import sys, {room}; print(*[m for m in ('numpy', 'torch', 'PIL', 'hydra') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CORE.parent)
    assert done.stdout.split() == []
