"""`predict` for images: files, folders, globs and lines; unreadable inputs do not stop the others."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import graft_toy
import numpy as np
import pytest
import text_runs

from core.contracts.components import DataAdapter
from core.contracts.model import LoadedModel, LoadRequest
from core.contracts.splits import Splits
from core.errors import DataError, Problem
from core.images.reading import UnreadableImageError, encode_png, open_image
from core.inference.inputs import Inputs
from core.inference.predictor import Predictor
from core.runs.run import run
from core.tasks.image import ImageClassification, ImageExample
from core.tasks.task import Task
from core.tasks.text import TextClassification

Graft = Callable[..., tuple[int, str, str]]
LABELS = ("dark", "light")


def shot(label: int, number: int) -> bytes:
    """A noisy square, dark or light."""
    rng = np.random.default_rng((label, number))
    return encode_png((rng.integers(0, 90, (6, 6, 3)) + 160 * label).astype(np.uint8))


@dataclass
class Shots(DataAdapter):
    """Dark and light squares."""

    name: ClassVar[str] = "shots"

    def load(self, task: Task, seed: int) -> Splits:
        made = {
            split: [ImageExample(shot(n % 2, n + start), n % 2, place=f"{split}:{n}") for n in range(size)]
            for start, split, size in ((0, "train", 40), (40, "val", 10), (50, "test", 10))
        }
        return Splits(**made, labels=LABELS, fingerprint="0" * 64, description="Squares.")

    def unlabelled(self, task: Task, path: Path) -> Sequence[ImageExample]:
        return [ImageExample(Path(line), place=line) for line in path.read_text(encoding="utf-8").split()]


@dataclass
class Glow(graft_toy.Toy):
    """A toy that classifies by brightness."""

    name: ClassVar[str] = "glow"
    task_types: ClassVar[tuple[str, ...]] = ("image-classification",)

    def load(self, request: LoadRequest) -> LoadedModel:
        return GlowModel(self, request)


class GlowModel(graft_toy.ToyModel):
    """See `Glow`."""

    def prepare(self, examples: Sequence[Any], train: bool) -> Any:
        try:
            self.pixels = {id(each): np.asarray(open_image(each.image), dtype=np.float32) / 255 for each in examples}
        except UnreadableImageError as error:
            raise DataError(error.message) from error
        prepared = graft_toy.ToyPrepared.__new__(graft_toy.ToyPrepared)
        prepared.examples = [(each, self.pixels[id(each)].mean()) for each in examples]
        prepared.lengths = np.ones(len(examples), dtype=np.int64)
        return prepared

    def collate(self, items: Sequence[Any]) -> dict[str, Any]:
        import torch

        batch = {"bags": torch.tensor([[light - 0.5] * graft_toy.BUCKETS for _, light in items], dtype=torch.float32)}
        targets = [example.target for example, _ in items]
        return batch if targets[0] is None else batch | {"targets": torch.tensor(targets)}


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run that classifies dark and light images, while its plugin is registered."""
    from core.config.compose import install
    from core.registry.registry import load_registry

    install()
    folder = tmp_path_factory.mktemp("shots") / "run"
    components: dict[str, list[Any]] = {"model": [Glow], "data": [Shots], "method": [graft_toy.Whole]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graft_toy, "EXTENSION_POINTS", components)
        with graft_toy.registered(load_registry()):
            task = Task(type="image-classification", target="single", primary="accuracy")
            run(graft_toy.config(task=task, data=Shots(), model=Glow(), train__epochs=20), folder, quiet=True)
            yield folder


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """The working directory: two good images in a folder, one outside it, and two files that are not images."""
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "photo.png").write_bytes(shot(1, 1000))
    (tmp_path / "folder" / "a.png").write_bytes(shot(0, 1001))
    (tmp_path / "folder" / "deep" / "b.png").write_bytes(shot(1, 1002))
    (tmp_path / "folder" / "notes.txt").write_text("not an image")
    return tmp_path


def named(out: str) -> dict[str, str]:
    return {row["image"]: row["label"] for row in text_runs.lines(out)}


GOOD = {"photo.png": "light", "folder/a.png": "dark", "folder/deep/b.png": "light"}


@pytest.mark.parametrize("words", [["photo.png", "folder"], ["*.png", "folder/**/*.png"]])
def test_files_folders_and_globs(finished_run: Path, shots: Path, graft: Graft, words: list[str]) -> None:
    code, out, err = graft("predict", finished_run, *words)
    assert (code, err) == (0, "")
    assert named(out) == GOOD
    assert list(named(out)) == list(GOOD)


def test_paths_on_standard_input(
    finished_run: Path, shots: Path, graft: Graft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("photo.png\n\nfolder\n"))
    code, out, err = graft("predict", finished_run)
    assert (code, err) == (0, "")
    assert named(out) == GOOD


def test_csv_and_a_file_of_the_adapters_own_format(finished_run: Path, shots: Path, graft: Graft) -> None:
    (shots / "list.txt").write_text("photo.png\nfolder/a.png\n")
    code, out, _ = graft("predict", finished_run, "--file", "list.txt", "--format", "csv")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0]) == ["image", "label", "p(dark)", "p(light)"]
    assert [(row["image"], row["label"]) for row in rows] == [("photo.png", "light"), ("folder/a.png", "dark")]


def test_unreadable_inputs_are_reported_at_the_end_and_the_others_are_predicted(
    finished_run: Path, shots: Path, graft: Graft, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.inference import predictor

    monkeypatch.setattr(predictor, "CHUNK", 2)
    (shots / "folder" / "broken.png").write_bytes(shot(1, 5)[:60])
    (shots / "folder" / "empty.jpg").write_bytes(b"")
    code, out, err = graft("predict", finished_run, "gone.png", "photo.png", "folder")
    assert code == 2
    assert named(out) == GOOD
    assert "predict: 3 of 6 inputs cannot be used; the other 3 were predicted." in err
    assert "gone.png: there is no such file or folder." in err
    assert "folder/broken.png: the image is damaged or cut off" in err
    assert "folder/empty.jpg: the file is empty. Replace it, or remove it." in err
    assert "Traceback" not in err


def test_nothing_to_predict(finished_run: Path, shots: Path, graft: Graft) -> None:
    (shots / "none").mkdir()
    code, out, err = graft("predict", finished_run, "none", "no*.png", "--format", "csv")
    assert (code, out) == (2, "")
    assert "none: the folder contains no image" in err
    assert "no*.png: no file matches." in err


def test_many_unusable_inputs_are_counted(finished_run: Path, shots: Path, graft: Graft) -> None:
    for number in range(30):
        (shots / "folder" / f"x{number:02}.png").write_bytes(b"no")
    code, out, err = graft("predict", finished_run, "folder")
    assert (code, len(text_runs.lines(out))) == (2, 2)
    assert "30 of 32 inputs cannot be used" in err
    assert "x19.png" in err
    assert "x20.png" not in err
    assert "and 10 more" in err


def test_from_python(finished_run: Path, shots: Path) -> None:
    (row,) = Predictor.open(finished_run).predict([ImageExample(shots / "photo.png")])
    assert (row["image"], row["label"]) == (str(shots / "photo.png"), "light")


def test_an_endless_stream_is_read_in_chunks(finished_run: Path, shots: Path) -> None:
    asked = 0

    def endless() -> Iterator[str]:
        nonlocal asked
        for asked in range(10**9):
            yield str(shots / ("gone.png" if asked % 2 else "photo.png"))

    inputs = Inputs(ImageClassification())
    stream = inputs.usable(inputs.read(endless()))
    assert [next(stream).image.name for _ in range(60)] == ["photo.png"] * 60
    assert asked < 130
    assert (inputs.used, inputs.unusable, len(inputs.problems)) == (60, 59, 20)


def test_a_task_type_without_a_check_is_not_called() -> None:
    inputs = Inputs(TextClassification())
    assert [each.text for each in inputs.usable(inputs.read(["one", " ", "two"]))] == ["one", "two"]
    inputs.raise_if_unusable()
    assert inputs.used == 2


def test_a_single_unusable_input_is_reported_without_a_count() -> None:
    inputs = Inputs(ImageClassification())
    assert list(inputs.usable(inputs.read(["gone.png"]))) == []
    with pytest.raises(DataError) as caught:
        inputs.raise_if_unusable()
    assert [type(each) for each in caught.value.problems] == [Problem]
    assert str(caught.value).startswith("gone.png: there is no such file or folder.")
