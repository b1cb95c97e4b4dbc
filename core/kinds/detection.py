"""Images with boxes: find objects and label them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from core.errors import Problem
from core.kinds import images
from core.kinds.boxes import Boxes, Detections
from core.kinds.kind import BOXES, Kind, Target

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from core.kinds.kind import Predictions


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

    def strata(self, targets: Sequence[Target], target: str) -> NDArray[np.int64]:
        """The rarest label in each image, int64 [n]; images without objects are a stratum of their own."""
        import numpy as np

        present = [tuple(set(each.labels)) if isinstance(each, Boxes) else () for each in targets]
        counts: dict[int, int] = {}
        for labels in present:
            for label in labels:
                counts[label] = counts.get(label, 0) + 1
        rarest = [min(labels, key=lambda label: (counts[label], label)) if labels else -1 for labels in present]
        return np.asarray(rarest, dtype=np.int64)

    def write(
        self, prediction: Detections, labels: Sequence[str], target: str, thresholds: Sequence[float] | None = None
    ) -> dict[str, Any]:
        """The objects found, the surest first: label, score, and box as x1, y1, x2, y2 in pixels.

        Args:
            prediction: What the detector says.
            labels: Label names.
            target: `boxes`.
            thresholds: One number: objects with a lower score are left out; None for all of them.
        """
        kept = prediction if thresholds is None else prediction.surer_than(thresholds[0])
        rows = zip(kept.labels, kept.scores, kept.corners, strict=True)
        return {
            "objects": [
                {
                    "label": labels[int(label)],
                    "score": round(float(score), 6),
                    "box": [round(float(value), 2) for value in corners],
                }
                for label, score, corners in rows
            ]
        }

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

    def write_target(self, value: Target, labels: Sequence[str], target: str) -> Any:
        """The objects that are there: label, box, and `crowd` where one stands for many."""
        if value is None:
            return None
        assert isinstance(value, Boxes)
        crowd = value.crowd or (False,) * len(value)
        return [
            {"label": labels[label], "box": list(corners)} | ({"crowd": True} if many else {})
            for label, corners, many in zip(value.labels, value.corners, crowd, strict=True)
        ]
