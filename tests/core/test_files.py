"""Files and folders are written atomically, and JSON is valid."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from core.errors import RunError
from core.files import clean, new_file, new_folder, write_json, write_lines, write_text


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of synced files and folders, and `rename` for each rename, in order."""
    made: list[str] = []
    sync, replace, rename = os.fsync, Path.replace, Path.rename

    def note(descriptor: int) -> None:
        made.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        sync(descriptor)

    def renamed(how: Any) -> Any:
        def call(self: Path, target: Path) -> Any:
            made.append("rename")
            return how(self, target)

        return call

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(Path, "replace", renamed(replace))
    monkeypatch.setattr(Path, "rename", renamed(rename))
    return made


@pytest.mark.skipif(os.name == "nt", reason="Windows syncs only files that are open for writing")
def test_a_read_only_file_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refusing(path: Any, flags: int, *more: Any, **named: Any) -> int:
        """Open as a user who is not root."""
        if flags & (os.O_WRONLY | os.O_RDWR) and Path(path).exists() and not Path(path).stat().st_mode & 0o200:
            raise PermissionError(path)
        return real(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", refusing)
    with new_folder(tmp_path / "made") as aside:
        (aside / "a.txt").write_text("a")
        (aside / "a.txt").chmod(0o444)
    assert (tmp_path / "made" / "a.txt").read_text() == "a"


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@linux
def test_a_file_is_synced_then_renamed_and_then_its_folder_is_synced(tmp_path: Path, calls: list[str]) -> None:
    write_text(tmp_path / "a.txt", "ä")
    assert calls == ["a.txt.partial", "rename", tmp_path.name]
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "ä"


@linux
def test_all_of_a_folder_is_synced_before_it_is_renamed(tmp_path: Path, calls: list[str]) -> None:
    with new_folder(tmp_path / "made") as aside:
        (aside / "inner").mkdir()
        (aside / "inner" / "a.txt").write_text("a")
    assert sorted(calls[:2]) == ["a.txt", "inner"]
    assert calls[2:] == ["made.partial", "rename", tmp_path.name]
    assert (tmp_path / "made" / "inner" / "a.txt").read_text() == "a"


@pytest.mark.parametrize("moment", ["while it writes", "before it renames"])
def test_a_crash_leaves_the_old_file_complete(tmp_path: Path, moment: str) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    code = f"""
import os
from pathlib import Path
from core.files import new_file
if {moment == "before it renames"}:
    Path.replace = lambda self, target: os._exit(9)
with new_file(Path({str(path)!r})) as aside:
    aside.write_text("new, and longer")
    if {moment == "while it writes"}:
        os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert path.read_text() == "old"
    write_text(path, "next")  # the temporary file of the crash does no harm
    assert path.read_text() == "next"
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]


def interrupt(opened: AbstractContextManager[Path]) -> None:
    """Write a part of the content, then fail."""
    with opened as aside:
        (aside / "a.txt" if aside.is_dir() else aside).write_text("half")
        raise KeyboardInterrupt


def test_an_error_leaves_the_old_file_complete_and_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt):
        interrupt(new_file(path, shared=True))
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]


def test_an_error_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupt(new_folder(tmp_path / "made"))
    assert not list(tmp_path.iterdir())


def test_the_faster_of_two_processes_creates_a_shared_folder(tmp_path: Path) -> None:
    with new_folder(tmp_path / "made", shared=True) as slow:
        (slow / "a.txt").write_text("slow")
        with new_folder(tmp_path / "made", shared=True) as quick:
            (quick / "a.txt").write_text("quick")
    assert (tmp_path / "made" / "a.txt").read_text() == "quick"
    assert [each.name for each in tmp_path.iterdir()] == ["made"]


def test_a_folder_that_is_not_empty_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    with new_folder(tmp_path / "made") as aside:
        (aside / "a.txt").write_text("first")
    with pytest.raises(OSError, match="not empty"), new_folder(tmp_path / "made") as aside:
        (aside / "a.txt").write_text("second")
    assert (tmp_path / "made" / "a.txt").read_text() == "first"
    assert [each.name for each in tmp_path.iterdir()] == ["made"]


def test_values_that_json_does_not_support_are_null(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_json(path, {"a": math.nan, "b": [math.inf, (1.5, -math.inf)], 3: {"c": True}, "d": "ä"})
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == {"a": None, "b": [None, [1.5, None]], "3": {"c": True}, "d": "ä"}
    assert "NaN" not in text
    assert "Infinity" not in text
    assert clean({"x": 0.1 + 0.2}) == {"x": 0.1 + 0.2}


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    write_lines(path, [{"a": 1}, {"a": math.nan}])
    write_lines(path, [{"b": 2}])
    assert path.read_text() == '{"b": 2}\n'
    assert [each.name for each in tmp_path.iterdir()] == ["predictions.jsonl"]


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no/report\.json: cannot be written: No such file or directory"):
        write_json(tmp_path / "no" / "report.json", {})
