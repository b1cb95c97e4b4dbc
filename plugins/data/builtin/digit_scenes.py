"""Scenes of handwritten digits as splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.contracts import SplitOptions, Splits
from core.data import NAMES, Row, Source, build_splits
from core.tasks import BoxExample, NamedBox, Task
from plugins.data.builtin import digit_scenes_cache
from plugins.data.builtin.digit_scenes_cache import DigitScene
from plugins.data.builtin.scene_drawing import LABELS


def load_scenes(recipe: Mapping[str, int], options: SplitOptions, task: Task, seed: int) -> Splits:
    """Return the scenes of a recipe in their splits, from the cache or newly drawn.

    Args:
        recipe: Numbers of scenes `train`, `val` and `test`; their `size` in pixels; maximum number of `objects`; height
            of the `smallest` and `largest` digits in pixels; and `draw`, the seed of the scenes.
        options: The adapter's options for splitting.
        task: The task.
        seed: The run's seed; it only determines which scenes `max_examples` keeps.
    """
    found, findings = digit_scenes_cache.fetch(recipe)
    if task.labels is None:
        task = replace(task, labels=list(LABELS))
    held = _Scenes(found, recipe["size"])
    digest = digit_scenes_cache.key(recipe)
    origin = f"scenes of UCI handwritten digits ({recipe['size']}×{recipe['size']}, seed {recipe['draw']})"
    source = Source(held, held.take, digest, origin, tuple(findings))
    return build_splits(source, task, seed, options)


@dataclass(frozen=True)
class _Scenes:
    found: list[DigitScene]
    size: int

    def __iter__(self) -> Iterator[Row]:
        for scene in self.found:
            example = self._example(scene)
            boxes = tuple(NamedBox(label, corners) for label, corners in scene.objects)
            yield Row(example, boxes, example.place, NAMES.index(scene.split))

    def take(self, rows: NDArray[np.int64]) -> list[BoxExample]:
        """Return examples by row number (int64 [k])."""
        return [self._example(self.found[row]) for row in rows]

    def _example(self, scene: DigitScene) -> BoxExample:
        return BoxExample(scene.image, None, (self.size, self.size), scene.digest, f"digit_scenes:{scene.name}")
