"""The cache of inspected images: used again for the same file, and ignored when damaged."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from core.images.reading import encode_png, inspect
from core.issues import RowIssue
from plugins.data.images import inspection_cache

NOTHING = RowIssue("none", "nothing")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


@pytest.fixture
def decoded(monkeypatch) -> list:
    seen: list = []
    monkeypatch.setattr(inspection_cache, "inspect", lambda image: seen.append(image) or inspect(image))
    return seen


def pictures(count: int = 6) -> list[bytes]:
    return [encode_png(np.full((4 + number, 5, 3), number, dtype=np.uint8)) for number in range(count)]


def look(some: list, source: str = "here"):
    return inspection_cache.inspect_all([some[:4], some[4:]], len(some), source)


def test_what_is_seen_stands_in_the_order_of_the_images():
    some = [*pictures(), b"no image", None, NOTHING]
    seen = look(some)
    assert seen.height.tolist() == [4, 5, 6, 7, 8, 9, 0, 0, 0]
    assert seen.digest[5].decode() == inspect(some[5]).digest
    assert {number: fault.code for number, fault in seen.faults.items()} == {6: "not_an_image", 8: "none"}


def test_bytes_and_files_are_decoded_once(tmp_path, decoded):
    path = tmp_path / "a.png"
    path.write_bytes(pictures()[0])
    some = [*pictures(), path, b"no image"]
    first = look(some)
    assert len(decoded) == 8
    assert (look(some).digest == first.digest).all()
    assert decoded[8:] == [b"no image"]  # unreadable images are inspected again
    look(some, "elsewhere")
    assert len(decoded) == 17
    os.utime(path, ns=(1, 1))
    look(some)
    assert path in decoded[17:]


@pytest.mark.parametrize(
    "damage", [lambda whole: whole[:-7], lambda whole: whole[:40] + b"x" + whole[41:], lambda _: b""]
)
def test_a_damaged_cache_is_as_good_as_none(damage, cache, decoded):
    look(pictures())
    (file,) = cache.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert look(pictures()).height.tolist() == [4, 5, 6, 7, 8, 9]
    assert len(decoded) == 12
    look(pictures())
    assert len(decoded) == 12


def test_a_cache_that_cannot_be_written_is_done_without(cache, monkeypatch):
    cache.parent.write_text("a file where the cache's folder should be")
    assert look(pictures()).faults == {}
    cache.parent.unlink()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert look(pictures()).faults == {}
    assert list(cache.iterdir()) == []


def test_images_that_are_gone_are_forgotten_in_time(cache):
    look(pictures(60))
    (file,) = cache.iterdir()
    large = file.stat().st_size
    look([encode_png(np.full((3, 3), 200 + number, dtype=np.uint8)) for number in range(5)])
    assert file.stat().st_size < large / 5


def test_progress_is_printed_if_it_takes_long(capfd, monkeypatch):
    look(pictures())
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(inspection_cache, "SILENT_SECONDS", 0.0)
    look(pictures())
    assert "inspecting images: 4 of 6\n" in capfd.readouterr().err
