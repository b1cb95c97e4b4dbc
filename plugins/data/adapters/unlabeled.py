"""Examples without labels, for `predict`: texts, or images in folders and tables."""

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
    kind: str, path: Path, columns: Columns | None = None, files: TextFiles | None = None, root: str = ""
) -> Sequence[Any]:
    """Return the examples at a path; labels there are ignored.

    Args:
        kind: The task type.
        path: Where to look.
        columns: Those of a table that hold the content; by default they are told from the names.
        files: How files of text are written; by default this is detected.
        root: The folder that paths in a table of images start from; by default the table's.

    Raises:
        DataError: There are no such files, or one of them cannot be read.
    """
    if kind == ObjectDetection.name:
        return _unannotated(path)
    if kind == ImageClassification.name:
        return folder.unlabelled(columns or Columns(), root, path)
    return table.unlabelled(files or TextFiles(), columns or Columns(), path)


def _unannotated(path: Path) -> Sequence[BoxExample]:
    return [BoxExample(each.absolute(), place=str(each)) for each in image_files(str(path))]
