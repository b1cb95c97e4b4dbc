"""Image classification: how its examples are read, written and compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import DataError
from core.images import encode_png
from core.tasks.image import ImageClassification, ImageExample

TASK_TYPE = ImageClassification()


def shade(value: int) -> bytes:
    return encode_png(np.full((4, 3, 3), value, dtype=np.uint8))


def test_copies_of_an_image_are_duplicates(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(shade(7))
    identity = TASK_TYPE.identity
    assert identity(ImageExample(path, target=0)) == identity(ImageExample(shade(7), target=1))
    assert identity(ImageExample(path)) != identity(ImageExample(shade(8)))
    assert identity(ImageExample(b"", digest="known")) == b"known"  # what the adapter hashed is not hashed again


def test_an_image_is_written_as_its_path_or_its_place() -> None:
    assert TASK_TYPE.content(ImageExample(Path("a/b.png"), place="labels.csv:3")) == {"image": str(Path("a/b.png"))}
    assert TASK_TYPE.content(ImageExample(b"bytes", place="rows.parquet:3")) == {"image": "rows.parquet:3"}


def test_predict_takes_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    for name in ("a.png", "deeper/b.png"):
        (tmp_path / name).write_bytes(shade(1))
    (tmp_path / "notes.txt").write_text("no image")
    read = list(TASK_TYPE.read([str(tmp_path / "a.png"), str(tmp_path)]))
    assert [each.image for each in read] == [
        tmp_path / "a.png", tmp_path / "a.png", tmp_path / "deeper" / "b.png",
    ]  # fmt: skip
    with pytest.raises(DataError, match=r"nothing\.png"):
        list(TASK_TYPE.read([str(tmp_path / "nothing.png")]))


def test_a_file_that_is_no_image_is_named_with_its_place() -> None:
    assert TASK_TYPE.fault(ImageExample(shade(1))) is None
    problem = TASK_TYPE.fault(ImageExample(b"no image", place="a.png"))
    assert problem is not None
    assert problem.where == "a.png"
