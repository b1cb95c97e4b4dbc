"""Small synthetic tasks, by kind and target: easy to learn, of many lengths, the same each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from core.contracts.components import Metric
from core.contracts.model import LoadRequest
from core.registry.registry import load_registry
from core.tasks.detection.task import ObjectDetection
from core.tasks.image import ImageClassification, ImageExample
from core.tasks.output import OutputSpec
from core.tasks.targets.labels import SINGLE
from core.tasks.targets.target import Target
from core.tasks.task import Task
from core.tasks.text import TextClassification, TextExample
from core.testing.sample_scenes import box_examples

TEXT, IMAGE, DETECTION = TextClassification.name, ImageClassification.name, ObjectDetection.name
LABELS = ("calm", "fine", "wild")
COUNT = 48
_OWN_WORDS = (("quiet", "still", "slow"), ("nice", "plain", "good"), ("loud", "fast", "storm"))
"""Words that only examples of each label hold."""
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
    """Targets, each with the labels whose words a text, or whose patterns an image, should hold."""
    spec = sample_output(target=target)
    samples = spec.target.samples(count, spec.labels)
    return [(each, spec.target.labels_of(each) or (row % 3,)) for row, each in enumerate(samples)]


def _text(target: str, count: int) -> list[TextExample]:
    examples = []
    for row, (wanted, labels) in enumerate(_targets(target, count)):
        words = list(_FILLING[row % 5 : row % 5 + 1 + row % 9])
        words += [word for label in labels for word in _OWN_WORDS[label][: 1 + row % 3]]
        examples.append(TextExample(" ".join([*words, f"number{row}"]), wanted, place=f"sample:{row + 1}"))
    return examples


def _image(target: str, count: int) -> list[ImageExample]:
    """Pictures of 20 to 32 pixels: a grey ground with a little noise, and bright bars in a third of it for each label.

    The bars of `calm` lie, those of `fine` stand, and `wild` is a chessboard.
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
    """Examples of a kind, each with its target.

    Args:
        task_type: The task type's name.
        target: One of the task type's targets.
        count: How many.

    Raises:
        AssertionError: Graft has no synthetic examples of this task type; pass a `LoadRequest` of your own to the
            check.
    """
    if task_type not in _SAMPLES:
        known = ", ".join(_SAMPLES)
        raise AssertionError(
            f"there are no sample examples of the task type {task_type!r} (only of {known}); pass `request=…`"
        )
    return _SAMPLES[task_type](target, count)


def sample_task(task_type: str = TEXT, target: str = SINGLE) -> Task:
    """A task of that type and target type."""
    metrics = load_registry().components["metric"].items()
    accepts = load_registry().target(target).accepted_by
    fit = [name for name, metric in metrics if issubclass(metric, Metric) and accepts(metric.targets)]
    return Task(name="sample", type=task_type, target=target, primary=fit[0] if fit else "accuracy")


def sample_output(task_type: str = TEXT, target: str = SINGLE, labels: Sequence[str] = LABELS) -> OutputSpec:
    """What is predicted for a small task: the labels given, where its target type has labels."""
    task = sample_task(task_type, target)
    return load_registry().output(task, tuple(labels) if load_registry().target(target).has_labels else ())


def sample_request(task_type: str = TEXT, target: str = SINGLE, examples: Sequence[Any] = ()) -> LoadRequest:
    """What a model loader is told, for a small task.

    Args:
        task_type: The task type's name.
        target: One of the task type's target types.
        examples: The training examples, with targets over three labels; synthetic ones where there are none.
    """
    train = examples or sample_examples(task_type, target)
    return LoadRequest(sample_output(task_type, target), train, fingerprint=f"sample-{task_type}-{target}")
