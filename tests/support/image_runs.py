"""Command-line words that train a very small image classifier, and folders for it to learn from."""

from __future__ import annotations

from pathlib import Path

from image_samples import LABELS, examples

MODEL = ("model=timm", "model.init=scratch", "model.scratch=test_resnet", "model.image_size=32")
TRAIN = (
    "train.batch_size=8", "train.bootstrap_resamples=20", "train.precision=fp32", "train.device=cpu",
    "train.max_steps=12", "train.epochs=8", "train.baselines=false", "train.log_steps=2",
)  # fmt: skip
DIGITS = ("task=digits", "data.max_examples=60", *MODEL, *TRAIN)


def folder(path: Path, n: int = 45) -> Path:
    """A folder a class; what an image shows is its label."""
    for row, example in enumerate(examples(n)):
        assert isinstance(example.target, int)
        assert isinstance(example.image, bytes)
        place = path / LABELS[example.target] / f"{row}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(example.image)
    return path


def several(path: Path, n: int = 60) -> Path:
    """A table of images with several labels each: what it shows, and whether its number is even."""
    folder(path, n)
    rows = [f"{LABELS[row % 3]}/{row}.png,{LABELS[row % 3]}{'|even' if row % 2 == 0 else ''}" for row in range(n)]
    table = path / "labels.csv"
    table.write_text("image,label\n" + "\n".join(rows) + "\n")
    return table


def words(path: Path, *more: str) -> list[str]:
    """A command line that trains on a folder, in about a second."""
    return ["task=image_classification", f"data.path={path}", *MODEL, *TRAIN, *more]
