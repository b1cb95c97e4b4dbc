"""Predict a split, compute scores and confidence intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazy_face

if TYPE_CHECKING:
    from core.evaluation.predict import predict_batches
    from core.evaluation.scoring import Evaluation, evaluate, score
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "core.evaluation.predict": ("predict_batches",),
            "core.evaluation.scoring": ("Evaluation", "evaluate", "score"),
        },
    )

__all__ = [
    "Evaluation",
    "evaluate",
    "predict_batches",
    "score",
]
