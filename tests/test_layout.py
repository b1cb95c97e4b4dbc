"""The tests mirror the source: every module has its test file, or a test file of its room names it.

A test file names further modules that it tests in its docstring:

    Covers: core/data/rows.py, core/data/splitting.py

The room of `core/data/rows.py` is `core/data`, so that line stands in a file below `tests/core/data`. Modules that lie
directly in `core` or `benchmarks` have that folder as their room.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("core", "plugins", "benchmarks")
NOT_MODULES = ("__init__.py", "__main__.py")


def modules(root: Path) -> set[str]:
    """Return the path of every module that needs a test, relative to `root`."""
    return {
        path.relative_to(root).as_posix()
        for package in PACKAGES
        for path in (root / package).rglob("*.py")
        if path.name not in NOT_MODULES
    }


def covered_by(text: str) -> list[str]:
    """Return the paths after `Covers:` in the module docstring of a test file; they may take several lines."""
    docstring = ast.get_docstring(ast.parse(text)) or ""
    found: list[str] = []
    for paragraph in docstring.split("\n\n"):
        head, colon, names = paragraph.partition("Covers:")
        if colon and not head.strip():
            found += [name.strip() for name in names.replace("\n", " ").split(",")]
    return found


def claims(root: Path) -> dict[str, list[str]]:
    """Return what each test file below the mirrored folders covers by its docstring."""
    return {
        path.relative_to(root).as_posix(): covered_by(path.read_text(encoding="utf-8"))
        for package in PACKAGES
        for path in sorted((root / "tests" / package).rglob("test_*.py"))
    }


def room(module: str) -> str:
    """Return the folder of tests that mirrors the room of a module."""
    folders = PurePosixPath(module).parent.parts[:2]
    return "/".join(("tests", *folders)) + "/"


def problems(root: Path) -> Iterator[str]:
    """Yield a sentence for each module without a test and each test file without a module."""
    every, claimed = modules(root), claims(root)
    for module in sorted(every):
        path = PurePosixPath(module)
        own = str("tests" / path.with_name(f"test_{path.name}"))
        named = any(module in names for file, names in claimed.items() if file.startswith(room(module)))
        if own not in claimed and not named:
            yield f"{module} has no {own}, and no test below {room(module)} names it after `Covers:`"
    for file, names in claimed.items():
        for name in names:
            if name not in every:
                yield f"{file} covers {name}, which is not a module"
        path = PurePosixPath(file)
        tested = str(path.relative_to("tests").with_name(path.name.removeprefix("test_")))
        if tested not in every and not names:
            yield f"{file} has no {tested}, and names no module after `Covers:`"


def plant(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("test", "docstring", "expected"),
    [
        ("tests/core/data/test_rows.py", "Rows.", ""),
        ("tests/core/data/test_build.py", "Splits.\n\nCovers: core/data/rows.py", ""),
        ("tests/core/data/deeper/test_all.py", "Splits.\n\nCovers: core/data/build.py,\ncore/data/rows.py", ""),
        ("tests/core/data/test_build.py", "Splits.", "core/data/rows.py has no tests/core/data/test_rows.py"),
        ("tests/core/test_rows.py", "Rows.\n\nCovers: core/data/rows.py", "no test below tests/core/data/ names it"),
        ("tests/core/data/test_rows.py", "Rows.\n\nCovers: core/rows.py", "covers core/rows.py, which is not a module"),
        ("tests/core/data/test_row.py", "Rows.", "has no core/data/row.py, and names no module"),
    ],
)
def test_a_planted_gap_is_found(test: str, docstring: str, expected: str, tmp_path: Path) -> None:
    sources = {"core/__init__.py": "", "core/data/rows.py": "", "core/data/build.py": ""}
    plant(tmp_path, {**sources, "tests/core/data/test_build.py": "", test: f'"""{docstring}\n"""\n'})
    found = list(problems(tmp_path))
    assert any(expected in problem for problem in found) if expected else not found


def test_every_module_has_a_test_and_every_test_a_module() -> None:
    found = list(problems(ROOT))
    assert not found, "\n".join(found)
