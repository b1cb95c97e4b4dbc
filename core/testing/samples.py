"""Small synthetic tasks, by kind and target: easy to learn, of many lengths, the same each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from core.contracts import Need, Task
from core.kinds import (
    BOXES,
    MULTI,
    REGRESSION,
    SINGLE,
    ImageClassification,
    ImageExample,
    ObjectDetection,
    Target,
    TextClassification,
    TextExample,
)
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


def _target(row: int, target: str) -> tuple[Target, tuple[int, ...]]:
    """A target, and the labels whose words a text, or whose patterns an image, should hold."""
    if target == SINGLE:
        return row % 3, (row % 3,)
    if target == MULTI:
        chosen = tuple(label for label in range(3) if (row % 7 + 1) >> label & 1)
        return chosen, chosen
    return 10.0 * (row % 3) + 100.0, (row % 3,)


def _text(target: str, count: int) -> list[TextExample]:
    examples = []
    for row in range(count):
        wanted, labels = _target(row, target)
        words = list(_FILLING[row % 5 : row % 5 + 1 + row % 9])
        words += [word for label in labels for word in _OWN_WORDS[label][: 1 + row % 3]]
        examples.append(TextExample(" ".join([*words, f"number{row}"]), wanted, place=f"sample:{row + 1}"))
    return examples


def _image(target: str, count: int) -> list[ImageExample]:
    """Pictures of 20 to 32 pixels: a grey ground with a little noise, and bright bars in a third of it for each label.

    The bars of `calm` lie, those of `fine` stand, and `wild` is a chessboard.
    """
    import numpy as np

    from core.images import encode_png, inspect

    examples = []
    for row in range(count):
        wanted, labels = _target(row, target)
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


def sample_examples(kind: str = TEXT, target: str = SINGLE, count: int = COUNT) -> list[Any]:
    """Examples of a kind, each with its target.

    Args:
        kind: The kind's name.
        target: One of the kind's targets.
        count: How many.

    Raises:
        AssertionError: Graft has no synthetic examples of this kind; pass a `Need` of your own to the check.
    """
    if kind not in _SAMPLES:
        known = ", ".join(_SAMPLES)
        raise AssertionError(f"there are no sample examples of the kind {kind!r} (only of {known}); pass `need=…`")
    return _SAMPLES[kind](target, count)


def sample_task(kind: str = TEXT, target: str = SINGLE) -> Task:
    """A task of that kind and target."""
    primary = {REGRESSION: "mae", BOXES: "map50_95"}.get(target, "accuracy")
    return Task(name="sample", kind=kind, target=target, primary=primary)


def sample_need(kind: str = TEXT, target: str = SINGLE, examples: Sequence[Any] = ()) -> Need:
    """What a model loader is told, for a small task.

    Args:
        kind: The kind's name.
        target: One of the kind's targets.
        examples: The training examples, with targets over three labels; synthetic ones where there are none.
    """
    labels = () if target == REGRESSION else LABELS
    train = examples or sample_examples(kind, target)
    return Need(sample_task(kind, target), labels, train, fingerprint=f"sample-{kind}-{target}")
