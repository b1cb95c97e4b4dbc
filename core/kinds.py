"""What can be learned: the example, target and prediction types of each kind, and the shapes they use.

Shapes are written with these letters everywhere in Graft:

    n   examples in a split          b   examples in a batch
    c   labels                       s   tokens of the longest text in a batch
    d   width of a hidden state      r   bootstrap resamples

Targets, as arrays over a split (`encode_targets`):

    single       int64   [n]      the index of the label
    multi        float32 [n, c]   1 where the label applies, else 0
    regression   float32 [n]      the value

Predictions, in the order of the split:

    single       float32 [n, c]   probabilities, a softmax over the labels
    multi        float32 [n, c]   probabilities, a sigmoid for each label
    regression   float32 [n]      the value
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from core.component import Component

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

    def write(self, prediction: Any, labels: Sequence[str], target: str) -> dict[str, Any]:
        """One prediction as JSON values: the label or labels and the probabilities, or the value."""
        if target == REGRESSION:
            return {"value": float(prediction)}
        probabilities = {label: round(float(p), 6) for label, p in zip(labels, prediction, strict=True)}
        if target == MULTI:
            chosen = [label for label, p in probabilities.items() if p >= MULTI_THRESHOLD]
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
