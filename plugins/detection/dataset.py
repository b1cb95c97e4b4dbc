"""Decode a split's images with boxes at the detector's size, and cache them if they fit the budget.

Images keep their aspect ratio. Each is scaled so that its long side is `side` pixels, and stored in the top left corner
of a square. If the squares of a split exceed the budget, images are decoded on each access.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.errors import DataError, Problem
from core.files import new_folder
from core.images import UnreadableImageError, cache_key, in_chunks, open_image
from core.runtime import cache_directory
from core.tasks import Boxes, BoxExample

if TYPE_CHECKING:
    from numpy.typing import NDArray

ON_DISK_FROM = 64 * 2**20
"""From this size in bytes on, decoded images are cached in a file, also for later runs."""

Resize = Callable[["NDArray[np.uint8]", tuple[int, int]], "NDArray[np.uint8]"]
"""Resizes pixels, uint8 [h, w, 3], to a given width and height."""


class Scene(NamedTuple):
    """One image at the detector's size, with its known objects.

    Attributes:
        pixels: uint8 [h, w, 3], RGB; the longer side is `side`. A read-only view of the stored array.
        size: Width and height of the original image, upright.
        corners: float32 [k, 4], in pixels of `pixels`, without crowds.
        labels: int64 [k].
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    corners: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class ScaleTransform:
    """How images are resized for the detector.

    Attributes:
        side: The long side, S, in pixels.
        resize: Resizes pixels.
        key: Identifies the way of resizing in the cache.
    """

    side: int
    resize: Resize
    key: str

    def shape(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return width and height in pixels after resizing; at least one."""
        ratio = self.side / max(size)
        return max(round(size[0] * ratio), 1), max(round(size[1] * ratio), 1)

    def pixels(self, example: BoxExample) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        """Return the resized image, uint8 [h, w, 3], and its original width and height.

        Raises:
            UnreadableImageError: The file is not a complete image.
        """
        image = open_image(example.image)
        read = np.asarray(image, dtype=np.uint8)
        shape = self.shape(image.size)
        return (read if shape == image.size else self.resize(read, shape)), image.size


@dataclass
class Scenes:
    """A split of images with boxes.

    Attributes:
        examples: The split.
        transform: How the images are resized.
        store: uint8 [n, S, S, 3], or None if images are decoded on each access.
        sizes: Width and height of each image, int32 [n, 2]; None if images are decoded on each access.
        lengths: int64 [n], ones, because all images cost the same.
    """

    examples: Sequence[BoxExample]
    transform: ScaleTransform
    store: NDArray[np.uint8] | None
    sizes: NDArray[np.int32] | None
    lengths: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.lengths = np.ones(len(self.examples), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def needs_workers(self) -> bool:
        """Whether a scene is decoded on each access."""
        return self.store is None

    def scene(self, index: int) -> Scene:
        """Return one image and its boxes.

        Raises:
            DataError: The image has become unreadable since the data check.
        """
        example = self.examples[index]
        if self.store is None or self.sizes is None:
            try:
                pixels, size = self.transform.pixels(example)
            except UnreadableImageError as error:
                raise DataError(Problem(example.place, f"{error.message}.", error.cure)) from error
        else:
            size = (int(self.sizes[index, 0]), int(self.sizes[index, 1]))
            width, height = self.transform.shape(size)
            pixels = self.store[index, :height, :width]
        corners, labels = _objects(example.target, size)
        height, width = pixels.shape[:2]
        ratios = np.asarray([width / size[0], height / size[1]] * 2, dtype=np.float32)
        return Scene(pixels, size, corners * ratios, labels)


def _objects(target: Boxes | None, size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return corners, clipped to the image, and labels of the objects to learn, without crowds."""
    corners, labels, crowd = (target or Boxes()).arrays()
    limits = np.asarray([*size, *size], dtype=np.float32)
    return np.clip(corners, 0, limits)[~crowd], labels[~crowd]


def prepare(examples: Sequence[BoxExample], transform: ScaleTransform, budget: int, fingerprint: str) -> Scenes:
    """Decode a split, read it from the cache, or leave decoding to each access.

    Args:
        examples: The split.
        transform: How images are resized.
        budget: Maximum size of the decoded images in bytes.
        fingerprint: The splits' fingerprint, a part of the cache key.

    Raises:
        DataError: Images cannot be read; the error names all of them.
    """
    needed = len(examples) * transform.side * transform.side * 3
    if needed > budget:
        return Scenes(examples, transform, None, None)
    if needed < ON_DISK_FROM:
        return Scenes(examples, transform, *_decoded(examples, transform))
    return Scenes(examples, transform, *_cached(examples, transform, fingerprint))


def long_side(examples: Sequence[BoxExample], sampled: int = 256) -> int:
    """Return the median long side of a sample of images, in pixels; 0 if none can be read."""
    step = max(1, len(examples) // sampled)
    sizes = [_size(examples[row]) for row in range(0, len(examples), step)]
    sides = sorted(max(size) for size in sizes if all(size))
    return sides[len(sides) // 2] if sides else 0


def _size(example: BoxExample) -> tuple[int, int]:
    """Return the width and height of an image, read from its file if unknown; (0, 0) if unreadable."""
    if all(example.size):
        return example.size
    try:
        return open_image(example.image).size
    except UnreadableImageError:
        return 0, 0


# --- decoding -------------------------------------------------------------------------------------------------------

Chunk = tuple["NDArray[np.uint8]", "NDArray[np.int32]"]
"""Squares uint8 [k, S, S, 3], and widths and heights int32 [k, 2]."""


def _decoded(examples: Sequence[BoxExample], transform: ScaleTransform) -> Chunk:
    """Return all squares and the sizes of the images."""
    store = np.zeros((len(examples), transform.side, transform.side, 3), dtype=np.uint8)
    sizes = np.ones((len(examples), 2), dtype=np.int32)
    at = 0
    for squares, sized in _squares(examples, transform):
        store[at : at + len(squares)], sizes[at : at + len(sized)] = squares, sized
        at += len(squares)
    return store, sizes


def _squares(examples: Sequence[BoxExample], transform: ScaleTransform) -> Iterator[Chunk]:
    """Yield squares in chunks, with one thread per core: decoders release the interpreter lock.

    Raises:
        DataError: At the end, for images that could not be read.
    """

    def decode(example: BoxExample) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        square = np.zeros((transform.side, transform.side, 3), dtype=np.uint8)
        pixels, size = transform.pixels(example)
        square[: pixels.shape[0], : pixels.shape[1]] = pixels
        return square, size

    blank = np.zeros((transform.side, transform.side, 3), dtype=np.uint8), (1, 1)
    for chunk in in_chunks(examples, decode, blank):
        squares, sizes = zip(*chunk, strict=True)
        yield np.stack(squares), np.asarray(sizes, dtype=np.int32)


# --- the cache ------------------------------------------------------------------------------------------------------


def _cached(examples: Sequence[BoxExample], transform: ScaleTransform, fingerprint: str) -> Chunk:
    """Return the squares memory-mapped from the cache, written first if missing; in memory if that fails."""
    how = f"scenes 1 {fingerprint} {transform.key} {transform.side} {len(examples)}"
    folder = cache_directory() / "scenes" / cache_key((examples[row] for row in range(len(examples))), how)
    shape = (len(examples), transform.side, transform.side, 3)
    try:
        if not folder.is_dir():
            _write(folder, shape, _squares(examples, transform))
        store: NDArray[np.uint8] = np.load(folder / "pixels.npy", mmap_mode="r")
        sizes: NDArray[np.int32] = np.load(folder / "sizes.npy")
        if store.shape == shape and store.dtype == np.uint8 and sizes.shape == (shape[0], 2):
            return store, sizes
    except (OSError, ValueError, EOFError):  # a full or read-only disk, or a damaged file
        pass
    return _decoded(examples, transform)


def _write(folder: Path, shape: tuple[int, ...], chunks: Iterator[Chunk]) -> None:
    """Write both arrays in NumPy's format into a new folder of the cache."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(folder, shared=True) as aside:
        sizes: list[NDArray[np.int32]] = []
        with (aside / "pixels.npy").open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
            for squares, sized in chunks:
                file.write(squares.tobytes())
                sizes.append(sized)
        np.save(aside / "sizes.npy", np.concatenate(sizes))
