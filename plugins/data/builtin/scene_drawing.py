"""Draw scenes of handwritten digits with their boxes, from a seed.

All random numbers come from NumPy's frozen generator (`RandomState`) and all arithmetic uses integers, so the scenes
are the same on every machine. The three splits use different digits: no digit of the training scenes is in a test
scene.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core.data import NAMES
from core.tasks import NamedBox

LABELS = tuple("0123456789")
_INK_FROM = 96
"""Pixels with at least this much ink (of 255) belong to a digit and lie inside its box."""
_EMPTY_PERCENT = 3
_SHARES = (70, 85)
"""Percentages of scikit-learn's digits at which the validation digits and the test digits begin."""
_TRIES = 30
_OVERLAP = 6
"""Two digits share less than 1 / this of the smaller box."""
Pixels = NDArray[np.uint8]
Digits = list[tuple[Pixels, str]]


def pools() -> dict[str, NDArray[np.int64]]:
    """Return which of scikit-learn's 1,797 digits each split uses, by number: int64 [n] each."""
    order = np.random.RandomState(0).permutation(1797)
    first, second = (len(order) * share // 100 for share in _SHARES)
    return dict(zip(NAMES, (order[:first], order[first:second], order[second:]), strict=True))


def digits() -> dict[str, Digits]:
    """Return the digits of each split: uint8 [8, 8], ink 255 on 0, with labels."""
    from sklearn.datasets import load_digits

    read = load_digits()
    ink = (read.images.astype(np.int64) * 255 // 16).astype(np.uint8)
    return {split: [(ink[row], str(read.target[row])) for row in rows] for split, rows in pools().items()}


def draw(recipe: Mapping[str, int], source: Digits, split: str, number: int) -> tuple[Pixels, list[NamedBox]]:
    """Return one scene, uint8 [size, size, 3], and the digits in it.

    Args:
        recipe: `size` of the scenes in pixels, maximum number of `objects`, height of the `smallest` and `largest`
            digits in pixels, and `draw`, the seed.
        source: The digits to choose from.
        split: The scene's split.
        number: The scene's number in its split.
    """
    random = np.random.RandomState([recipe["draw"], NAMES.index(split), number])
    size = recipe["size"]
    scene = _background(random, size)
    boxes: list[NamedBox] = []
    wanted = 0 if random.randint(100) < _EMPTY_PERCENT else random.randint(1, recipe["objects"] + 1)
    for _ in range(wanted):
        ink, label = source[random.randint(len(source))]
        ink = _enlarged(ink, random.randint(recipe["smallest"], recipe["largest"] + 1))
        height, width = ink.shape
        for _ in range(_TRIES):
            x, y = random.randint(size - width + 1), random.randint(size - height + 1)
            box = NamedBox(label, (float(x), float(y), float(x + width), float(y + height)))
            if not any(_overlap(box, other) for other in boxes):
                _draw_digit(scene[y : y + height, x : x + width], ink, random)
                boxes.append(box)
                break
    return _noisy(random, scene), boxes


def _background(random: np.random.RandomState, size: int) -> NDArray[np.int64]:
    """Return a color gradient between the corners, int64 [size, size, 3]."""
    gray = random.randint(30, 226)
    corners = np.clip(gray + random.randint(-24, 25, (2, 2, 3)), 0, 255)
    ramp = np.arange(size)
    down, right = ramp[:, None, None], ramp[None, :, None]
    last = size - 1
    top = corners[0, 0] * (last - right) + corners[0, 1] * right
    bottom = corners[1, 0] * (last - right) + corners[1, 1] * right
    scene: NDArray[np.int64] = (top * (last - down) + bottom * down) // (last * last)
    return scene


def _enlarged(ink: Pixels, height: int) -> Pixels:
    """Return a digit scaled from 8 rows to `height` pixels and cropped to its ink."""
    from PIL import Image

    large = np.asarray(Image.fromarray(ink).resize((height, height), Image.Resampling.BILINEAR))
    covered = large >= _INK_FROM
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    return large[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _draw_digit(under: NDArray[np.int64], ink: Pixels, random: np.random.RandomState) -> None:
    """Draw a digit in a contrasting color. Changes `under`, int64 [h, w, 3]."""
    gray = int(under.mean())
    contrast = random.randint(70, 140)
    darker = gray - contrast >= 0 and (gray + contrast > 255 or random.randint(2) == 0)
    color = np.clip((gray - contrast if darker else gray + contrast) + random.randint(-24, 25, 3), 0, 255)
    cover = ink.astype(np.int64)[:, :, None]
    under[:] = (under * (255 - cover) + color * cover) // 255


def _noisy(random: np.random.RandomState, scene: NDArray[np.int64]) -> Pixels:
    most = random.randint(2, 11)
    noise = random.randint(-most, most + 1, scene.shape[:2])[:, :, None]
    pixels: Pixels = np.clip(scene + noise, 0, 255).astype(np.uint8)
    return pixels


def _overlap(one: NamedBox, other: NamedBox) -> bool:
    """Return whether two boxes share more of the smaller one than allowed."""
    (ax, ay, bx, by), (cx, cy, dx, dy) = one.corners, other.corners
    shared = max(0.0, min(bx, dx) - max(ax, cx)) * max(0.0, min(by, dy) - max(ay, cy))
    return shared * _OVERLAP >= min((bx - ax) * (by - ay), (dx - cx) * (dy - cy))
