"""Read images of a Hub dataset; they stay memory-mapped in the dataset and are fetched by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as compute

from core.contracts import SplitOptions, Splits
from core.data import NAMES, UNDECIDED, files
from core.errors import DataError, Problem
from core.issues import RowIssue
from core.runtime import cache_directory
from core.tasks import MULTI, Task
from plugins.data.images import rows as images_rows
from plugins.data.images.rows import ImageRows
from plugins.data.tabular import row_store
from plugins.data.tabular.column_names import IMAGES
from plugins.data.tabular.columns import IMAGE, choose, positions
from plugins.data.tabular.part import Part
from plugins.data.tabular.rows import LabelNames, Reading, stored

_HELD = "(bytes)"
"""The text of a row whose image has no name in the dataset."""


@dataclass
class DatasetImages:
    """The images in a column of one split of a dataset.

    Attributes:
        name: The split's name.
        column: The dataset with that column alone, as Arrow tables.
        start: The folder that relative paths start from.
    """

    name: str
    column: Any
    start: Path

    def place(self, row: int, text: str) -> str:
        """Return the split and the row number."""
        return f"{self.name}:{row}"

    def images(self, rows: Sequence[int], texts: Sequence[str]) -> list[Path | bytes]:
        """Return the bytes in the dataset, else the path that it names."""
        table = self.column[[row - 1 for row in rows]]
        return [self._image(value) for value in table.column(0).to_pylist()]

    def refuses(self, text: str) -> RowIssue | None:
        """Return None: images inside a dataset have no path that could leave it."""
        return None

    def portable(self, text: str) -> str:
        """Return an empty string: paths in a dataset belong to the machine that wrote it."""
        return ""

    def _image(self, value: Any) -> Path | bytes:
        if isinstance(value, bytes):
            return value
        if isinstance(value, dict):
            held = value.get("bytes")
            return bytes(held) if held is not None else self.start / value["path"]
        return self.start / str(value)


def load_hub_images(
    datasets: Sequence[Any],
    parts: Sequence[Part],
    reading: Reading,
    options: SplitOptions,
    task: Task,
    seed: int,
    origin: str,
    folder: Path | None,
) -> Splits:
    """Turn splits of a dataset into splits of images.

    Args:
        datasets: The dataset's splits.
        parts: The same splits, as parts.
        reading: How rows become examples.
        options: How to split.
        task: The task.
        seed: Seed of the split.
        origin: Name of the dataset in messages.
        folder: Its folder, if known.

    Raises:
        DataError: See `DataAdapter.load`.
    """
    wanted = reading.columns if reading.columns.image else replace(reading.columns, image=_declared(datasets[0]))
    columns = choose(parts[0], wanted, reading.layout, content=IMAGE)
    names = LabelNames(reading.label_names)
    held = row_store.store(names.all_used(stored(enumerate(parts), columns, reading, names)), 0, "")
    start = (folder or Path()).absolute()
    locations = []
    for dataset, part in zip(datasets, parts, strict=True):
        at = positions(part, columns)[IMAGE]
        assert isinstance(at, int)
        locations.append(
            DatasetImages(part.name, dataset.select_columns([part.columns[at]]).with_format("arrow"), start)
        )
    images = ImageRows(held, locations, reading.layout == MULTI, f"{origin} {start if folder else ''}")
    described = f"{origin} ({columns.describe()})"
    return images_rows.split(images, described, parts[0].findings, options, task, seed)


def _declared(dataset: Any) -> str:
    """Return the column declared as images (of several, one with a common name), or an empty string."""
    found = [name for name in dataset.column_names if type(dataset.features[name]).__name__ == "Image"]
    if len(found) == 1:
        return str(found[0])
    lower = {name.lower(): name for name in found}
    return next((lower[each] for each in IMAGES if each in lower), "")


def listed(column: pa.ChunkedArray) -> list[Any]:
    """Return the values of a column; for images their path or `(bytes)`, without their content."""
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return [_HELD if valid else None for valid in column.is_valid().to_pylist()]
    if not pa.types.is_struct(column.type) or {each.name for each in column.type} != {"bytes", "path"}:
        return list(column.to_pylist())
    held = compute.is_valid(compute.struct_field(column, "bytes")).to_pylist()
    paths = compute.struct_field(column, "path").to_pylist()
    return [path or (_HELD if inside else None) for inside, path in zip(held, paths, strict=True)]


def open_parquet(datasets: Any, path: str) -> Any:
    """Return the Parquet files of a folder as a dataset in Graft's cache. Files named after splits become those splits.

    Raises:
        DataError: There are no such files, or they cannot be read.
    """
    found = files.by_name("data.path", files.find("data.path", path, (".parquet", ".pq")))
    by_split: dict[str, list[str]] = {}
    for file in found:
        name = "train" if file.split == UNDECIDED else NAMES[file.split]
        by_split.setdefault(name, []).append(str(file.path.absolute()))
    try:
        return datasets.load_dataset("parquet", data_files=by_split, cache_dir=str(cache_directory() / "datasets"))
    except Exception as error:  # damaged files and a full disk raise errors of many types
        cause = error.__cause__ or error
        message = f"the Parquet files cannot be read: {(str(cause).strip().splitlines() or [type(cause).__name__])[0]}."
        raise DataError(Problem(str(Path(path)), message)) from error
