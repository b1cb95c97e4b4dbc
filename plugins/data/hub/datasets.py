"""Load datasets of the Hugging Face Hub: from a folder on disk, or from the Hub if it is reachable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.contracts import SplitOptions, Splits
from core.data import NAMES, UNDECIDED, files
from core.errors import DataError, Problem
from core.issues import DataIssue
from core.tasks import Task
from plugins.data.hub import images
from plugins.data.tabular.columns import IMAGE
from plugins.data.tabular.formats import first
from plugins.data.tabular.part import Part, Record
from plugins.data.tabular.rows import Reading
from plugins.data.tabular.table import TextFiles, load_parts, load_table


def load_folder(
    path: str, splits: Mapping[str, str], reading: Reading, options: SplitOptions, task: Task, seed: int
) -> Splits:
    """Load a folder written by `save_to_disk`, or a folder of data files. Nothing is downloaded or executed.

    Raises:
        DataError: See `DataAdapter.load`.
    """
    folder = Path(path).expanduser()
    if files.is_saved(folder):
        return _load(files.open_saved(folder), folder.name, splits, reading, options, task, seed, folder)
    if not folder.is_dir():
        files.find("data.path", path)
    if reading.content == IMAGE:
        with files.quiet_datasets(offline=True) as datasets:
            loaded = images.open_parquet(datasets, path)
        return _load(loaded, folder.name, splits, reading, options, task, seed, folder)
    if any(splits.values()):
        message = "a folder of data files has no named splits; files named train, val and test become splits."
        raise DataError(Problem("data.path", message, "Leave out data.train, data.val and data.test."))
    return load_table(TextFiles(path=path), reading, options, task, seed)


def load_remote(
    name: str,
    subset: str,
    revision: str,
    splits: Mapping[str, str],
    reading: Reading,
    options: SplitOptions,
    task: Task,
    seed: int,
) -> Splits:
    """Load a dataset of the Hub, or its local copy if the Hub cannot be reached.

    Raises:
        DataError: It does not exist, is gated, is a script, or is neither cached nor reachable.
    """
    return _load(files.open_remote(name, subset, revision), name, splits, reading, options, task, seed)


def _load(
    loaded: Any,
    name: str,
    splits: Mapping[str, str],
    reading: Reading,
    options: SplitOptions,
    task: Task,
    seed: int,
    folder: Path | None = None,
) -> Splits:
    available, chosen = files.choose_splits(loaded, splits)
    hidden = {split: each for split, each in chosen.items() if split and _has_no_labels(available[each])}
    chosen = {split: each for split, each in chosen.items() if split not in hidden or splits.get(NAMES[split])}
    lists = images.listed if reading.content == IMAGE else _values
    parts = [_part(available[each], each, split, lists) for split, each in chosen.items()]
    left_out = [
        DataIssue("split_without_labels", f"the split {each!r} has no labels and was left out.", len(available[each]))
        for split, each in hidden.items()
        if split not in chosen
    ]
    parts[0] = replace(parts[0], findings=tuple(left_out), split=parts[0].split if parts[1:] else UNDECIDED)
    origin = f"{name} [{', '.join(chosen.values())}]"
    if reading.content == IMAGE:
        used = [available[each] for each in chosen.values()]
        return images.load_hub_images(used, parts, reading, options, task, seed, origin, folder)
    return load_parts(parts, reading, options, task, seed, origin, "")


def _values(column: Any) -> list[Any]:
    return list(column.to_pylist())


def _part(dataset: Any, name: str, split: int, lists: Callable[[Any], list[Any]]) -> Part:
    """Open one split of a dataset, with class numbers turned into names. A class of -1 is a missing label.

    Args:
        dataset: The split.
        name: Its name in the dataset.
        split: Its split in Graft.
        lists: Returns the values of an Arrow column.
    """
    columns = tuple(dataset.column_names)
    names = {
        at: feature.names for at, each in enumerate(columns) if (feature := files.classes_of(dataset.features[each]))
    }

    def records() -> Iterator[Record]:
        number = 0
        for table in dataset.with_format("arrow").iter(batch_size=1024):
            values = [lists(column) for column in table.columns]
            for at, classes in names.items():
                values[at] = [files.class_name(each, classes) for each in values[at]]
            for row in zip(*values, strict=True):
                number += 1
                yield number, row

    size, written = int(dataset.data.nbytes), str(dataset._fingerprint)
    return Part(name, columns, records, split=split, sample=first(records()), written=written, size=size)


def _has_no_labels(dataset: Any) -> bool:
    """Return whether all classes are -1, as in the test splits of public competitions."""
    names = [name for name in dataset.column_names if hasattr(dataset.features[name], "int2str")]
    return bool(names) and all(dataset.unique(name) in ([-1], [None]) for name in names)
