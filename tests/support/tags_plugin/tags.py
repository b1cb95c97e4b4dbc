"""The target type `word_tags`: a label for each word, in arrays of objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from core import TargetType, Task
from core.data import RowIssue
from core.tasks import Encoded, ResultTable, objects
from tags_plugin.sentences import Sentence

if TYPE_CHECKING:
    from core.tasks import Predictions, Targets


@dataclass
class Tags(TargetType):
    """A label for each word.

    A target is a tuple of label indices. Targets: object [n], one tuple per sentence. Predictions: object [n], one
    int64 array [s] per sentence.
    """

    name: ClassVar[str] = "word_tags"
    objects: ClassVar[bool] = True
    formats: ClassVar[tuple[str, ...]] = ("conll",)

    def encoder(self, task: Task) -> TagEncoder:
        """Return an encoder of sequences of label names."""
        return TagEncoder(task, self)

    def stack(self, targets: Sequence[Any], labels: Sequence[str]) -> Targets:
        """Return the tags of each sentence, object [n]."""
        return objects(targets)

    def labels_of(self, target: tuple[int, ...]) -> tuple[int, ...]:
        """Return each label that occurs."""
        return tuple(sorted(set(target)))

    def write_target(self, target: tuple[int, ...], labels: Sequence[str], example: Any = None) -> list[list[str]]:
        """Return each word with its tag."""
        return [[word, labels[tag]] for word, tag in zip(example.words, target, strict=True)]

    def baseline(self, train: Targets, examples: Sequence[Sentence], labels: Sequence[str]) -> dict[str, Predictions]:
        """Return the most frequent tag of the training split for each word of each example."""
        import numpy as np

        most_frequent = np.bincount(flat(train)).argmax()
        return {"most_frequent_tag": objects(np.full(len(example.words), most_frequent) for example in examples)}

    def tables(
        self,
        predictions: Predictions,
        targets: Targets,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
    ) -> dict[str, ResultTable]:
        """Return the number of words with each tag, and of correct predictions."""
        predicted, true = flat(predictions), flat(targets)
        rows = []
        for tag, label in enumerate(labels):
            words = true == tag
            rows.append({"tag": label, "words": int(words.sum()), "correct": int((predicted[words] == tag).sum())})
        return {"per_tag": ResultTable(rows, "Words by tag, on the test split")}

    def write(
        self, prediction: Any, labels: Sequence[str], thresholds: Sequence[float] | None = None, example: Any = None
    ) -> dict[str, Any]:
        """Return the tags."""
        return {"tags": [labels[int(tag)] for tag in prediction]}

    def columns(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Return the columns of a CSV with one row per word."""
        return ("word", "tag")

    def rows(self, line: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield one row per word."""
        for word, tag in zip(line["words"], line["tags"], strict=True):
            yield {"word": word, "tag": tag}

    def text_lines(self, line: Mapping[str, Any], format: str) -> Iterator[str]:
        """Yield each word with its tag, and an empty line after the sentence; `run` becomes a comment."""
        if "run" in line:
            yield f"# run = {line['run']}"
        for word, tag in zip(line["words"], line["tags"], strict=True):
            yield f"{word}\t{tag}"
        yield ""

    def difference(self, one: Predictions, other: Predictions) -> float:
        """Return the share of words with another tag."""
        return float((flat(one) != flat(other)).mean())

    def samples(self, count: int, labels: Sequence[str]) -> list[tuple[int, ...]]:
        """Return tags of one to four words."""
        return [tuple((row + word) % len(labels) for word in range(1 + row % 4)) for row in range(count)]

    def sample_predictions(
        self, targets: Targets, labels: Sequence[str], seed: int, perfect: bool = False
    ) -> Predictions:
        """Return random tags, or the true ones."""
        import numpy as np

        rng = np.random.default_rng(seed)
        return objects(np.asarray(each) if perfect else rng.integers(0, len(labels), len(each)) for each in targets)

    def target_problem(self, target: Any, labels: Sequence[str], example: Any = None) -> str:
        """Return what is wrong with the tags of a sentence."""
        if not isinstance(target, tuple) or not all(tag in range(len(labels)) for tag in target):
            return "must be a tuple of label indices"
        fits = example is None or len(example.words) == len(target)
        return "" if fits else f"must have {len(example.words)} tags, one per word"

    def problem(self, predictions: Predictions, n: int, labels: Sequence[str]) -> str:
        """Return what is wrong with the tags of n sentences."""
        if predictions.shape != (n,):
            return f"must give the tags of {n} sentences; it gives {list(predictions.shape)}."
        fits = all(tag in range(len(labels)) for each in predictions for tag in each)
        return "" if fits else f"must give tags from 0 to {len(labels) - 1}."


class TagEncoder:
    """Encodes a sequence of label names per row.

    Args:
        task: Its `labels`, if given, are the order of the labels.
        target: The target type.
    """

    def __init__(self, task: Task, target: Tags) -> None:
        self._target, self._given = target, tuple(task.labels or ())
        self._numbers: dict[tuple[str, ...], int] = {}
        self._values: list[int] = []

    def add(self, raw: Any) -> RowIssue | None:
        """Encode the tags of one sentence, or return why they cannot be used."""
        if raw is None:
            return RowIssue("missing_tags", "the tags are missing", "Give each word a tag.")
        if self._given and (unknown := set(raw) - set(self._given)):
            return RowIssue("unknown_tag", f"the tag {min(unknown)!r} is not one of task.labels")
        self._values.append(self._numbers.setdefault(tuple(raw), len(self._numbers)))
        return None

    def finish(self) -> tuple[Encoded, list[tuple[str, str]]]:
        """Return the targets, and no problems."""
        import numpy as np

        labels = self._given or tuple(sorted(set(chain.from_iterable(self._numbers))))
        table = tuple(tuple(labels.index(name) for name in names) for names in self._numbers)
        return Encoded(labels, np.asarray(self._values, dtype=np.int64), self._target, table), []


def flat(values: Predictions | Targets) -> Any:
    """Return the tags of all sentences in a row, int64 [number of words]."""
    import numpy as np

    return np.fromiter(chain.from_iterable(values), dtype=np.int64)
