"""Append lines to a run's `log.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.files import clean, unwritable, write_text


class Log:
    """`log.jsonl`: one line each time the loss is read, and one line per evaluation."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rewind(self, step: int, evaluated: int) -> None:
        """Remove the lines after a checkpoint, to resume from it.

        Args:
            step: The checkpoint's step.
            evaluated: The last step whose evaluation the checkpoint includes.
        """
        if self.path.is_file():
            lines = self.path.read_text(encoding="utf-8").splitlines()
            earlier = [line for line in lines if _is_before(line, step, evaluated)]
            write_text(self.path, "".join(line + "\n" for line in earlier))

    def write(self, values: Mapping[str, Any]) -> None:
        """Append a line.

        Raises:
            RunError: The disk is full or read-only.
        """
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(clean(values)) + "\n")
        except OSError as error:
            raise unwritable(self.path, error) from error


def _is_before(line: str, step: int, evaluated: int) -> bool:
    """Return whether a line was written before a checkpoint; the test split is scored after all checkpoints."""
    try:
        entry = json.loads(line)
        limit = {"val": evaluated, "test": -1}.get(entry.get("split"), step)
        return bool(entry["step"] <= limit)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False  # an incomplete line
