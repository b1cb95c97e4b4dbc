"""Small pictures with bright rectangles in them, and the exact boxes of these: what a detector can learn in seconds."""

from __future__ import annotations

from core.tasks.detection.boxes import Boxes, BoxExample, Corners

SIDE = 64
"""Width and height of a picture, in pixels."""
_SHAPES = ((26, 10), (10, 26), (16, 16))
"""Width and height of a rectangle of each label: lying, standing, square."""
_COLOURS = ((250, 120, 60), (60, 240, 120), (90, 120, 250))
_EMPTY_EVERY = 12
_TRIES = 20


def box_examples(target: str, count: int) -> list[BoxExample]:
    """Pictures of 64 × 64 pixels on dark noise, as PNG, with one to three rectangles that do not touch each other.

    The label says the rectangle's shape and colour. Every twelfth picture shows none. The same each time.

    Args:
        target: `boxes`.
        count: How many.
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
                    pixels[y : y + height, x : x + width] = _COLOURS[label]
                    corners.append(box)
                    labels.append(label)
                    break
        image = encode_png(pixels)
        boxes = Boxes(tuple(corners), tuple(labels))
        examples.append(BoxExample(image, boxes, (SIDE, SIDE), inspect(image).digest, f"sample:{row + 1}"))
    return examples


def _touch(one: Corners, other: Corners) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]
