"""The base of the file adapters: options for splitting, and reading unlabeled examples for `predict`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import DataAdapter, Problem, RunConfig, SplitOptions, Task


@dataclass
class FileAdapter(SplitOptions, DataAdapter):
    """A data adapter that reads unlabeled examples in the usual way for its task type."""

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Report fractions that leave nothing to train on."""
        return self.split_problems()

    def unlabelled(self, task: Task, path: Path) -> Sequence[Any]:
        """Return texts from a file of any format, or images from a file, a folder, a glob or a table."""
        from plugins.data.adapters.unlabeled import read

        return read(task.type, path)
