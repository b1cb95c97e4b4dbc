"""Read rows, check them, split them and batch them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazy_face

if TYPE_CHECKING:
    from core.data.batching import example_rng
    from core.data.build import build_splits
    from core.data.rows import NAMES, SHOWN, TEST, TRAIN, UNDECIDED, VAL, Row, Source
    from core.issues import DataIssue, RowIssue
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "core.data.batching": ("example_rng",),
            "core.data.build": ("build_splits",),
            "core.data.rows": ("NAMES", "Row", "SHOWN", "Source", "TEST", "TRAIN", "UNDECIDED", "VAL"),
            "core.issues": ("RowIssue", "DataIssue"),
        },
    )

__all__ = [
    "NAMES",
    "SHOWN",
    "TEST",
    "TRAIN",
    "UNDECIDED",
    "VAL",
    "DataIssue",
    "Row",
    "RowIssue",
    "Source",
    "build_splits",
    "example_rng",
]
