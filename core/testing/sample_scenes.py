"""Synthetic images of rectangles with their boxes, which a detector learns in seconds."""

from __future__ import annotations

from core.tasks.detection.boxes import Boxes, BoxExample, Corners

SIDE = 64
"""Width and height of an image, in pixels."""
_SHAPES = ((26, 10), (10, 26), (16, 16))
"""Width and height of the rectangle of each label: horizontal, vertical, square."""
_COLORS = ((250, 120, 60), (60, 240, 120), (90, 120, 250))
_EMPTY_EVERY = 12
"""One image in this many has no rectangle."""
_TRIES = 20
"""Number of attempts to place a rectangle that touches no other."""


def box_examples(target: str, count: int) -> list[BoxExample]:
    """Return PNG images of 64 × 64 pixels with one to three separate rectangles on dark noise; the same on each call.

    The label decides the shape and color of a rectangle. Every twelfth image is empty.

    Args:
        target: The target type, `boxes`.
        count: Number of images.
    """
    import numpy as np

    from core.images.reading import encode_png, inspect

    assert target == "boxes"
    examples = []
    for row in range(count):
        random = np.random.RandomState(row)
        pixels = random.randint(0, 40, (SIDE, SIDE, 3)).astype(np.uint8)
        corners: list[Corners] = []
        labels: list[int] = []
        wanted = 0 if row % _EMPTY_EVERY == _EMPTY_EVERY - 1 else 1 + row % 3
        for number in range(wanted):
            label = (row + number) % 3
            width, height = _SHAPES[label]
            for _ in range(_TRIES):
                x, y = int(random.randint(SIDE - width + 1)), int(random.randint(SIDE - height + 1))
                box = (float(x), float(y), float(x + width), float(y + height))
                if not any(_touch(box, other) for other in corners):
                    pixels[y : y + height, x : x + width] = _COLORS[label]
                    corners.append(box)
                    labels.append(label)
                    break
        image = encode_png(pixels)
        boxes = Boxes(tuple(corners), tuple(labels))
        examples.append(BoxExample(image, boxes, (SIDE, SIDE), inspect(image).digest, f"sample:{row + 1}"))
    return examples


def _touch(one: Corners, other: Corners) -> bool:
    """Return whether two boxes touch or overlap."""
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]
