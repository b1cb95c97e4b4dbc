"""Adapters for images with boxes: generated scenes of digits, and YOLO, Pascal VOC and COCO annotations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from core import Problem, RunConfig, Splits, Task, option
from core.data import files
from core.tasks import ObjectDetection
from plugins.data.adapters.file_adapter import FileAdapter

_DETECTION = (ObjectDetection.name,)
_ROOT = "All images must lie in this folder. If empty: the folders that the data names."


@dataclass
class DigitScenes(FileAdapter):
    """Scenes of handwritten digits (UCI) with boxes, generated into Graft's cache."""

    name: ClassVar[str] = "digit_scenes"
    task_types: ClassVar[tuple[str, ...]] = _DETECTION

    scenes: int = option(1000, "Number of scenes in all splits.", low=10, high=100_000)
    size: int = option(128, "Width and height of a scene, in pixels.", low=48, high=2048)
    objects: int = option(6, "Maximum number of digits in one scene.", low=1, high=50)
    min_size: int = option(16, "Height of the smallest digits, in pixels.", low=8)
    max_size: int = option(44, "Height of the largest digits, in pixels.", low=8)
    scenes_seed: int = option(0, "Seed of the generated scenes. The run's own seed does not change them.", low=0)
    val_fraction: float = option(0.1, "Share of the scenes used for validation.", low=0.001, high=0.8)
    test_fraction: float = option(
        0.1, "Share of the scenes used for testing. Their digits occur in no other split.", low=0.001, high=0.8
    )

    def check(self, config: RunConfig) -> Iterator[Problem]:
        """Report digits that do not fit, and fractions that leave nothing to train on."""
        yield from self.split_problems()
        if self.min_size > self.max_size:
            yield Problem("data.min_size", f"is larger than data.max_size ({self.max_size}).", "Make it smaller.")
        if self.max_size > self.size:
            yield Problem("data.max_size", f"is larger than a scene ({self.size} pixels).", "Make it smaller.")

    def load(self, task: Task, seed: int) -> Splits:
        """Generate the scenes, or read them from the cache."""
        from plugins.data.builtin import digit_scenes

        return digit_scenes.load_scenes(self._recipe(), self, task, seed)

    def _recipe(self) -> dict[str, int]:
        """Return everything that the scenes depend on. The cache key is a hash of it, so its keys must not change."""
        val, test = (max(1, round(self.scenes * share)) for share in (self.val_fraction, self.test_fraction))
        counts = {"train": self.scenes - val - test, "val": val, "test": test}
        sizes = {"size": self.size, "objects": self.objects, "smallest": self.min_size, "largest": self.max_size}
        return counts | sizes | {"draw": self.scenes_seed}


@dataclass
class Yolo(FileAdapter):
    """Images with boxes in text files, as in YOLO: a data.yaml, or folders images and labels."""

    name: ClassVar[str] = "yolo"
    task_types: ClassVar[tuple[str, ...]] = _DETECTION

    path: str = option(
        "", "A data.yaml, a folder that contains one, or a folder with the folders images and labels.", path=True
    )
    images: str = option("", "The folder of images, if it is not beside the folder labels.", path=True)
    names: list[str] = option(
        None,
        "Label names in the order of their numbers, if neither data.yaml nor classes.txt has them.",
        factory=list,
    )
    unlabelled_images: str = option(
        "background",
        "What an image without a text file means. background: it shows no object, as in Ultralytics (counted). "
        "error: stop. skip: leave it out (counted).",
        choices=("background", "error", "skip"),
    )
    root: str = option("", _ROOT, path=True)

    def check(self, config: RunConfig) -> Iterator[Problem]:
        """Report options that are missing or invalid."""
        yield from self.split_problems()
        yield from _needed(self.path, "data.yaml")

    def load(self, task: Task, seed: int) -> Splits:
        """Read the annotations, inspect each image once, and create the splits that are missing."""
        from plugins.data.boxes import yolo

        given = yolo.YoloFiles(self.path, self.images, tuple(self.names), self.unlabelled_images, self.root)
        return yolo.load_yolo(given, self, task, seed)


@dataclass
class Voc(FileAdapter):
    """Images with boxes in XML files, as written by Pascal VOC and many tools."""

    name: ClassVar[str] = "voc"
    task_types: ClassVar[tuple[str, ...]] = _DETECTION

    path: str = option(
        "",
        "A folder with Annotations, JPEGImages (or images) and optionally ImageSets/Main with train.txt, val.txt "
        "and test.txt; or a folder of XML files beside their images.",
        path=True,
    )
    images: str = option("", "The folder of images, if it is elsewhere.", path=True)
    first_pixel: int = option(
        0, "The coordinate of the first pixel: 0 in most tools, 1 in Pascal VOC's own files.", low=0, high=1
    )
    root: str = option("", _ROOT, path=True)

    def check(self, config: RunConfig) -> Iterator[Problem]:
        """Report options that are missing or invalid."""
        yield from self.split_problems()
        yield from _needed(self.path, "FOLDER")

    def load(self, task: Task, seed: int) -> Splits:
        """Read the annotations, inspect each image once, and create the splits that are missing."""
        from plugins.data.boxes import voc

        given = voc.VocFiles(self.path, self.images, self.first_pixel, self.root)
        return voc.load_voc(given, self, task, seed)


@dataclass
class Coco(FileAdapter):
    """Images with boxes in a JSON file, in the format of COCO instances."""

    name: ClassVar[str] = "coco"
    task_types: ClassVar[tuple[str, ...]] = _DETECTION

    path: str = option(
        "",
        "A JSON file, or a folder of them. Files named after splits (instances_train2017.json) become those splits.",
        path=True,
    )
    train: str = option("", "The JSON file of the training examples, instead of path.", path=True)
    val: str = option(
        "", "The JSON file of the validation examples. If empty, they are taken from the training examples.", path=True
    )
    test: str = option(
        "", "The JSON file of the test examples. If empty, they are taken from the training examples.", path=True
    )
    images: str = option("", "The folder of images. If empty, it is searched near the JSON file.", path=True)
    root: str = option("", _ROOT, path=True)

    def check(self, config: RunConfig) -> Iterator[Problem]:
        """Report options that are missing or contradict each other."""
        yield from self.split_problems()
        yield from files.source_problems(self.path, self.train, self.val, self.test)

    def load(self, task: Task, seed: int) -> Splits:
        """Read the annotations, inspect each image once, and create the splits that are missing."""
        from plugins.data.boxes import coco

        given = coco.CocoFiles(self.path, self.train, self.val, self.test, self.images, self.root)
        return coco.load_coco(given, self, task, seed)


ADAPTERS = (DigitScenes, Yolo, Voc, Coco)


def _needed(path: str, what: str) -> Iterator[Problem]:
    if not path:
        yield Problem("data.path", "is not given.", f"data.path={what}")
