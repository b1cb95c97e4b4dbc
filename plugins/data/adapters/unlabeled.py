"""Read examples without labels for `predict`: texts, or images in folders and tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.images import image_files
from core.tasks import BoxExample, ImageClassification, ObjectDetection
from plugins.data.images import folder
from plugins.data.tabular import table
from plugins.data.tabular.columns import Columns
from plugins.data.tabular.table import TextFiles


def read(
    task_type: str, path: Path, columns: Columns | None = None, files: TextFiles | None = None, root: str = ""
) -> Sequence[Any]:
    """Return the examples at a path, without labels.

    Args:
        task_type: Name of the task type.
        path: A file, a folder or a glob.
        columns: The columns of a table with the content; by default guessed from their names.
        files: The format of text files; by default detected.
        root: The folder that paths in a table of images start from; by default the table's folder.

    Raises:
        DataError: There are no such files, or one of them cannot be read.
    """
    if task_type == ObjectDetection.name:
        return _unannotated(path)
    if task_type == ImageClassification.name:
        return folder.unlabeled(columns or Columns(), root, path)
    return table.unlabeled(files or TextFiles(), columns or Columns(), path)


def _unannotated(path: Path) -> Sequence[BoxExample]:
    return [BoxExample(each.absolute(), place=str(each)) for each in image_files(str(path))]
