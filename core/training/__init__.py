"""Train a model: the loop, the optimizer, checkpoints and memory estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazy_face

if TYPE_CHECKING:
    from core.tasks.targets.losses import per_example_loss, to_predictions
    from core.training.checkpoints import Checkpoints
    from core.training.loop import Loop
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "core.tasks.targets.losses": ("per_example_loss", "to_predictions"),
            "core.training.checkpoints": ("Checkpoints",),
            "core.training.loop": ("Loop",),
        },
    )

__all__ = [
    "Checkpoints",
    "Loop",
    "per_example_loss",
    "to_predictions",
]
