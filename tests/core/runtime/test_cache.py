"""Where Graft's cache is, on each platform."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from core.runtime.cache import cache_directory, keep_caches_of_others


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("GRAFT_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA", "MPLCONFIGDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("platform", "expected"),
    [("linux", ".cache/graft"), ("darwin", "Library/Caches/graft"), ("win32", "AppData/Local/graft/cache")],
)
def test_the_cache_is_where_the_platform_keeps_caches(
    platform: str, expected: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_directory() == home / expected


def test_the_environment_names_another_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "caches"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_directory() == home / "caches" / "graft"
    monkeypatch.setenv("GRAFT_CACHE", str(home / "mine"))
    assert cache_directory() == home / "mine"


def test_asking_creates_nothing(home: Path) -> None:
    cache_directory()
    assert list(home.iterdir()) == []


def test_matplotlib_keeps_its_files_there_unless_the_user_named_a_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFT_CACHE", str(home / "mine"))
    monkeypatch.setenv("MPLCONFIGDIR", "theirs")
    keep_caches_of_others()
    assert os.environ["MPLCONFIGDIR"] == "theirs"
    monkeypatch.delenv("MPLCONFIGDIR")
    keep_caches_of_others()
    assert os.environ["MPLCONFIGDIR"] == str(home / "mine" / "matplotlib")
