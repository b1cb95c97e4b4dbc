"""The tasks on which methods are compared, each with pretrained base weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.arguments import quoted
from benchmarks.suite import Cell, Suite

BASE = "base"
OPTIONS: dict[str, tuple[str, ...]] = {
    "freeze": ("method.layers=2",),
    "prompt": ("method.tokens=10",),
}
"""Options of a method that differ from its defaults."""


@dataclass(frozen=True)
class Work:
    """A task, a model, and the origin of its base weights.

    Attributes:
        name: The value of `work=`.
        task: The task's preset.
        model: The model's preset or component.
        options: Overrides of every run.
        base: Overrides of the run that trains the base weights; empty if the model has pretrained ones.
        methods: The methods, in the order of the table.
        digits: Whether the data are the bundled digits, with other digits for the base than for the comparison.
    """

    name: str
    task: str
    model: str
    options: tuple[str, ...]
    methods: tuple[str, ...]
    base: tuple[str, ...] = ()
    digits: bool = False

    def base_suite(self, out: Path) -> Suite | None:
        """Return the run that trains the base weights, or None."""
        if not self.base:
            return None
        data = (f"data.path={quoted(out / 'low')}",) if self.digits else ()
        return Suite(f"{self.name}-base", "", 30.0, (Cell(self.task, self.model, "full", 0, (*self.base, *data)),))

    def suite(self, out: Path, methods: Sequence[str]) -> Suite:
        """Return one run per method, on the base in `out` if the work trains one."""
        options = list(self.options)
        if base := self.base_suite(out):
            options += [
                "model.init=pretrained",
                f"model.checkpoint={quoted(out / BASE / base.cells[0].name / 'model')}",
            ]
        if self.digits:
            options.append(f"data.path={quoted(out / 'high')}")
        cells = (Cell(self.task, self.model, each, 0, (*options, *OPTIONS.get(each, ()))) for each in methods)
        return Suite(self.name, "", 15.0, tuple(cells))


ON_MODULES = ("lora", "adalora", "ia3", "loha", "lokr")
WORKS = {
    each.name: each
    for each in (
        Work(
            "text",
            "sentiment",
            "minilm",
            ("train.baselines=false",),
            ("full", "head", "freeze", "bitfit", *ON_MODULES, "vera", "oft", "qlora", "lora8", "prompt"),
        ),
        Work(
            "images",
            "image_classification",
            "vit",
            ("model.image_size=32", "train.epochs=6", "train.baselines=false"),
            ("full", "head", "freeze", "bitfit", *ON_MODULES, "vera", "oft"),
            ("model.init=scratch", "model.image_size=32", "train.epochs=25", "train.baselines=false"),
            digits=True,
        ),
        Work(
            "detection",
            "digit_scenes",
            "yolo",
            ("train.epochs=3", "train.baselines=false"),
            ("full", "head", "freeze", "bitfit", *ON_MODULES),
            ("model.init=scratch", "train.epochs=12", "train.baselines=false"),
        ),
    )
}
"""Text: the bundled reviews. Images: a transformer trained on the digits 0 to 4 learns 5 to 9. Detection: a detector
trained on the scenes for twelve epochs trains for three more."""


def write_digits(out: Path) -> None:
    """Write the bundled digits as class folders: 0 to 4 in `low`, 5 to 9 in `high`."""
    from sklearn.datasets import load_digits

    from core.images import encode_png

    read = load_digits()
    for number, (pixels, label) in enumerate(zip(read.images, read.target, strict=True)):
        folder = out / ("low" if label < 5 else "high") / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(encode_png((pixels * (255 / 16)).round().astype("uint8")))
