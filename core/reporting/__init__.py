"""A run's folder: report, log, console and summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazy_face

if TYPE_CHECKING:
    from core.reporting.report import SCHEMA, read
    from core.reporting.run_directory import MODEL, REPORT
    from core.reporting.summary import cell
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "core.reporting.report": ("SCHEMA", "read"),
            "core.reporting.run_directory": ("MODEL", "REPORT"),
            "core.reporting.summary": ("cell",),
        },
    )

__all__ = [
    "MODEL",
    "REPORT",
    "SCHEMA",
    "cell",
    "read",
]
