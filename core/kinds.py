"""What can be learned: the example, target and prediction types of each kind, and the shapes they use.

Shapes are written with these letters everywhere in Graft:

    n   examples in a split          b   examples in a batch
    c   labels                       s   tokens of the longest text in a batch
    d   width of a hidden state      r   bootstrap resamples
    h   height of an image           w   width of an image, in pixels

Targets, as arrays over a split (`encode_targets`):

    single       int64   [n]      the index of the label
    multi        float32 [n, c]   1 where the label applies, else 0
    regression   float32 [n]      the value

Predictions, in the order of the split:

    single       float32 [n, c]   probabilities, a softmax over the labels
    multi        float32 [n, c]   probabilities, a sigmoid for each label
    regression   float32 [n]      the value

An image is a file, by its path or its bytes; what is in it is read by `core.images` as RGB, uint8 [h, w, 3].
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from core.component import Component
from core.errors import Problem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Targets: TypeAlias = NDArray[np.int64] | NDArray[np.float32]
    Predictions: TypeAlias = NDArray[np.float32]
else:
    Targets = Predictions = Any

Target: TypeAlias = int | tuple[int, ...] | float | None
"""One example's target: a label's index, a sorted tuple of them, a value, or None where it is not known."""

SINGLE, MULTI, REGRESSION = "single", "multi", "regression"
MULTI_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class TextExample:
    """A text, or a pair of texts, with what it should be given.

    Attributes:
        text: The text.
        target: What should be predicted; None where it is not known.
        pair: The second text of a pair (premise and hypothesis, question and answer), or None.
        place: Where the example was read, for messages: `reviews.csv:12`.
    """

    text: str
    target: Target = None
    pair: str | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class ImageExample:
    """An image with what it should be given.

    Attributes:
        image: The path of an image file, or the bytes of one.
        target: What should be predicted; None where it is not known.
        size: Width and height in pixels, upright, where the data adapter has looked; else (0, 0).
        digest: Hash of its pixels, where the data adapter has looked; equal for copies.
        place: Where it was found, for messages: `photos/cat/1.jpg`, `labels.csv:12`.
    """

    image: Path | bytes
    target: Target = None
    size: tuple[int, int] = (0, 0)
    digest: str = ""
    place: str = ""


@dataclass
class Kind(Component):
    """A kind of task: how its examples are told apart and stratified, and how its predictions are written."""

    example: ClassVar[type]
    targets: ClassVar[tuple[str, ...]]

    @abstractmethod
    def identity(self, example: Any) -> bytes:
        """The content that makes two examples duplicates of each other, whatever their targets are."""

    @abstractmethod
    def content(self, example: Any) -> dict[str, Any]:
        """The example as JSON values, for `predictions.jsonl`."""

    @abstractmethod
    def parse(self, text: str) -> Any:
        """An example without a target from one argument of `predict`, or one line of its input."""

    def read(self, words: Iterable[str]) -> Iterator[Any]:
        """Examples without targets from the arguments of `predict`, or the lines of its input; a word may mean many."""
        return (self.parse(word) for word in words)

    def fault(self, example: Any) -> Problem | None:
        """Why an example that `read` gave cannot be used, or None."""
        return None

    def strata(self, targets: Sequence[Target], target: str) -> NDArray[np.int64]:
        """The stratum of each example, for a cut that keeps proportions: int64 [n].

        A label is its own stratum; so is each set of labels; values are stratified by decile.
        """
        import numpy as np

        if target == REGRESSION:
            values = np.asarray(targets, dtype=np.float64)
            edges = np.unique(np.quantile(values, np.linspace(0.1, 0.9, 9)))
            return np.searchsorted(edges, values).astype(np.int64)
        numbers: dict[Target, int] = {}
        return np.asarray([numbers.setdefault(each, len(numbers)) for each in targets], dtype=np.int64)

    def write(
        self, prediction: Any, labels: Sequence[str], target: str, thresholds: Sequence[float] | None = None
    ) -> dict[str, Any]:
        """One prediction as JSON values: the label or labels and the probabilities, or the value.

        Args:
            prediction: As `raw` predictions are shaped, without the leading dimension.
            labels: Label names.
            target: The task's target.
            thresholds: Of `multi`: the probability from which each label applies; None for `MULTI_THRESHOLD`.
        """
        if target == REGRESSION:
            return {"value": float(prediction)}
        probabilities = {label: round(float(p), 6) for label, p in zip(labels, prediction, strict=True)}
        if target == MULTI:
            limits = [MULTI_THRESHOLD] * len(labels) if thresholds is None else thresholds
            chosen = [label for label, p, least in zip(labels, prediction, limits, strict=True) if float(p) >= least]
            return {"labels": chosen, "probabilities": probabilities}
        return {"label": max(probabilities, key=probabilities.__getitem__), "probabilities": probabilities}

    def write_target(self, value: Target, labels: Sequence[str], target: str) -> Any:
        """One target as a JSON value: the label's name, a list of names, the value, or None."""
        if value is None:
            return None
        if target == REGRESSION:
            return value
        if target == MULTI:
            assert isinstance(value, tuple)
            return [labels[index] for index in value]
        assert isinstance(value, int)
        return labels[value]


@dataclass
class TextClassification(Kind):
    """Label a text, or a pair of texts, or give it a value."""

    name: ClassVar[str] = "text-classification"
    example: ClassVar[type] = TextExample
    targets: ClassVar[tuple[str, ...]] = (SINGLE, MULTI, REGRESSION)

    def identity(self, example: TextExample) -> bytes:
        """The text and its pair, with white space folded."""
        texts = (example.text,) if example.pair is None else (example.text, example.pair)
        return "\x00".join(" ".join(text.split()) for text in texts).encode()

    def parse(self, text: str) -> TextExample:
        """The text itself, or a JSON object with `text` and, of a pair, `pair`."""
        if text.lstrip().startswith("{"):
            try:
                read = json.loads(text)
                return TextExample(str(read["text"]), pair=None if read.get("pair") is None else str(read["pair"]))
            except (ValueError, KeyError, AttributeError):
                pass  # a text that happens to begin with a brace
        return TextExample(text)

    def content(self, example: TextExample) -> dict[str, Any]:
        """The text, and its pair where it has one."""
        return {"text": example.text} if example.pair is None else {"text": example.text, "pair": example.pair}


@dataclass
class ImageClassification(Kind):
    """Label an image."""

    name: ClassVar[str] = "image-classification"
    example: ClassVar[type] = ImageExample
    targets: ClassVar[tuple[str, ...]] = (SINGLE, MULTI)

    def identity(self, example: ImageExample) -> bytes:
        """The hash of its pixels."""
        return (example.digest or _pixels(example)).encode()

    def content(self, example: ImageExample) -> dict[str, Any]:
        """The path of its file; of an image that has none, where it was found."""
        return {"image": str(example.image) if isinstance(example.image, Path) else example.place}

    def parse(self, text: str) -> ImageExample:
        """The path of an image file."""
        return ImageExample(Path(text).expanduser(), place=text)

    def read(self, words: Iterable[str]) -> Iterator[ImageExample]:
        """Files, folders (all images in them, at any depth) and globs.

        Raises:
            DataError: There is no such file, a folder holds no image, or a glob matches none.
        """
        from core.images import image_files

        for word in words:
            for path in image_files(word):
                yield ImageExample(path, place=str(path))

    def fault(self, example: ImageExample) -> Problem | None:
        """Why its file cannot be read as an image, or None."""
        from core.images import UnreadableImageError, open_image

        try:
            open_image(example.image)
        except UnreadableImageError as error:
            return Problem(example.place, f"{error.message}.", error.cure)
        return None


def _pixels(example: ImageExample) -> str:
    from core.images import inspect

    return inspect(example.image).digest


def encode_targets(targets: Sequence[Target], target: str, n_labels: int) -> Targets:
    """Targets as one array, shaped as the head of this module says.

    Args:
        targets: One target an example; none of them None.
        target: `single`, `multi` or `regression`.
        n_labels: Number of labels, c.
    """
    import numpy as np

    if target == SINGLE:
        return np.asarray(targets, dtype=np.int64)
    if target == REGRESSION:
        return np.asarray(targets, dtype=np.float32)
    encoded = np.zeros((len(targets), n_labels), dtype=np.float32)
    for row, chosen in enumerate(targets):
        assert isinstance(chosen, tuple)
        encoded[row, list(chosen)] = 1.0
    return encoded


def targets_of(examples: Sequence[Any], target: str, n_labels: int) -> Targets:
    """The targets of a split, as one array."""
    return encode_targets([example.target for example in examples], target, n_labels)
