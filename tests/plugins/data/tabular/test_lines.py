"""One text per line, one file per class: encodings, empty lines, and splits.

Covers: plugins/data/tabular/plain_text.py
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.errors import DataError
from core.tasks.task import Task
from plugins.data.adapters.text import Lines


def write(path: Path, count: int = 30, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{path.name} says café {number}\n" for number in range(count)), encoding=encoding)


def test_each_file_is_a_class_named_by_its_stem(tmp_path):
    write(tmp_path / "pos.txt")
    write(tmp_path / "neg.txt")
    splits = Lines(path=str(tmp_path)).load(Task(), 0)
    assert splits.labels == ("neg", "pos")
    assert len(splits.train) + len(splits.val) + len(splits.test) == 60
    assert all(splits.labels[e.target] == e.text[:3] == e.place[:3] for e in splits.train)


def test_files_that_differ_in_suffix_are_named_by_it(tmp_path):
    write(tmp_path / "reviews.pos")
    write(tmp_path / "reviews.neg", encoding="latin-1")
    splits = Lines(path=str(tmp_path / "reviews.*"), label_names={"pos": "positive", "neg": "negative"}).load(Task(), 0)
    assert splits.labels == ("negative", "positive")
    assert all("café" in example.text for example in splits.test)


def test_folders_named_after_splits_are_splits(tmp_path):
    for split in ("train", "test"):
        for label in ("a", "b"):
            write(tmp_path / split / f"{label}.txt")
    splits = Lines(path=str(tmp_path)).load(Task(), 0)
    assert len(splits.test) == 60
    assert splits.test[0].place == "test/a.txt:1"
    (leak,) = [finding for finding in splits.findings if finding.code == "duplicates_across_splits"]
    assert leak.count >= 60


def test_blank_lines_are_counted_and_one_file_is_not_enough(tmp_path):
    write(tmp_path / "a.txt")
    with pytest.raises(DataError, match="every file is one class"):
        Lines(path=str(tmp_path / "a.txt")).load(Task(), 0)
    (tmp_path / "b.txt").write_text("one\n\n  \n" + "".join(f"two {number}\n" for number in range(9)))
    splits = Lines(path=str(tmp_path)).load(Task(), 0)
    assert [(f.code, f.count, f.places) for f in splits.findings] == [("blank_lines", 2, ("b.txt:2", "b.txt:3"))]


def test_an_empty_file_and_a_missing_folder(tmp_path):
    write(tmp_path / "a.txt")
    (tmp_path / "b.txt").touch()
    with pytest.raises(DataError, match=r"b.txt: the file is empty"):
        Lines(path=str(tmp_path)).load(Task(), 0)
    with pytest.raises(DataError, match="there is no file or folder"):
        Lines(path=str(tmp_path / "c")).load(Task(), 0)


def test_unlabelled_lines(tmp_path):
    write(tmp_path / "a.txt", 3)
    examples = Lines().unlabelled(Task(), tmp_path / "a.txt")
    assert [(e.text, e.target) for e in examples] == [(f"a.txt says café {number}", None) for number in range(3)]


def test_real_product_reviews():
    if "GRAFT_TEST_DATA" not in os.environ:
        pytest.skip("GRAFT_TEST_DATA is not set: the folder of real data")
    splits = Lines(path=str(Path(os.environ["GRAFT_TEST_DATA"]) / "product_reviews")).load(Task(), 0)
    assert splits.labels == ("neg", "pos")
    found = {finding.code: finding.count for finding in splits.findings}
    assert len(splits.train) + len(splits.val) + len(splits.test) == 2407 + 1368 - found["blank_lines"]
    assert found["duplicates"] > 0
    assert "duplicates_across_splits" not in found
