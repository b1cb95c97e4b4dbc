"""Objects in images, and detections."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Corners = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the upright image as it is stored, from its top left corner to the right and down."""


class NamedBox(NamedTuple):
    """One object as a data adapter reads it.

    Attributes:
        label: The name of its label.
        corners: Its corners in pixels.
        crowd: Whether it stands for many objects (COCO's `iscrowd`) or is ambiguous (VOC's `difficult`). Detecting it
            counts neither as correct nor as wrong.
    """

    label: str
    corners: Corners
    crowd: bool = False


@dataclass(frozen=True, slots=True)
class Boxes:
    """The objects of one image; there may be none.

    Attributes:
        corners: The corners of each object.
        labels: The index of each object's label.
        crowd: Whether each object stands for many; empty if none does.
    """

    corners: tuple[Corners, ...] = ()
    labels: tuple[int, ...] = ()
    crowd: tuple[bool, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def arrays(self) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
        """Return corners float32 [k, 4], labels int64 [k] and crowd bool [k]."""
        import numpy as np

        corners = np.asarray(self.corners, dtype=np.float32).reshape(-1, 4)
        crowd = np.asarray(self.crowd or (False,) * len(self), dtype=bool)
        return corners, np.asarray(self.labels, dtype=np.int64), crowd


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The detections in one image, the most confident first.

    Attributes:
        corners: float32 [k, 4], in pixels of the upright image as it is stored.
        scores: float32 [k], from 0 to 1.
        labels: int64 [k].
    """

    corners: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)

    def at_least(self, threshold: float) -> Detections:
        """Return the detections with a score of at least `threshold`."""
        kept = self.scores >= threshold
        return Detections(self.corners[kept], self.scores[kept], self.labels[kept])


@dataclass(frozen=True, slots=True)
class BoxExample:
    """An image with the objects in it.

    Attributes:
        image: The path of an image file, or the bytes of one.
        target: The objects, which may be none; None if they are unknown.
        size: Width and height in pixels, upright; (0, 0) if the data adapter has not opened the image.
        digest: Hash of its pixels, equal for copies; empty if the data adapter has not opened the image.
        place: Where it was read, for messages: `photos/1.jpg`, `scenes:12`.
    """

    image: Path | bytes
    target: Boxes | None = None
    size: tuple[int, int] = (0, 0)
    digest: str = ""
    place: str = ""
