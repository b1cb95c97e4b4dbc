"""Decode a split's images once and cache them as uint8 if they fit the budget, else decode them on each access.

In evaluation, pixels equal those of timm's own transform exactly. Training with augmentation starts from the whole
image, squeezed into a square somewhat larger than the model's input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.errors import DataError, Problem
from core.files import new_file
from core.images import UnreadableImageError, cache_key, in_chunks, open_image
from core.runtime import cache_directory
from core.tasks import ImageExample
from plugins.images.augmentation import Mixing, Policy, Variation, identity_variation, mix, vary

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from core.tasks import Targets

ON_DISK_FROM = 64 * 2**20
"""From this size in bytes on, decoded images are cached in a file, also for later runs."""


class View(NamedTuple):
    """One stored image, and how it will be augmented.

    Attributes:
        pixels: uint8 [S, S, 3].
        variation: Its random augmentation; None for no augmentation.
        target: int, float32 [c], or None.
    """

    pixels: NDArray[np.uint8]
    variation: Variation | None
    target: Any


class MixedView(NamedTuple):
    """One example, ready to be stacked: a view, and optionally a second one to mix in."""

    view: View
    mixing: Mixing | None = None
    partner: View | None = None


@dataclass(frozen=True)
class ImageTransform:
    """How images of a split become squares.

    Attributes:
        side: Height and width, S, in pixels.
        shape: Maps an image to a square image.
        key: Identifies the transform in the cache.
        crop: Share of the short side that evaluation crops.
        policy: How training images are augmented; None for evaluation.
    """

    side: int
    shape: Callable[[Image], Image]
    key: str
    crop: float = 1.0
    policy: Policy | None = None

    def pixels(self, example: ImageExample) -> NDArray[np.uint8]:
        """Return the square, uint8 [S, S, 3].

        Raises:
            UnreadableImageError: The file is not a complete image.
        """
        return np.asarray(self.shape(open_image(example.image)), dtype=np.uint8)


@dataclass
class ImageDataset:
    """The images of a split; a `core.PreparedDataset`.

    Attributes:
        examples: The split.
        transform: How its images become squares.
        store: uint8 [n, S, S, 3], or None if images are decoded on each access.
        targets: As `OutputSpec.stack` returns them, or None if unknown.
        lengths: int64 [n], ones.
        needs_workers: Whether fetching decodes files.
    """

    examples: Sequence[ImageExample]
    transform: ImageTransform
    store: NDArray[np.uint8] | None
    targets: Targets | None = None
    lengths: NDArray[np.int64] = field(init=False)
    needs_workers: bool = field(init=False)

    def __post_init__(self) -> None:
        self.lengths = np.ones(len(self.examples), dtype=np.int64)
        self.needs_workers = self.store is None
        if self.transform.policy is not None:
            sizes = [size_of(each) for each in _iterate(self.examples)]
            self._sizes = np.asarray(sizes, dtype=np.int32).reshape(-1, 2)

    def __len__(self) -> int:
        return len(self.lengths)

    def fetch(self, index: int, epoch: int, rng: np.random.Generator | None) -> MixedView:
        """Return one image; in training, with random augmentation and a partner to mix in.

        Raises:
            DataError: The image has become unreadable since the data check.
        """
        policy = self.transform.policy
        if policy is None or rng is None:
            return MixedView(self._view(index, None))  # without a generator there is no augmentation
        mixing = mix(policy, index, len(self), rng)
        partner = None if mixing is None else self._view(mixing.partner, rng)
        return MixedView(self._view(index, rng), mixing, partner)

    def _view(self, index: int, rng: np.random.Generator | None) -> View:
        if self.store is None:
            try:
                pixels = self.transform.pixels(self.examples[index])
            except UnreadableImageError as error:
                raise DataError(Problem(self.examples[index].place, f"{error.message}.", error.cure)) from error
        else:
            pixels = self.store[index]
        variation = None
        if self.transform.policy is not None:
            width, height = (int(each) for each in self._sizes[index])
            if rng is None:
                variation = identity_variation((width, height), self.transform.crop)
            else:
                variation = vary(self.transform.policy, (width, height), self.transform.crop, rng)
        return View(pixels, variation, None if self.targets is None else self.targets[index])


def prepare(
    examples: Sequence[ImageExample], transform: ImageTransform, budget: int, fingerprint: str, targets: Targets | None
) -> ImageDataset:
    """Decode a split, read it from the cache, or leave decoding to each access.

    Args:
        examples: The split.
        transform: How its images become squares.
        budget: Maximum size of the decoded images in bytes.
        fingerprint: The splits' fingerprint, a part of the cache key.
        targets: As `OutputSpec.stack` returns them, or None.

    Raises:
        DataError: Images cannot be read; the error names all of them.
    """
    size = len(examples) * transform.side * transform.side * 3
    if size > budget:
        return ImageDataset(examples, transform, None, targets)
    if size < ON_DISK_FROM:
        return ImageDataset(examples, transform, _decoded(examples, transform), targets)
    return ImageDataset(examples, transform, _cached(examples, transform, fingerprint), targets)


def _iterate(examples: Sequence[ImageExample]) -> Iterator[ImageExample]:
    return iter(examples)


def size_of(example: ImageExample) -> tuple[int, int]:
    """Return the width and height of an image, read from its file if unknown; (1, 1) if unreadable."""
    if all(example.size):
        return example.size
    try:
        return open_image(example.image).size
    except UnreadableImageError:
        return 1, 1


def _decoded(examples: Sequence[ImageExample], transform: ImageTransform) -> NDArray[np.uint8]:
    """Return all squares, uint8 [n, S, S, 3]."""
    store = np.empty((len(examples), transform.side, transform.side, 3), dtype=np.uint8)
    at = 0
    for squares in _squares(examples, transform):
        store[at : at + len(squares)] = squares
        at += len(squares)
    return store


def _squares(examples: Sequence[ImageExample], transform: ImageTransform) -> Iterator[NDArray[np.uint8]]:
    """Yield squares in chunks, uint8 [k, S, S, 3], with one thread per core: decoders release the interpreter lock.

    Raises:
        DataError: At the end, for images that could not be read.
    """
    blank = np.zeros((transform.side, transform.side, 3), dtype=np.uint8)
    return (np.stack(chunk) for chunk in in_chunks(examples, transform.pixels, blank))


# --- the cache ------------------------------------------------------------------------------------------------------


def _cached(examples: Sequence[ImageExample], transform: ImageTransform, fingerprint: str) -> NDArray[np.uint8]:
    """Return the squares memory-mapped from the cache, written first if missing; in memory if that fails."""
    how = f"1 {fingerprint} {transform.key} {transform.side} {len(examples)}"
    path = cache_directory() / "images" / f"{cache_key(_iterate(examples), how)}.npy"
    shape = (len(examples), transform.side, transform.side, 3)
    try:
        if not path.is_file():
            _write(path, shape, _squares(examples, transform))
        store: NDArray[np.uint8] = np.load(path, mmap_mode="r")
        if store.shape == shape and store.dtype == np.uint8:
            return store
    except (OSError, ValueError):  # a full or read-only disk, or a damaged file
        pass
    return _decoded(examples, transform)


def _write(path: Path, shape: tuple[int, ...], chunks: Iterable[NDArray[np.uint8]]) -> None:
    """Write an array in NumPy's format to a new file of the cache."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path, shared=True) as aside, aside.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for chunk in chunks:
            file.write(chunk.tobytes())
