"""Small synthetic tasks by task type and target type: easy to learn, of many lengths, the same on each call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from core.contracts.components import Metric
from core.contracts.model import LoadRequest
from core.registry.registry import load_registry
from core.tasks.detection.task import ObjectDetection
from core.tasks.image import ImageClassification, ImageExample
from core.tasks.output import OutputSpec
from core.tasks.targets.encoded import Target
from core.tasks.targets.single_label import SINGLE
from core.tasks.targets.target import TargetType
from core.tasks.task import Task
from core.tasks.text import TextClassification, TextExample
from core.testing.sample_scenes import box_examples

TEXT, IMAGE, DETECTION = TextClassification.name, ImageClassification.name, ObjectDetection.name
LABELS = TargetType.sample_labels
COUNT = 48
_OWN_WORDS = (("quiet", "still", "slow"), ("nice", "plain", "good"), ("loud", "fast", "storm"))
"""The words that occur only in examples of each label."""
_FILLING = (
    "the",
    "machine",
    "was",
    "here",
    "when",
    "we",
    "came",
    "back",
    "from",
    "town",
    "as",
    "if",
    "nobody",
    "lived",
)


def _targets(target: str, count: int) -> list[tuple[Target, tuple[int, ...]]]:
    """Return targets, each with the labels whose words or patterns the example must show."""
    spec = sample_output(target=target)
    samples = spec.target.samples(count, spec.labels)
    return [(each, spec.target.labels_of(each) or (row % 3,)) for row, each in enumerate(samples)]


def _text(target: str, count: int) -> list[TextExample]:
    """Return short texts with words of their labels, and a number that makes each text unique."""
    examples = []
    for row, (wanted, labels) in enumerate(_targets(target, count)):
        words = list(_FILLING[row % 5 : row % 5 + 1 + row % 9])
        words += [word for label in labels for word in _OWN_WORDS[label][: 1 + row % 3]]
        examples.append(TextExample(" ".join([*words, f"number{row}"]), wanted, place=f"sample:{row + 1}"))
    return examples


def _image(target: str, count: int) -> list[ImageExample]:
    """Return images of 20 to 32 pixels: gray with a little noise, and a white pattern in one third per label.

    The pattern of `calm` is horizontal bars, that of `fine` vertical bars, and that of `wild` a chessboard.
    """
    import numpy as np

    from core.images.reading import encode_png, inspect

    examples = []
    for row, (wanted, labels) in enumerate(_targets(target, count)):
        rng = np.random.default_rng(row)
        height, width = 20 + 4 * (row % 4), 20 + 4 * (row // 4 % 4)
        pixels = rng.integers(60, 100, (height, width, 3), dtype=np.uint8)
        down, across = np.mgrid[:height, :width] // 2 % 2 == 0
        for label in labels:
            part = slice(label * width // 3, (label + 1) * width // 3)
            pattern = (down, across, down ^ across)[label][:, part]
            pixels[:, part][pattern] = (255, 255, 255)
        image = encode_png(pixels)
        seen = inspect(image)
        examples.append(ImageExample(image, wanted, (width, height), seen.digest, f"sample:{row + 1}"))
    return examples


_SAMPLES: dict[str, Callable[[str, int], list[Any]]] = {TEXT: _text, IMAGE: _image, DETECTION: box_examples}


def sample_examples(task_type: str = TEXT, target: str = SINGLE, count: int = COUNT) -> list[Any]:
    """Return synthetic examples with targets.

    Args:
        task_type: The name of the task type.
        target: The name of one of its target types.
        count: Number of examples.

    Raises:
        AssertionError: The task type has no synthetic examples. Pass your own `LoadRequest` to the check.
    """
    if task_type in _SAMPLES:
        return _SAMPLES[task_type](target, count)
    output = sample_output(task_type, target)
    try:
        return list(output.task_type.samples(output.target.samples(count, output.labels), output.labels))
    except NotImplementedError as error:
        cure = "Implement `TaskType.samples`, or pass your own: request=LoadRequest(output, train=examples)."
        raise AssertionError(f"{error}. {cure}") from error


def sample_task(task_type: str = TEXT, target: str = SINGLE) -> Task:
    """Return a task with a task type and a target type; its primary metric accepts the target type."""
    metrics = load_registry().components["metric"].items()
    accepts = load_registry().target(target).accepted_by
    suitable = [name for name, metric in metrics if issubclass(metric, Metric) and accepts(metric.targets)]
    return Task(name="sample", type=task_type, target=target, primary=suitable[0] if suitable else "accuracy")


def sample_output(task_type: str = TEXT, target: str = SINGLE, labels: Sequence[str] | None = None) -> OutputSpec:
    """Return the output of a small task, with `labels` (by default its own) if its target type has labels."""
    task, described = sample_task(task_type, target), load_registry().target(target)
    names = described.sample_labels if labels is None else tuple(labels)
    return load_registry().output(task, names if described.has_labels else ())


def sample_request(task_type: str = TEXT, target: str = SINGLE, examples: Sequence[Any] = ()) -> LoadRequest:
    """Return the request that a model loader receives for a small task.

    Args:
        task_type: The name of the task type.
        target: The name of one of its target types.
        examples: Training examples with targets over three labels; empty for synthetic examples.
    """
    train = examples or sample_examples(task_type, target)
    return LoadRequest(sample_output(task_type, target), train, fingerprint=f"sample-{task_type}-{target}")
