"""Data sets of the Hub with texts: columns, splits, and what happens without a network."""

from __future__ import annotations

import time
from collections import Counter

import datasets
import pytest

from core.data.files import hub
from core.errors import DataError
from core.tasks.task import Task
from plugins.data.adapters.hub import Hub


def labelled(count: int = 40, names: tuple[str, ...] = ("bad", "good"), hidden: bool = False) -> datasets.Dataset:
    features = datasets.Features(
        {"sentence": datasets.Value("string"), "label": datasets.ClassLabel(names=list(names))}
    )
    labels = [-1 if hidden else number % len(names) for number in range(count)]
    return datasets.Dataset.from_dict({"sentence": [f"{count} {n}" for n in range(count)], "label": labels}, features)


def test_a_saved_dataset_is_split_and_has_its_class_names(tmp_path):
    labelled().save_to_disk(tmp_path / "d")
    splits = Hub(path=str(tmp_path / "d")).load(Task(), 0)
    assert splits.labels == ("bad", "good")
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [28, 4, 8]
    assert splits.train[0].place.startswith("train:")
    assert splits.fingerprint == Hub(path=str(tmp_path / "d")).load(Task(), 0).fingerprint


def test_saved_splits_are_kept_and_chosen_by_name(tmp_path):
    parts = {"train": labelled(40), "validation": labelled(12), "extra": labelled(14)}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "d")
    splits = Hub(path=str(tmp_path / "d"), test="extra").load(Task(), 0)
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [40, 12, 14]
    with pytest.raises(DataError, match=r"data.test: there is no split 'extar'.\n    Did you mean 'extra'"):
        Hub(path=str(tmp_path / "d"), test="extar").load(Task(), 0)


def test_a_test_split_whose_labels_are_hidden_is_left_out_and_reported(tmp_path):
    datasets.DatasetDict({"train": labelled(40), "test": labelled(9, hidden=True)}).save_to_disk(tmp_path / "d")
    splits = Hub(path=str(tmp_path / "d")).load(Task(), 0)
    assert "split_without_labels" in {finding.code for finding in splits.findings}
    assert len(splits.test) == 8


def test_lists_of_classes_are_sets_of_labels(tmp_path):
    features = datasets.Features(
        {"text": datasets.Value("string"), "labels": datasets.List(datasets.ClassLabel(names=["x", "y"]))}
    )
    rows = {"text": [f"t{n}" for n in range(40)], "labels": [[0], [1], [0, 1], []] * 10}
    datasets.Dataset.from_dict(rows, features).save_to_disk(tmp_path / "d")
    splits = Hub(path=str(tmp_path / "d")).load(Task(target="multi"), 0)
    assert splits.labels == ("x", "y")
    assert set(Counter(example.target for example in splits.train)) == {(0,), (1,), (0, 1), ()}


def test_a_folder_of_data_files(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\n" + "".join(f"t{n},{'ab'[n % 2]}\n" for n in range(40)))
    assert len(Hub(path=str(tmp_path)).load(Task(), 0).train) == 28
    with pytest.raises(DataError, match="there is no file or folder"):
        Hub(path=str(tmp_path / "nothing")).load(Task(), 0)


def test_an_unreachable_hub_fails_within_seconds_with_a_cure(tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "hub_unreachable", lambda: "there is no network")
    before = datasets.config.HF_HUB_OFFLINE
    start = time.monotonic()
    with pytest.raises(DataError, match="the Hub cannot be reached and the dataset is not in the local cache") as error:
        Hub(dataset="graft-tests/not-in-any-cache").load(Task(), 0)
    assert time.monotonic() - start < 5
    assert "data.path" in str(error.value)
    assert before == datasets.config.HF_HUB_OFFLINE
