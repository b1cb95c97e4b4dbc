"""One run, a straight line from a checked configuration to a written report."""

from __future__ import annotations

from pathlib import Path

from core.config import RunConfig


def run(config: RunConfig, directory: Path | None = None) -> float:
    """Placeholder."""
    raise NotImplementedError
