"""What the adapters of files have in common: the options of splitting, and examples without labels for `predict`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config import RunConfig
from core.contracts import DataAdapter, Task
from core.errors import Problem
from core.splits import CutOptions


@dataclass
class FileAdapter(CutOptions, DataAdapter):
    """An adapter that reads examples without labels in the same way as the others for its task type."""

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Fractions that leave nothing to train on."""
        return self.cut_problems()

    def unlabelled(self, task: Task, path: Path) -> Sequence[Any]:
        """Texts of a file of any format, or images of a file, a folder or a glob, or those that a table names."""
        from plugins.data.unlabelled import read

        return read(task.kind, path)
