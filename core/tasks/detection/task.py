"""The task type of objects in images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from core.errors import Problem
from core.images.examples import find_images, identity, path_or_place, read_problem
from core.tasks.detection.boxes import BoxExample, Detections
from core.tasks.detection.target import BOXES
from core.tasks.task_type import TaskType

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.tasks.targets.target import Predictions


@dataclass
class ObjectDetection(TaskType):
    """Find the objects in an image, each with a box and a label."""

    name: ClassVar[str] = "object-detection"
    example: ClassVar[type] = BoxExample
    targets: ClassVar[tuple[str, ...]] = (BOXES,)

    def identity(self, example: BoxExample) -> bytes:
        """Return the hash of the pixels."""
        return identity(example)

    def content(self, example: BoxExample) -> dict[str, Any]:
        """Return the path of the file, or the place of an image without a file."""
        return {"image": path_or_place(example)}

    def parse(self, text: str) -> BoxExample:
        """Return the example for the path of an image file."""
        return BoxExample(Path(text).expanduser(), place=text)

    def read(self, words: Iterable[str]) -> Iterator[BoxExample]:
        """Yield the images of files, folders (at any depth) and globs.

        Raises:
            DataError: A file does not exist, a folder contains no image, or a glob matches no file.
        """
        return (BoxExample(path, place=str(path)) for path in find_images(words))

    def fault(self, example: BoxExample) -> Problem | None:
        """Return why the file cannot be read as an image, or None."""
        return read_problem(example)

    def picture(
        self,
        examples: Sequence[BoxExample],
        predictions: Predictions,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
    ) -> Image | None:
        """Return a page of images with the objects and, beside them, the detections; half show the most errors."""
        from core.tasks.detection.drawing import truth_and_prediction

        return truth_and_prediction(examples, predictions, labels, thresholds)

    def drawn(
        self,
        example: BoxExample,
        prediction: Detections,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
    ) -> Image | None:
        """Return the image with box, label and score of each detection."""
        from core.images.reading import open_image
        from core.tasks.detection.drawing import detection_marks, draw

        return draw(open_image(example.image), detection_marks(prediction, labels, thresholds))
