"""Files that a path means: folders, globs, splits by name, and the errors."""

from __future__ import annotations

import pytest

from core.data import TEST, TRAIN, UNDECIDED, VAL, files
from core.errors import DataError


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return str(folder)


def test_files_named_after_splits_become_those_splits(tmp_path):
    path = write(tmp_path, "train.x", "dev.x", "my-test.x", "notes.md")
    found = files.find_all(path, {}, (".x",))
    assert {each.name: each.split for each in found} == {"train.x": TRAIN, "dev.x": VAL, "my-test.x": TEST}
    write(tmp_path, "other.x")
    with pytest.raises(DataError, match=r"some files are named after a split and others are not: other.x"):
        files.find_all(path, {}, (".x",))
    assert files.split_of("latest") == UNDECIDED


def test_each_split_may_have_its_own_path_and_all_missing_ones_are_named(tmp_path):
    write(tmp_path, "a.x", "b/a.x")
    found = files.find_all("", {"train": str(tmp_path / "a.x"), "test": str(tmp_path / "b/*.x")})
    assert [(each.name, each.split) for each in found] == [(f"{tmp_path.name}/a.x", TRAIN), ("b/a.x", TEST)]
    with pytest.raises(DataError) as error:
        files.find_all("", {"train": str(tmp_path / "aa.x"), "val": str(tmp_path / "c" / "*.x")})
    assert [problem.where for problem in error.value.problems] == ["data.train", "data.val"]
    assert "Did you mean" in str(error.value)


def test_a_folder_without_the_right_files_says_what_it_holds(tmp_path):
    with pytest.raises(DataError, match=r"is not a folder with .y files.\n    It holds a.x"):
        files.find("data.path", write(tmp_path, "a.x"), (".y",))


def test_the_digest_depends_on_bytes_and_splits(tmp_path):
    path = tmp_path / "a.x"
    path.write_text("one")
    one = files.digest([files.File(path, "a.x", TRAIN)])
    assert one != files.digest([files.File(path, "a.x", VAL)])
    path.write_text("two")
    assert one != files.digest([files.File(path, "a.x", TRAIN)])


def test_empty_files_are_refused(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(DataError, match="the file is empty"):
        files.refuse_empty([files.File(tmp_path / "a", "a")])


@pytest.mark.parametrize(
    ("given", "count"),
    [(("a", "", "", ""), 0), (("", "a", "", "b"), 0), (("", "", "", ""), 1), (("a", "", "b", ""), 1)],
)
def test_the_source_is_given_once(given, count):
    assert len(list(files.source_problems(*given))) == count
