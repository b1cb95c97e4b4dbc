"""Images with boxes: find objects and label them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from core.errors import Problem
from core.kinds import images
from core.kinds.boxes import Boxes, Detections
from core.kinds.detection_target import BOXES
from core.kinds.kind import Kind

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.kinds.targets.target import Predictions


@dataclass(frozen=True, slots=True)
class BoxExample:
    """An image with the objects in it.

    Attributes:
        image: The path of an image file, or the bytes of one.
        target: The objects (none is an answer too); None where they are not known.
        size: Width and height in pixels, upright, where the data adapter has looked; else (0, 0).
        digest: Hash of its pixels, where the data adapter has looked; equal for copies.
        place: Where it was found, for messages: `photos/1.jpg`, `scenes:12`.
    """

    image: Path | bytes
    target: Boxes | None = None
    size: tuple[int, int] = (0, 0)
    digest: str = ""
    place: str = ""


@dataclass
class ObjectDetection(Kind):
    """Find the objects in an image, each with a box and a label."""

    name: ClassVar[str] = "object-detection"
    example: ClassVar[type] = BoxExample
    targets: ClassVar[tuple[str, ...]] = (BOXES,)

    def identity(self, example: BoxExample) -> bytes:
        """The hash of its pixels."""
        return images.identity(example)

    def content(self, example: BoxExample) -> dict[str, Any]:
        """The path of its file; of an image that has none, where it was found."""
        return {"image": images.shown(example)}

    def parse(self, text: str) -> BoxExample:
        """The path of an image file."""
        return BoxExample(Path(text).expanduser(), place=text)

    def read(self, words: Iterable[str]) -> Iterator[BoxExample]:
        """Files, folders (all images in them, at any depth) and globs.

        Raises:
            DataError: There is no such file, a folder holds no image, or a glob matches none.
        """
        return (BoxExample(path, place=str(path)) for path in images.found(words))

    def fault(self, example: BoxExample) -> Problem | None:
        """Why its file cannot be read as an image, or None."""
        return images.fault(example)

    def picture(
        self,
        examples: Sequence[BoxExample],
        predictions: Predictions,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
    ) -> Image | None:
        """Images with what is there and, beside it, what was found; some of them those with the most errors."""
        from core.drawing import truth_and_prediction

        return truth_and_prediction(examples, predictions, labels, thresholds)

    def drawn(
        self,
        example: BoxExample,
        prediction: Detections,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
    ) -> Image | None:
        """The image with a box, a label and a score for each object found."""
        from core.drawing import draw, found_marks
        from core.images import open_image

        return draw(open_image(example.image), found_marks(prediction, labels, thresholds))
