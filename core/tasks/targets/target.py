"""The base class of target types, and the encoded targets of a split.

A target type is one small class. It encodes raw labels, stacks the targets of a split into an array, turns logits into
losses and predictions, and writes predictions. All code in Graft that depends on the type of output calls it.

Modules that define target types import NumPy and torch only inside methods, so that `list` and `check` stay fast.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

from core.component import Component
from core.tasks.targets.encoded import Encoder, Target
from core.tasks.task import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Targets: TypeAlias = NDArray[Any]
    Predictions: TypeAlias = NDArray[Any]
else:
    Targets = Predictions = Any

DEFAULT_THRESHOLD = 0.5
"""The threshold of a label for which none was chosen: the smallest probability at which it applies."""


class ResultTable(NamedTuple):
    """A table of the test split, for `report.json`.

    Attributes:
        content: JSON values: a list of rows, each a mapping from column to value; or nested lists.
        title: The heading in the summary; empty for a table that the summary does not show.
    """

    content: Any
    title: str = ""


@dataclass
class TargetType(Component):
    """The type of a task's output, such as one label per example, or a value.

    Shapes are those of `core.tasks`. `labels` are the label names in the order of their indices; they are empty if
    `has_labels` is False. `thresholds` are the result of `choose_thresholds`, or None.

    Attributes:
        task_types: The task types of a third party's target type, besides those that list it in `TaskType.targets`.
        like: A built-in target type whose arrays of targets and predictions have the same shape and meaning. Metrics
            and baselines that accept that type then accept this one.
        has_labels: Whether its targets are made of named labels.
        fewest_labels: The smallest number of different labels of a task, if it has labels.
        needs_every_label: Whether each label must occur in the training split.
        objects: Whether the targets and predictions of a split are arrays of objects, one per example, not of numbers.
        has_thresholds: Whether `choose_thresholds` returns thresholds.
        train_options: Those of `class_weights`, `label_smoothing` and `thresholds` in `train` that apply to it.
        sample_labels: The label names of conformance tests.
        formats: Names of the text formats that `predict --format` offers besides `jsonl` and `csv`; see `text_lines`.
    """

    like: ClassVar[str] = ""
    has_labels: ClassVar[bool] = True
    fewest_labels: ClassVar[int] = 2
    needs_every_label: ClassVar[bool] = True
    objects: ClassVar[bool] = False
    has_thresholds: ClassVar[bool] = False
    train_options: ClassVar[frozenset[str]] = frozenset()
    sample_labels: ClassVar[tuple[str, ...]] = ("calm", "fine", "wild")
    formats: ClassVar[tuple[str, ...]] = ()

    @property
    def layout(self) -> str:
        """The name of the target type whose array shapes it shares: `like`, or its own name."""
        return self.like or self.name

    def accepted_by(self, names: Sequence[str]) -> bool:
        """Return whether a component that accepts the target types `names` accepts this one."""
        return self.name in names or self.like in names

    # Targets: from raw labels to arrays

    @abstractmethod
    def encoder(self, task: Task) -> Encoder:
        """Return a new encoder for the raw labels that data adapters read."""

    @abstractmethod
    def stack(self, targets: Sequence[Target], labels: Sequence[str]) -> Targets:
        """Return targets (none of them None) as one array, [n, ...]."""

    @abstractmethod
    def labels_of(self, target: Target) -> tuple[int, ...]:
        """Return the indices of the labels in a target, each once; empty if it has none."""

    @abstractmethod
    def write_target(self, target: Target, labels: Sequence[str], example: Any = None) -> Any:
        """Return a target (not None) of `example` as a JSON value."""

    def strata(self, targets: Sequence[Target]) -> NDArray[np.int64]:
        """Return the stratum of each target, int64 [n], for stratified splits; by default equal targets share one."""
        import numpy as np

        numbers: dict[Target, int] = {}
        return np.asarray([numbers.setdefault(each, len(numbers)) for each in targets], dtype=np.int64)

    # Logits: for target types whose models end in a layer of logits

    def outputs(self, labels: Sequence[str]) -> int:
        """Return the number of logits per example, c; by default one per label."""
        return len(labels)

    @classmethod
    def from_logits(cls) -> bool:
        """Return whether models of this type end in logits: whether `losses` is implemented."""
        return cls.losses is not TargetType.losses

    def losses(
        self,
        logits: Tensor,
        targets: Tensor,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
    ) -> Tensor:
        """Return the loss of each example, float32 [b].

        Args:
            logits: float32 [b, c].
            targets: The result of `stack`, as a tensor.
            class_weights: A weight for each label, or None.
            label_smoothing: Share of the target that is spread evenly over all labels.

        Raises:
            NotImplementedError: Models of this target type compute their own loss.
        """
        raise NotImplementedError(f"models of the target type {self.name} have no logits")

    def predictions(self, logits: Tensor) -> Tensor:
        """Return predictions from logits [b, c]: a float32 tensor [b, ...].

        Raises:
            NotImplementedError: Models of this target type compute their own predictions.
        """
        raise NotImplementedError(f"models of the target type {self.name} have no logits")

    def class_weights(self, targets: Targets, labels: Sequence[str]) -> tuple[float, ...]:
        """Return the balanced weight of each label in the loss, for `train.class_weights=auto`.

        Raises:
            NotImplementedError: The target type has no class weights.
        """
        raise NotImplementedError(f"the target type {self.name} has no class weights")

    def example_weights(self, targets: Targets, weights: Sequence[float]) -> NDArray[np.float32] | None:
        """Return the weight of each training example, float32 [n], for models that train without gradients.

        Return None (the default) if weights of labels do not define a weight for the whole example.
        """
        return None

    # Decisions

    def choose_thresholds(self, predictions: Predictions, targets: Targets) -> tuple[float, ...] | None:
        """Return thresholds chosen on the validation split; None if this target type has none."""
        return None

    def threshold_names(self, labels: Sequence[str]) -> Sequence[str]:
        """Return the name under which each threshold is stored."""
        return labels

    def describe_thresholds(self, thresholds: Sequence[float]) -> str:
        """Return a sentence about the chosen thresholds, for the summary."""
        return ""

    def decide(self, predictions: Predictions, thresholds: Sequence[float]) -> Predictions:
        """Return the decisions at these thresholds, which metrics with `decides` get in place of `predictions`."""
        return predictions

    # Scores and files

    def metric_input(self, values: Predictions | Targets, device: str = "cpu") -> Any:
        """Return predictions or targets as the input of metrics: a tensor, or a list of objects."""
        import numpy as np
        import torch

        return list(values) if self.objects else torch.from_numpy(np.ascontiguousarray(values)).to(device)

    def baseline(self, train: Targets, examples: Sequence[Any], labels: Sequence[str]) -> dict[str, Predictions]:
        """Return the predictions of simple baselines by name; by default there are none.

        Args:
            train: The targets of the training split, as `stack` returns them.
            examples: The examples to predict. Each baseline has one prediction per example and never reads targets.
            labels: Label names.
        """
        return {}

    def tables(
        self,
        predictions: Predictions,
        targets: Targets,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
    ) -> dict[str, ResultTable]:
        """Return the tables of the test split by their key in `report.json`, such as `per_class`."""
        return {}

    @abstractmethod
    def write(
        self,
        prediction: Any,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
        example: Any = None,
    ) -> dict[str, Any]:
        """Return one prediction as JSON values, for a line of `predictions.jsonl`.

        Args:
            prediction: One row of the predictions of a split.
            labels: Label names.
            thresholds: The chosen thresholds, or None.
            example: The example of the prediction.
        """

    def columns(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Return the columns of a CSV of predictions; empty to take them from the first rows."""
        return ()

    def rows(self, line: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the rows of a CSV for a line of predictions; by default one."""
        yield dict(line)

    def text_lines(self, line: Mapping[str, Any], format: str) -> Iterator[str]:
        """Yield the lines of one prediction in one of `formats`, each without its newline.

        Args:
            line: The example and its prediction as JSON values. If several runs predict, `run` names the run.
            format: The name of the format.

        Raises:
            NotImplementedError: The target type has no text formats.
        """
        raise NotImplementedError(f"the target type {self.name} has no text format {format!r}")

    def difference(self, one: Predictions, other: Predictions) -> float:
        """Return the largest difference of two models' predictions, divided by the scale of `other` if above 1."""
        import numpy as np

        scale = max(1.0, float(np.abs(other).max(initial=0.0)))
        return float(np.abs(one.astype(np.float64) - other).max(initial=0.0)) / scale

    # For the conformance tests

    def costs(
        self, predictions: Predictions, targets: Targets, class_weights: Sequence[float] | None = None
    ) -> NDArray[np.float64] | None:
        """Return the loss of each example that its prediction implies, float64 [n], up to one factor for all examples.

        The tests compare it with the losses of models, which shows targets and predictions that do not belong together.
        None (the default) if predictions do not determine the loss.
        """
        return None

    @abstractmethod
    def samples(self, count: int, labels: Sequence[str]) -> list[Target]:
        """Return valid targets for tests, the same on each call, with every label among the first few."""

    @abstractmethod
    def sample_predictions(
        self, targets: Targets, labels: Sequence[str], seed: int, perfect: bool = False
    ) -> Predictions:
        """Return predictions for tests: random ones, or perfect ones."""

    def same_decisions(self, predictions: Predictions, labels: Sequence[str], seed: int) -> Predictions | None:
        """Return other predictions that lead to the same decisions; None if predictions are not decided."""
        return None

    @abstractmethod
    def target_problem(self, target: Target, labels: Sequence[str], example: Any = None) -> str:
        """Return what is wrong with a target, as the end of a sentence that begins with `it`; empty if it is valid."""

    @abstractmethod
    def problem(self, predictions: Predictions, n: int, labels: Sequence[str]) -> str:
        """Return what is wrong with predictions for n examples, as the end of a sentence; empty if they are valid."""
