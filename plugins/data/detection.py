"""The adapters of images with boxes: scenes of digits, and annotations as YOLO, Pascal VOC and COCO write them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from core.config import RunConfig
from core.contracts import Splits, Task
from core.errors import Problem
from core.kinds import ObjectDetection
from core.options import option
from plugins.data import refusals
from plugins.data.file_adapter import FileAdapter

_DETECTION = (ObjectDetection.name,)
_ROOT = "The folder that all images must lie in; empty for the folders that the data names."


@dataclass
class DigitScenes(FileAdapter):
    """Handwritten digits (UCI) composed into scenes with boxes, generated into Graft's cache."""

    name: ClassVar[str] = "digit_scenes"
    kinds: ClassVar[tuple[str, ...]] = _DETECTION

    scenes: int = option(1000, "How many scenes there are in all.", low=10, high=100_000)
    size: int = option(128, "Width and height of a scene, in pixels.", low=48, high=2048)
    objects: int = option(6, "At most so many digits are in one scene.", low=1, high=50)
    min_size: int = option(16, "Height of the smallest digits, in pixels.", low=8)
    max_size: int = option(44, "Height of the largest digits, in pixels.", low=8)
    scenes_seed: int = option(0, "Seed of the generated scenes. The run's own seed does not change them.", low=0)
    val_fraction: float = option(0.1, "Share of the scenes that are for validation.", low=0.001, high=0.8)
    test_fraction: float = option(
        0.1, "Share of the scenes that are for the test; their digits are in no other split.", low=0.001, high=0.8
    )

    def check(self, config: RunConfig) -> Iterator[Problem]:
        """Digits that do not fit, and fractions that leave nothing to train on."""
        yield from self.cut_problems()
        if self.min_size > self.max_size:
            yield Problem("data.min_size", f"is larger than data.max_size ({self.max_size}).", "Make it smaller.")
        if self.max_size > self.size:
            yield Problem("data.max_size", f"is larger than a scene ({self.size} pixels).", "Make it smaller.")

    def load(self, task: Task, seed: int) -> Splits:
        """Make the scenes, or read them from the cache."""
        from plugins.data import scenes

        return scenes.load(self._recipe(), self, task, seed)

    def _recipe(self) -> dict[str, int]:
        """What decides the scenes. The cache key is a hash of it, so its keys must not change."""
        val, test = (max(1, round(self.scenes * share)) for share in (self.val_fraction, self.test_fraction))
        counts = {"train": self.scenes - val - test, "val": val, "test": test}
        sizes = {"size": self.size, "objects": self.objects, "smallest": self.min_size, "largest": self.max_size}
        return counts | sizes | {"draw": self.scenes_seed}


@dataclass
class Yolo(FileAdapter):
    """Images with boxes in text files, as YOLO reads them: data.yaml, or folders images and labels."""

    name: ClassVar[str] = "yolo"
    kinds: ClassVar[tuple[str, ...]] = _DETECTION

    path: str = option(
        "", "A data.yaml, a folder that holds one, or a folder with folders images and labels.", path=True
    )
    images: str = option("", "The folder of images, where it does not lie beside the folder labels.", path=True)
    names: list[str] = option(
        None,
        "Label names in the order of their numbers, where neither data.yaml nor classes.txt has them.",
        factory=list,
    )
    unlabelled_images: str = option(
        "background",
        "What an image without a text file is: background (it shows no object, as Ultralytics takes it; counted), "
        "error, or skip (it is left out and counted).",
        choices=("background", "error", "skip"),
    )
    root: str = option("", _ROOT, path=True)

    def check(self, config: RunConfig) -> Iterator[Problem]:
        """Options that are missing or cannot work."""
        yield from self.cut_problems()
        yield from _needed(self.path, "data.yaml")

    def load(self, task: Task, seed: int) -> Splits:
        """Read the annotations, look at the images once, and cut them where a split is missing."""
        from plugins.data import boxes_yolo

        place = boxes_yolo.Place(self.path, self.images, tuple(self.names), self.unlabelled_images, self.root)
        return boxes_yolo.load(place, self, task, seed)


@dataclass
class Voc(FileAdapter):
    """Images with boxes in XML files, as Pascal VOC and many tools write them."""

    name: ClassVar[str] = "voc"
    kinds: ClassVar[tuple[str, ...]] = _DETECTION

    path: str = option(
        "",
        "The folder that holds Annotations, JPEGImages (or images) and perhaps ImageSets/Main with train.txt, val.txt "
        "and test.txt; or a folder of XML files beside their images.",
        path=True,
    )
    images: str = option("", "The folder of images, where it is another one.", path=True)
    first_pixel: int = option(
        0, "The number of the first pixel: 0 as most tools count, 1 as Pascal VOC's own files do.", low=0, high=1
    )
    root: str = option("", _ROOT, path=True)

    def check(self, config: RunConfig) -> Iterator[Problem]:
        """Options that are missing or cannot work."""
        yield from self.cut_problems()
        yield from _needed(self.path, "FOLDER")

    def load(self, task: Task, seed: int) -> Splits:
        """Read the annotations, look at the images once, and cut them where a split is missing."""
        from plugins.data import boxes_voc

        place = boxes_voc.Place(self.path, self.images, self.first_pixel, self.root)
        return boxes_voc.load(place, self, task, seed)


@dataclass
class Coco(FileAdapter):
    """Images with boxes in a JSON file, as COCO writes its instances."""

    name: ClassVar[str] = "coco"
    kinds: ClassVar[tuple[str, ...]] = _DETECTION

    path: str = option(
        "", "A JSON file, or a folder of them: those named after splits (instances_train2017.json) are such.", path=True
    )
    train: str = option("", "The JSON file of the training examples, in place of path.", path=True)
    val: str = option("", "The JSON file of the validation examples; empty cuts them out of train.", path=True)
    test: str = option("", "The JSON file of the test examples; empty cuts them out of train.", path=True)
    images: str = option("", "The folder of images; empty looks around the JSON file.", path=True)
    root: str = option("", _ROOT, path=True)

    def check(self, config: RunConfig) -> Iterator[Problem]:
        """Options that are missing or cannot go together."""
        yield from self.cut_problems()
        yield from refusals.sources(self.path, self.train, self.val, self.test)

    def load(self, task: Task, seed: int) -> Splits:
        """Read the annotations, look at the images once, and cut them where a split is missing."""
        from plugins.data import boxes_coco

        place = boxes_coco.Place(self.path, self.train, self.val, self.test, self.images, self.root)
        return boxes_coco.load(place, self, task, seed)


ADAPTERS = (DigitScenes, Yolo, Voc, Coco)


def _needed(path: str, what: str) -> Iterator[Problem]:
    if not path:
        yield Problem("data.path", "is not given.", f"data.path={what}")
