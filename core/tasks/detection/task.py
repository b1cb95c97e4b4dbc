"""Images with boxes: find objects and label them."""

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
        """The hash of its pixels."""
        return identity(example)

    def content(self, example: BoxExample) -> dict[str, Any]:
        """The path of its file; of an image that has none, where it was found."""
        return {"image": path_or_place(example)}

    def parse(self, text: str) -> BoxExample:
        """The path of an image file."""
        return BoxExample(Path(text).expanduser(), place=text)

    def read(self, words: Iterable[str]) -> Iterator[BoxExample]:
        """Files, folders (all images in them, at any depth) and globs.

        Raises:
            DataError: There is no such file, a folder holds no image, or a glob matches none.
        """
        return (BoxExample(path, place=str(path)) for path in find_images(words))

    def fault(self, example: BoxExample) -> Problem | None:
        """Why its file cannot be read as an image, or None."""
        return read_problem(example)

    def picture(
        self,
        examples: Sequence[BoxExample],
        predictions: Predictions,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
    ) -> Image | None:
        """Images with what is there and, beside it, what was found; some of them those with the most errors."""
        from core.tasks.detection.drawing import truth_and_prediction

        return truth_and_prediction(examples, predictions, labels, thresholds)

    def drawn(
        self,
        example: BoxExample,
        prediction: Detections,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
    ) -> Image | None:
        """The image with a box, a label and a score for each object found."""
        from core.images.reading import open_image
        from core.tasks.detection.drawing import draw, found_marks

        return draw(open_image(example.image), found_marks(prediction, labels, thresholds))
