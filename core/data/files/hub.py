"""Open data sets of the Hugging Face Hub: saved folders, and data sets on the Hub or in its cache."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.data.rows import NAMES
from core.errors import DataError, Problem, unknown
from core.pretrained import endpoint, hub_unreachable

_COMMON = {"train": ("train", "training"), "val": ("validation", "valid", "val", "dev"), "test": ("test", "testing")}


def is_saved(folder: Path) -> bool:
    """Return whether `save_to_disk` wrote a folder."""
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def open_saved(folder: Path) -> Any:
    """Return the dataset, or its splits by name, in a folder that `save_to_disk` wrote. Nothing is downloaded.

    Raises:
        DataError: It cannot be opened.
    """
    with quiet_datasets(offline=True) as datasets:
        try:
            return datasets.load_from_disk(str(folder))
        except Exception as error:  # a damaged folder can raise any error
            raise DataError(Problem(str(folder), f"the dataset cannot be opened: {first_line(error)}.")) from error


def open_remote(name: str, subset: str = "", revision: str = "") -> Any:
    """Return the splits of a dataset of the Hub by name; those of its local copy if the Hub cannot be reached.

    Raises:
        DataError: It does not exist, is gated, is a script, or is neither cached nor reachable.
    """
    offline = is_offline()
    with quiet_datasets(offline) as datasets:
        try:
            return datasets.load_dataset(name, subset or None, revision=revision or None)
        except Exception as error:  # the Hub's, the network's and the dataset's own errors, of many types
            raise DataError(_explain(name, error, offline)) from error


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


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, without a full stop; its type if it has none."""
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
            where, f"the Hub cannot be reached and the dataset is not in the local cache: {first_line(error)}.", cure
        )
    if isinstance(error, ValueError) and "onfig" in str(error):
        return Problem(where, f"{first_line(error)}.", "Set data.subset.")
    if kinds & {"DatasetNotFoundError", "RepositoryNotFoundError", "FileNotFoundError"}:
        return Problem(where, "there is no such dataset on the Hub.", "Check the spelling: it is owner/name.")
    return Problem(where, f"the dataset cannot be loaded: {type(error).__name__}: {first_line(error)}.")


def choose_splits(loaded: Any, wanted: Mapping[str, str]) -> tuple[dict[str, Any], dict[int, str]]:
    """Return the splits of an opened dataset by name, and the name of the one for each of Graft's splits.

    Args:
        loaded: A dataset, or its splits by name.
        wanted: The names for `train`, `val` and `test` that the user gave; the usual names apply to the others.

    Raises:
        DataError: A given name does not exist, or no split can be the training split.
    """
    available = dict(loaded) if hasattr(loaded, "keys") else {"train": loaded}
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
        return available, {0: next(iter(available))}
    if 0 not in chosen:
        names = ", ".join(available)
        raise DataError(Problem("data.train", "cannot tell which split to train on.", f"There are: {names}."))
    return available, chosen


def classes_of(feature: Any) -> Any:
    """Return the `ClassLabel` of a feature or of a sequence's elements."""
    inner = getattr(feature, "feature", feature)
    inner = inner[0] if isinstance(inner, list) and inner else inner
    return inner if hasattr(inner, "int2str") else None


def class_name(value: Any, names: list[str]) -> Any:
    """Return the name of a class number, or the names of a list of them; None for -1, which means no class."""
    if isinstance(value, list):
        return [class_name(each, names) for each in value]
    return None if value is None or value < 0 else names[value]
