"""Read data sets of the Hugging Face Hub with words and tags, or with texts and spans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.compute as compute

from core.contracts import SplitOptions, Splits
from core.data import NAMES, TRAIN, UNDECIDED, DataIssue, files
from core.errors import DataError, Problem
from core.runtime import cache_directory
from core.tasks import Task
from plugins.text.token_classification.data.json_forms import SAMPLE, ObjectReader, Value
from plugins.text.token_classification.data.load import load_parts
from plugins.text.token_classification.data.reading import Part, Reading, Record


def load_dataset(
    loaded: Any, name: str, splits: Mapping[str, str], reading: Reading, options: SplitOptions, task: Task, seed: int
) -> Splits:
    """Turn an opened dataset into splits.

    Args:
        loaded: The dataset, or its splits by name.
        name: Its name in messages.
        splits: The names of its splits that the user gave for `train`, `val` and `test`.
        reading: The options for reading sentences.
        options: How to split.
        task: The task.
        seed: Seed of the split.

    Raises:
        DataError: See `DataAdapter.load`.
    """
    available, chosen = files.choose_splits(loaded, splits)
    readers = {each: ObjectReader(each, _head(available[each]), reading) for each in chosen.values()}
    hidden = [
        split
        for split, each in chosen.items()
        if split != TRAIN and not splits.get(NAMES[split]) and _has_no_tags(available[each], readers[each].fields.tags)
    ]
    left_out = [chosen.pop(split) for split in hidden]
    parts = [
        _part(available[each], each, readers[each], split if len(chosen) > 1 else UNDECIDED)
        for split, each in chosen.items()
    ]
    parts[0] = replace(parts[0], findings=tuple(_left_out(each, len(available[each])) for each in left_out))
    return load_parts(parts, reading, options, task, seed, f"{name} [{', '.join(chosen.values())}]", "")


def _left_out(name: str, size: int) -> DataIssue:
    return DataIssue("split_without_labels", f"the split {name!r} has no tags and was left out.", size)


def open_folder(path: str) -> Any:
    """Return the dataset in a folder that `save_to_disk` wrote, or in a folder of Parquet files. Nothing is downloaded.

    Raises:
        DataError: There is none, or it cannot be opened.
    """
    folder = Path(path).expanduser()
    if files.is_saved(folder):
        return files.open_saved(folder)
    found = files.by_name("data.path", files.find("data.path", path, (".parquet", ".pq")))
    by_split: dict[str, list[str]] = {}
    for file in found:
        by_split.setdefault("train" if file.split == UNDECIDED else NAMES[file.split], []).append(
            str(file.path.absolute())
        )
    with files.quiet_datasets(offline=True) as datasets:
        try:
            return datasets.load_dataset("parquet", data_files=by_split, cache_dir=str(cache_directory() / "datasets"))
        except Exception as error:  # damaged files and a full disk raise errors of many types
            message = f"the Parquet files cannot be read: {files.first_line(error.__cause__ or error)}."
            raise DataError(Problem(str(folder), message)) from error


def _head(dataset: Any) -> list[Value]:
    """Return the first rows of one split."""
    return list(islice(_values(dataset), SAMPLE))


def _values(dataset: Any) -> Iterator[Value]:
    """Yield the rows of one split, with class numbers turned into names."""
    number, features = 0, dict(dataset.features)
    for table in dataset.with_format("arrow").iter(batch_size=1024):
        for row in table.to_pylist():
            number += 1
            yield number, {key: _named(each, features[key]) for key, each in row.items()}


def _has_no_tags(dataset: Any, name: str) -> bool:
    """Return whether all tags are -1, as in the test splits of public competitions."""
    if not name or not files.classes_of(dataset.features[name]):
        return False
    return compute.max(compute.list_flatten(dataset.data.column(name))).as_py() in (-1, None)


def _part(dataset: Any, name: str, reader: ObjectReader, split: int) -> Part:
    """Return one split of a dataset as a part."""

    def records() -> Iterator[Record]:
        return reader.records(_values(dataset), split)

    size, written = int(dataset.data.nbytes), f"{dataset._fingerprint} {reader.fields}"
    return Part(name, records, reader.fields.describe(), written, size)


def _named(value: Any, feature: Any) -> Any:
    """Return a value with the names of its classes, at any depth."""
    if value is None:
        return None
    if isinstance(feature, Mapping):
        return {key: _named(each, feature[key]) for key, each in value.items()}
    if hasattr(feature, "int2str"):
        return files.class_name(value, feature.names)
    inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
    if inner is None:
        return value
    if isinstance(value, Mapping):  # a sequence of objects is stored as an object of sequences
        return {key: [_named(each, inner[key]) for each in listed] for key, listed in value.items()}
    return [_named(each, inner) for each in value]
