"""Metrics of tags: precision, recall and F1 of entities, and the share of words with the right tag.

All of them score decisions: the most probable tag of each word, where an `I-` tag that continues no entity begins one.
With `match=strict` they equal seqeval's strict mode on these decisions. An undefined score is NaN, where seqeval
returns 0: there are neither true nor predicted entities (`weighted`: no true ones).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core import Metric, OutputSpec, option
from plugins.text.token_classification.example import TAGS

if TYPE_CHECKING:
    import numpy as np
    import torchmetrics
    from numpy.typing import NDArray

    from core.tasks import Predictions, Targets
    from plugins.text.token_classification.scoring import CountScore

AVERAGES = ("micro", "macro", "weighted", "none")
AVERAGE_HELP = (
    "How entity types are averaged. micro: each entity counts the same. macro: each type that is true or predicted "
    "somewhere. weighted: by its number of true entities. none: a table with one value per tag, that of its type."
)
MATCHES = ("strict", "partial")
MATCH_HELP = (
    "When a predicted entity is correct. strict: its type and both boundaries are right. partial: one that overlaps a "
    "true entity of its type counts half."
)


@dataclass
class Counted(Metric):
    """A metric whose streamed and resampled values come from one `CountScore`, so that they cannot differ."""

    targets: ClassVar[tuple[str, ...]] = (TAGS,)
    decides: ClassVar[bool] = True

    @abstractmethod
    def scorer(self, output: OutputSpec) -> CountScore:
        """Return the arithmetic for this output."""

    def build(self, output: OutputSpec) -> torchmetrics.Metric:
        """Return a new streaming metric; see `Metric.build`."""
        return self.scorer(output).build()

    def resample(
        self, predictions: Predictions, targets: Targets, counts: NDArray[np.int64], output: OutputSpec
    ) -> NDArray[np.float64]:
        """Return the score of each resample, float64 [r]; NaN for tables. See `Metric.resample`."""
        import numpy as np

        scores = self.scorer(output).resample(predictions, targets, counts)
        return scores if scores.ndim == 1 else np.full(len(counts), np.nan)


@dataclass
class EntityMetric(Counted):
    """A metric of the correct, predicted and true entities of each type.

    Attributes:
        of: What is computed from the counts: `precision`, `recall` or `f1`.
    """

    of: ClassVar[str]

    average: str = option("micro", AVERAGE_HELP, choices=AVERAGES)
    match: str = option("strict", MATCH_HELP, choices=MATCHES)

    def scorer(self, output: OutputSpec) -> CountScore:
        """Return a score of each type's counts."""
        from plugins.text.token_classification.scoring import entity_score

        return entity_score(self.of, self.average, self.match, output.labels)


@dataclass
class EntityPrecision(EntityMetric):
    """Share of predicted entities that are correct. With plain tags, each tagged word is an entity."""

    name: ClassVar[str] = "entity_precision"
    of: ClassVar[str] = "precision"


@dataclass
class EntityRecall(EntityMetric):
    """Share of true entities that are found. With plain tags, each tagged word is an entity."""

    name: ClassVar[str] = "entity_recall"
    of: ClassVar[str] = "recall"


@dataclass
class EntityF1(EntityMetric):
    """Harmonic mean of precision and recall of entities. With plain tags, each tagged word is an entity."""

    name: ClassVar[str] = "entity_f1"
    of: ClassVar[str] = "f1"


@dataclass
class TokenAccuracy(Counted):
    """Share of words with the right tag. It is high where most words lie outside of entities."""

    name: ClassVar[str] = "token_accuracy"

    def scorer(self, output: OutputSpec) -> CountScore:
        """Return the share of right words."""
        from plugins.text.token_classification.scoring import token_accuracy

        return token_accuracy(output.labels)
