"""Load datasets of the Hugging Face Hub: from a folder on disk, or from the Hub if it is reachable."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.contracts import SplitOptions, Splits
from core.data import NAMES, UNDECIDED
from core.errors import DataError, Problem, unknown
from core.issues import DataIssue
from core.pretrained import endpoint, hub_unreachable
from core.tasks import Task
from plugins.data import files
from plugins.data.hub import images
from plugins.data.tabular.columns import IMAGE
from plugins.data.tabular.formats import first
from plugins.data.tabular.part import Part, Record
from plugins.data.tabular.rows import Reading
from plugins.data.tabular.table import TextFiles, load_parts, load_table

_COMMON = {"train": ("train", "training"), "val": ("validation", "valid", "val", "dev"), "test": ("test", "testing")}


def load_folder(
    path: str, splits: Mapping[str, str], reading: Reading, options: SplitOptions, task: Task, seed: int
) -> Splits:
    """Load a folder written by `save_to_disk`, or a folder of data files. Nothing is downloaded or executed.

    Raises:
        DataError: See `DataAdapter.load`.
    """
    folder = Path(path).expanduser()
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        with quiet_datasets(offline=True) as datasets:
            try:
                loaded = datasets.load_from_disk(str(folder))
            except Exception as error:  # a damaged folder can raise any error
                raise DataError(Problem(str(folder), f"the dataset cannot be opened: {_line(error)}.")) from error
        return _load(loaded, folder.name, splits, reading, options, task, seed, folder)
    if not folder.is_dir():
        files.find("data.path", path)
    if reading.content == IMAGE:
        with quiet_datasets(offline=True) as datasets:
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
    offline = is_offline()
    with quiet_datasets(offline) as datasets:
        try:
            loaded = datasets.load_dataset(name, subset or None, revision=revision or None)
        except Exception as error:  # the Hub's, the network's and the dataset's own errors, of many types
            raise DataError(_explain(name, error, offline)) from error
    return _load(loaded, name, splits, reading, options, task, seed)


def is_offline() -> bool:
    """Return whether the Hub is disabled (`HF_HUB_OFFLINE`, `HF_DATASETS_OFFLINE`) or does not answer."""
    if os.environ.get("HF_DATASETS_OFFLINE", "").lower() in {"1", "on", "yes", "true"}:
        return True
    return bool(hub_unreachable())


@contextmanager
def quiet_datasets(offline: bool) -> Iterator[Any]:
    """Yield the `datasets` library without telemetry and progress bars and, if `offline`, without a network."""
    import datasets
    import datasets.config
    import huggingface_hub.constants as hub

    wanted = [(datasets.config, "HF_UPDATE_DOWNLOAD_COUNTS", False), (hub, "HF_HUB_DISABLE_TELEMETRY", True)]
    if offline:
        wanted += [
            (each, name, True) for each in (datasets.config, hub) for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
        ]
    before = [(module, name, getattr(module, name)) for module, name, _ in wanted if hasattr(module, name)]
    bars = datasets.is_progress_bar_enabled()
    try:
        for module, name, value in wanted:
            if hasattr(module, name):
                setattr(module, name, value)
        datasets.disable_progress_bars()
        yield datasets
    finally:
        for module, name, value in before:
            setattr(module, name, value)
        if bars:
            datasets.enable_progress_bars()


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _explain(name: str, error: Exception, offline: bool) -> Problem:
    where, kinds = f"data.dataset={name}", {each.__name__ for each in type(error).__mro__}
    if "scripts are no longer supported" in str(error):
        cure = "Look for a Parquet version of it on the Hub, or save it yourself and read it with data=table."
        return Problem(where, "the dataset is a script; Graft never executes one.", cure)
    if "GatedRepoError" in kinds or "gated" in str(error).lower():
        cure = f"Accept its terms at {endpoint()}/datasets/{name}, then: hf auth login"
        return Problem(where, "access to the dataset is restricted.", cure)
    if offline:
        cure = "Connect to the network once, or save it with datasets' save_to_disk and use data.path."
        return Problem(
            where, f"the Hub cannot be reached and the dataset is not in the local cache: {_line(error)}.", cure
        )
    if isinstance(error, ValueError) and "onfig" in str(error):
        return Problem(where, f"{_line(error)}.", "Set data.subset.")
    if kinds & {"DatasetNotFoundError", "RepositoryNotFoundError", "FileNotFoundError"}:
        return Problem(where, "there is no such dataset on the Hub.", "Check the spelling: it is owner/name.")
    return Problem(where, f"the dataset cannot be loaded: {type(error).__name__}: {_line(error)}.")


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
    available = dict(loaded) if hasattr(loaded, "keys") else {"train": loaded}
    chosen = _choose(available, splits)
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


def _choose(available: Mapping[str, Any], wanted: Mapping[str, str]) -> dict[int, str]:
    """Return the dataset's split for each of Graft's: the configured one, else by the usual names."""
    problems, chosen = [], {}
    for number, part in enumerate(NAMES):
        name = wanted.get(part, "")
        if name and name not in available:
            problems.append(Problem(f"data.{part}", *unknown("split", name, list(available))))
        found = name or next((each for each in _COMMON[part] if each in available), "")
        if found and (name or found not in wanted.values()):
            chosen[number] = found
    if problems:
        raise DataError(*problems)
    if not chosen and len(available) == 1:
        return {0: next(iter(available))}
    if 0 not in chosen:
        names = ", ".join(available)
        raise DataError(Problem("data.train", "cannot tell which split to train on.", f"There are: {names}."))
    return chosen


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
    names = {at: feature.names for at, each in enumerate(columns) if (feature := _classes(dataset.features[each]))}

    def records() -> Iterator[Record]:
        number = 0
        for table in dataset.with_format("arrow").iter(batch_size=1024):
            values = [lists(column) for column in table.columns]
            for at, classes in names.items():
                values[at] = [_class_name(each, classes) for each in values[at]]
            for row in zip(*values, strict=True):
                number += 1
                yield number, row

    size, written = int(dataset.data.nbytes), str(dataset._fingerprint)
    return Part(name, columns, records, split=split, sample=first(records()), written=written, size=size)


def _classes(feature: Any) -> Any:
    """Return the `ClassLabel` of a feature or of a sequence's elements."""
    inner = getattr(feature, "feature", feature)
    inner = inner[0] if isinstance(inner, list) and inner else inner
    return inner if hasattr(inner, "int2str") else None


def _has_no_labels(dataset: Any) -> bool:
    """Return whether all classes are -1, as in the test splits of public competitions."""
    names = [name for name in dataset.column_names if hasattr(dataset.features[name], "int2str")]
    return bool(names) and all(dataset.unique(name) in ([-1], [None]) for name in names)


def _class_name(value: Any, names: list[str]) -> Any:
    if isinstance(value, list):
        return [_class_name(each, names) for each in value]
    return None if value is None or value < 0 else names[value]
