"""Use a finished run: predict, read inputs, write outputs, merge adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazy_face

if TYPE_CHECKING:
    from core.inference.predictor import Predictor
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "core.inference.predictor": ("Predictor",),
        },
    )

__all__ = [
    "Predictor",
]
