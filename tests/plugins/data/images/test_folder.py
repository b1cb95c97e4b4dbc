"""Folders of images: one folder per class, tables of labels, splits, and every problem of a file.

Covers: plugins/data/images/class_folders.py, plugins/data/images/rows.py
"""

from __future__ import annotations

import io
import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from core.contracts.splits import Splits
from core.errors import DataError
from core.images.reading import encode_png
from core.tasks.task import Task
from plugins.data.adapters.images import ImageFolder

CLASSES = ("cat", "dog")


def picture(number: int, width: int = 12, height: int = 10) -> bytes:
    return encode_png(np.random.default_rng(number).integers(0, 255, (height, width, 3), dtype=np.uint8))


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def folders(root: Path, count: int = 12, start: int = 0, **sizes: int) -> Path:
    for number in range(count):
        write(root / CLASSES[number % 2] / f"{number}.png", picture(start + number, **sizes))
    return root


def listing(root: Path, rows: list[str], name: str = "labels.csv", header: str = "file,label") -> str:
    return str(write(root / name, "\n".join([header, *rows, ""]).encode()))


def load(target: str = "single", seed: int = 0, **options) -> Splits:
    return ImageFolder(**options).load(Task(type="image-classification", target=target), seed)


def everything(splits: Splits) -> list:
    return sorted([*splits.train, *splits.val, *splits.test], key=lambda example: example.place)


def problem(**options) -> str:
    with pytest.raises(DataError) as error:
        load(**options)
    return str(error.value)


def issue_of(splits: Splits, code: str):
    (found,) = [each for each in splits.findings if each.code == code]
    return found


def bad(path: Path, place: str, words: str, code: str) -> None:
    """One bad row: an error that names it, or left out and counted."""
    message = problem(path=str(path))
    assert message.startswith(f"{place}: ")
    assert words in message
    assert "data.on_bad_row=skip" in message
    splits = load(path=str(path), on_bad_row="skip")
    found = issue_of(splits, code)
    assert (found.count, found.level) == (1, "warning")
    assert found.places == (place,)
    assert place not in {example.place for example in everything(splits)}


def test_each_folder_is_a_class_whose_images_are_found_at_any_depth(tmp_path):
    folders(tmp_path, 40)
    write(tmp_path / "dog" / "big" / "old" / "último ☃.PNG", picture(99))
    splits = load(path=str(tmp_path))
    assert splits.labels == CLASSES
    examples = everything(splits)
    assert len(examples) == 41
    assert all(splits.labels[each.target] == each.place.split("/")[0] for each in examples)
    last = examples[-1]
    assert (last.place, last.size) == ("dog/big/old/último ☃.PNG", (12, 10))
    assert last.image == tmp_path / last.place
    assert len(last.digest) == 32
    assert splits.findings == ()


def test_names_of_classes_can_be_replaced(tmp_path):
    folders(tmp_path)
    assert load(path=str(tmp_path), label_names={"cat": "Katze"}).labels == ("Katze", "dog")
    assert "data.label_names: no row has the label bird" in problem(path=str(tmp_path), label_names={"bird": "x"})


def test_a_relative_path_gives_absolute_images(tmp_path, monkeypatch):
    folders(tmp_path / "pets")
    monkeypatch.chdir(tmp_path)
    assert all(each.image.is_absolute() and each.image.is_file() for each in everything(load(path="pets")))


def test_folders_of_splits(tmp_path):
    folders(tmp_path / "Train", 12)
    folders(tmp_path / "validation", 4, 20)
    folders(tmp_path / "test", 6, 30)
    splits = load(path=str(tmp_path))
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [12, 4, 6]
    assert splits.val[0].place == "validation/cat/0.png"
    shutil.rmtree(tmp_path / "validation")
    splits = load(path=str(tmp_path))
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [11, 1, 6]


def test_splits_of_their_own_folders(tmp_path):
    train, test = folders(tmp_path / "a" / "x", 12), folders(tmp_path / "b" / "x", 6, 30)
    splits = load(train=str(train), test=str(test))
    assert len(splits.test) == 6
    assert splits.test[0].place == "b/x/cat/0.png"
    assert splits.test[0].image == test / "cat" / "0.png"


def test_a_class_may_be_called_train(tmp_path):
    folders(tmp_path)
    write(tmp_path / "train" / "1.png", picture(50))
    write(tmp_path / "train" / "2.png", picture(51))
    assert load(path=str(tmp_path)).labels == ("cat", "dog", "train")
    folders(tmp_path / "train")
    assert "named after a split and others are not: cat, dog" in problem(path=str(tmp_path))


def test_an_image_in_two_splits_is_a_leak(tmp_path):
    folders(tmp_path / "train", 12)
    folders(tmp_path / "test", 6, 30)
    with Image.open(tmp_path / "train" / "cat" / "0.png") as copied:
        copied.save(tmp_path / "test" / "cat" / "copy.bmp")  # other bytes, the same pixels
    found = issue_of(load(path=str(tmp_path)), "duplicates_across_splits")
    assert (found.count, found.places) == (1, ("test/cat/copy.bmp = train/cat/0.png",))


def test_images_of_many_sizes_are_used_and_their_range_is_reported(tmp_path):
    folders(tmp_path)
    write(tmp_path / "cat" / "large.png", picture(70, 300, 200))
    found = issue_of(load(path=str(tmp_path)), "image_sizes")
    assert found.level == "info"
    assert "12 to 300 pixels wide and 10 to 200 high" in found.message


@pytest.mark.parametrize(
    ("name", "words", "code"),
    [
        ("cut.jpg", "the image is damaged or cut off", "broken_image"),
        ("empty.png", "the file is empty", "empty_file"),
        ("text.png", "the file is not an image", "not_an_image"),
        ("bomb.png", "larger than 100 megapixels (its header says", "too_large"),
        ("gone.png", "the file cannot be opened (No such file or directory)", "missing_file"),
        ("loop.png", "the file cannot be opened (Too many levels of symbolic links)", "missing_file"),
        ("out.png", "lies outside the folder", "path_outside"),
    ],
)
def test_bad_images_are_named(name, words, code, tmp_path):
    root = folders(tmp_path / "pets")
    path = root / "dog" / name
    if name == "cut.jpg":
        stream = io.BytesIO()
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(stream, "JPEG")
        path.write_bytes(stream.getvalue()[:900])
    elif name == "bomb.png":
        header = b"IHDR" + struct.pack(">IIBBBBB", 10_000, 12_000, 8, 2, 0, 0, 0)
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)))
        path.write_bytes(path.read_bytes() + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")))
    elif name in ("gone.png", "loop.png", "out.png"):
        path.symlink_to({"gone.png": root / "nothing.png", "loop.png": "loop.png"}.get(name, "../../away.png"))
        write(tmp_path / "away.png", picture(80))
    else:
        path.write_bytes(b"text" if name == "text.png" else b"")
    bad(root, f"dog/{name}", words, code)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    folders(tmp_path)
    opened = Image.open

    def denied(file, *args):
        if str(file).endswith("dog/3.png"):
            raise PermissionError(13, "Permission denied", file)
        return opened(file, *args)

    monkeypatch.setattr(Image, "open", denied)
    bad(tmp_path, "dog/3.png", "the file cannot be read (Permission denied)", "unreadable_file")


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    folders(tmp_path)
    write(tmp_path / "dog" / "closed" / "1.png", picture(60))
    scanned = os.scandir

    def denied(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scanned(path)

    monkeypatch.setattr(os, "scandir", denied)
    bad(tmp_path, "dog/closed/", "the folder cannot be read (Permission denied)", "unreadable_folder")


def test_a_file_name_that_is_not_utf8(tmp_path):
    folders(tmp_path)
    (tmp_path / "cat" / os.fsdecode(b"caf\xe9.png")).write_bytes(picture(61))
    bad(tmp_path, "cat/caf�.png", "name is not valid UTF-8", "undecodable_name")


def test_an_image_beside_the_classes_and_an_empty_class(tmp_path):
    folders(tmp_path)
    write(tmp_path / "stray.png", picture(61))
    bad(tmp_path, "stray.png", "is not in a class folder", "no_class_folder")
    (tmp_path / "stray.png").unlink()
    (tmp_path / "bird").mkdir()
    write(tmp_path / "bird" / "readme.txt", b"none yet")
    bad(tmp_path, "bird/", "contains no images", "empty_class_folder")
    folders(tmp_path / "all" / "train")
    write(tmp_path / "all" / "stray.png", picture(62))
    assert "images lie beside the folders of the splits: stray.png" in problem(path=str(tmp_path / "all"))


def test_one_class_is_not_enough(tmp_path):
    folders(tmp_path)
    shutil.rmtree(tmp_path / "dog")
    assert "every example has the label 'cat'" in problem(path=str(tmp_path))


def test_folders_without_classes(tmp_path):
    assert "contains no class folders.\n    The folder is empty" in problem(path=str(tmp_path))
    write(tmp_path / "1.png", picture(0))
    listing(tmp_path, ["1.png,a"])
    assert f"data.path={tmp_path}/labels.csv reads a table of images" in problem(path=str(tmp_path))
    assert "data.train: there is no file or folder" in problem(train=str(tmp_path / "trian"))


def test_other_files_are_counted_and_hidden_ones_are_not(tmp_path):
    folders(tmp_path, 40)
    for name in ("Thumbs.db", "notes.txt", ".DS_Store", "._0.png", ".git/x.png", "__MACOSX/y.png"):
        write(tmp_path / "cat" / name, b"x")
    write(tmp_path / ".cache" / "z.png", b"x")
    splits = load(path=str(tmp_path))
    assert len(everything(splits)) == 40
    (found,) = splits.findings
    assert (found.code, found.count, found.level) == ("not_images", 2, "info")
    assert found.places == ("cat/Thumbs.db", "cat/notes.txt")


def test_symbolic_links_to_folders_are_followed_once(tmp_path):
    folders(tmp_path)
    write(tmp_path / "cat" / "more" / "deep.png", picture(60))
    (tmp_path / "cat" / "again").symlink_to("more")
    (tmp_path / "cat" / "self").symlink_to(".")
    (tmp_path / "cat" / "more" / "top").symlink_to(tmp_path)
    (tmp_path / "dog" / "other").symlink_to("../cat")
    (tmp_path / "dog" / "nowhere").symlink_to("nowhere")
    splits = load(path=str(tmp_path))
    assert len(everything(splits)) == 13
    found = issue_of(splits, "repeated_folders")
    assert set(found.places) == {"cat/again", "cat/self", "cat/more/top", "dog/other"}
    (tmp_path / "pool").symlink_to(folders(tmp_path.parent / f"{tmp_path.name}-pool", 2, 90) / "cat")
    assert "lies outside the folder" in problem(path=str(tmp_path))
    assert load(path=str(tmp_path), root=str(tmp_path.parent)).labels == ("cat", "dog", "pool")


def test_images_are_decoded_once_and_remembered(tmp_path, monkeypatch):
    from core.images.reading import inspect
    from plugins.data.images import inspection_cache

    folders(tmp_path / "pets")
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "cache"))
    first = load(path=str(tmp_path / "pets"))
    inspected = []
    real = inspect
    monkeypatch.setattr(inspection_cache, "inspect", lambda image: inspected.append(image) or real(image))
    again = load(path=str(tmp_path / "pets"))
    assert not inspected
    assert everything(again) == everything(first)
    assert again.fingerprint == first.fingerprint
    changed = write(tmp_path / "pets" / "cat" / "0.png", picture(55, 13))
    added = write(tmp_path / "pets" / "cat" / "new.png", picture(56))
    assert load(path=str(tmp_path / "pets")).fingerprint != first.fingerprint
    assert set(inspected) == {changed, added}


def test_moving_the_folder_changes_nothing(tmp_path):
    here = load(path=str(folders(tmp_path / "here")))
    listed = load(path=listing(tmp_path / "here", [f"{CLASSES[n % 2]}/{n}.png,{n % 2}" for n in range(12)]))
    (tmp_path / "here").rename(tmp_path / "there")
    moved = load(path=str(tmp_path / "there"))
    assert moved.fingerprint == here.fingerprint
    assert [each.place for each in moved.train] == [each.place for each in here.train]
    assert load(path=str(tmp_path / "there" / "labels.csv")).fingerprint == listed.fingerprint
    (tmp_path / "there" / "cat" / "0.png").rename(tmp_path / "there" / "dog" / "0.png")
    assert load(path=str(tmp_path / "there")).fingerprint != here.fingerprint


def table(root: Path, count: int = 12) -> list[str]:
    for number in range(count):
        write(root / "img" / f"{number}.png", picture(number))
    return [f"img/{number}.png,{CLASSES[number % 2]}" for number in range(count)]


def test_a_table_names_images_and_labels(tmp_path):
    rows = table(tmp_path)
    splits = load(path=listing(tmp_path, rows))
    first = min(everything(splits), key=lambda each: int(each.place.split(":")[1]))
    assert (first.place, first.image, splits.labels) == ("labels.csv:2", tmp_path / "img/0.png", CLASSES)
    assert "image from 'file', label from 'label'" in splits.description
    assert len(everything(load(path=listing(tmp_path, rows, "bare.csv", rows[0])))) == 13


def test_tables_of_other_formats(tmp_path):
    rows = [each.split(",") for each in table(tmp_path)]
    lines = "".join(f'{{"img": "{path}", "kind": "{label}", "n": 1}}\n' for path, label in rows)
    write(tmp_path / "l.jsonl", lines.encode())
    paths, labels = zip(*rows, strict=True)
    parquet.write_table(pa.table({"where": paths, "label": labels, "n": range(12)}), tmp_path / "l.parquet")
    assert len(everything(load(path=str(tmp_path / "l.jsonl"), label="kind"))) == 12
    assert len(everything(load(path=str(tmp_path / "l.parquet"), image="where"))) == 12
    assert "cannot tell which column holds the image" in problem(path=str(tmp_path / "l.parquet"))
    assert "Did you mean 'where'" in problem(path=str(tmp_path / "l.parquet"), image="were")


def test_several_labels_in_a_cell_and_in_columns(tmp_path):
    table(tmp_path)
    cells = ["a", "b", "a;b", ""] * 3
    path = listing(tmp_path, [f"img/{n}.png,{cell}" for n, cell in enumerate(cells)], header="image,tags")
    splits = load("multi", path=path, label_separator=";")
    assert splits.labels == ("a", "b")
    assert {each.target for each in everything(splits)} == {(0,), (1,), (0, 1), ()}
    rows = [f"img/{n}.png,{n % 2},{n // 2 % 2}" for n in range(12)]
    path = listing(tmp_path, rows, "flags.csv", "image,sun,rain")
    splits = load("multi", path=path, label_columns=["sun", "rain"])
    assert splits.labels == ("rain", "sun")
    assert {each.target for each in everything(splits)} == {(0,), (1,), (0, 1), ()}
    write(tmp_path / "flags.csv", ("image,sun,rain\n" + "\n".join([*rows[:-1], "img/11.png,2,0"])).encode())
    assert "flags.csv:13: the column 'sun' contains '2'" in problem(
        target="multi", path=path, label_columns=["sun", "rain"]
    )


def test_folders_named_after_several_labels(tmp_path):
    folders(tmp_path)
    for number in range(4):
        write(tmp_path / "cat+dog" / f"{number}.png", picture(80 + number))
    splits = load("multi", path=str(tmp_path), label_separator="+")
    assert splits.labels == CLASSES
    assert {each.target for each in everything(splits)} == {(0,), (1,), (0, 1)}


def test_columns_of_splits_and_groups(tmp_path):
    rows = [f"{row},{'test' if n > 7 else 'train'},g{n // 4}" for n, row in enumerate(table(tmp_path))]
    path = listing(tmp_path, rows, header="file,label,part,herd")
    splits = load(path=path, split="part")
    assert len(splits.test) == 4
    splits = load(path=path, group="herd", val_fraction=0.3, test_fraction=0.3)
    assert "groups kept together" in splits.description
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [4, 4, 4]


def test_tables_and_folders_of_splits(tmp_path):
    train = listing(tmp_path, table(tmp_path))
    test = folders(tmp_path / "held out", 6, 40)
    splits = load(train=train, test=str(test))
    assert splits.test[0].place == "held out/cat/0.png"
    assert splits.train[0].place.startswith("labels.csv:")
    both = load(train=train, test=listing(tmp_path, table(tmp_path)[:4], "other.csv"))
    assert issue_of(both, "duplicates_across_splits").count == 4


def test_options_of_tables_mean_nothing_for_folders(tmp_path):
    message = problem(path=str(folders(tmp_path)), label="x", split="y")
    assert "data.label: does not apply to a folder of class folders" in message
    assert "data.split: does not apply" in message


@pytest.mark.parametrize(
    ("cell", "words", "code"),
    [
        ("img/none.png", "the file cannot be opened (No such file", "missing_file"),
        ("img", "is not a file", "missing_file"),
        ("../away.png", "the image ../away.png lies outside the folder", "path_outside"),
        ("/etc/hostname", "the image /etc/hostname lies outside the folder", "path_outside"),
        ("img/../../away.png", "lies outside the folder", "path_outside"),
        ("img/link.png", "the image img/link.png (a link to ", "path_outside"),
        ("", "the image is missing", "no_image"),
        ("https://example.com/a.png", "Graft downloads no images", "no_image"),
    ],
)
def test_bad_rows_of_a_table(cell, words, code, tmp_path):
    root = tmp_path / "data"
    rows = table(root)
    write(tmp_path / "away.png", picture(70))
    (root / "img" / "link.png").symlink_to("../../away.png")
    bad(Path(listing(root, [*rows, f"{cell},cat"])), "labels.csv:14", words, code)
    if code == "path_outside" and not cell.startswith("/"):
        assert "data.root" in problem(path=str(root / "labels.csv"))


def test_the_root_of_relative_paths(tmp_path):
    path = listing(tmp_path / "lists", table(tmp_path))
    assert "labels.csv:2: the file cannot be opened" in problem(path=path)
    assert len(everything(load(path=path, root=str(tmp_path)))) == 12
    absolute = [f"{tmp_path}/{row}" for row in table(tmp_path)]
    path = listing(tmp_path / "lists", absolute)
    assert "(12 such rows" in problem(path=path)
    assert len(everything(load(path=path, root=str(tmp_path)))) == 12
    assert "data.root: there is no folder" in problem(path=path, root=str(tmp_path / "no"))


def test_a_missing_label(tmp_path):
    bad(
        Path(listing(tmp_path, [*table(tmp_path)[:-1], "img/11.png,"])),
        "labels.csv:13",
        "the label is missing",
        "missing_label",
    )


def test_unlabelled_images(tmp_path):
    rows = table(tmp_path)
    task = Task(type="image-classification")
    path = Path(listing(tmp_path, [row.split(",")[0] for row in rows], header="file"))
    found = ImageFolder().unlabelled(task, path)
    assert [each.place for each in found] == [f"labels.csv:{n}" for n in range(2, 14)]
    assert found[0].image == tmp_path / "img" / "0.png"
    assert found[0].target is None
    for word, count in ((tmp_path, 12), (tmp_path / "img" / "1*.png", 3), (tmp_path / "img" / "1.png", 1)):
        assert len(ImageFolder().unlabelled(task, word)) == count
    listing(tmp_path, ["img/none.png"], header="file")
    with pytest.raises(DataError, match=r"labels.csv:2: the file cannot be opened"):
        ImageFolder().unlabelled(task, path)
    with pytest.raises(DataError, match="no such file"):
        ImageFolder().unlabelled(task, tmp_path / "none")
