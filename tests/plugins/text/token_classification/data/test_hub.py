"""Data sets of the Hub with tags or spans: class names, splits, saved folders, and Parquet files."""

from __future__ import annotations

import datasets
import pytest

from core.data import TEST, TRAIN, UNDECIDED
from core.data.files import hub as core_hub
from core.errors import DataError
from core.tasks.task import Task
from plugins.text.token_classification.data.adapters import HubTags, TaggedText

NAMES = ["O", "B-x", "I-x"]
FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "tokens": datasets.List(datasets.Value("string")),
        "pos_tags": datasets.List(datasets.ClassLabel(names=["NN", "VB"])),
        "ner_tags": datasets.List(datasets.ClassLabel(names=NAMES)),
    }
)


def tagged(count: int = 3) -> datasets.Dataset:
    columns = {
        "id": [str(number) for number in range(count)],
        "tokens": [["a", "b", f"c{number}"] for number in range(count)],
        "pos_tags": [[0, 1, 0]] * count,
        "ner_tags": [[1, 2, 0]] * count,
    }
    return datasets.Dataset.from_dict(columns, FEATURES)


def load(path, **options):
    return HubTags(path=str(path), **options).load(Task(), 0)


def test_a_saved_dataset_has_its_tag_names(tmp_path):
    tagged().save_to_disk(tmp_path / "d")
    source = load(tmp_path / "d")
    (row, *_) = source.rows
    assert (row.place, row.example.surfaces, row.label) == ("train:1", ["a", "b", "c0"], ["B-x", "I-x", "O"])
    assert row.split == UNDECIDED
    assert "d [train] (words from 'tokens', tags from 'ner_tags'; scheme iob2)" in source.origin
    assert source.digest == load(tmp_path / "d").digest
    assert next(iter(load(tmp_path / "d", tags="pos_tags").rows)).label == ["NN", "VB", "NN"]


def test_splits_are_kept_and_can_be_chosen(tmp_path):
    datasets.DatasetDict({"train": tagged(), "extra": tagged(2)}).save_to_disk(tmp_path / "d")
    assert [row.split for row in load(tmp_path / "d", test="extra").rows] == [TRAIN] * 3 + [TEST] * 2
    with pytest.raises(DataError, match="Did you mean 'extra'"):
        load(tmp_path / "d", test="extar")


def test_spans_with_classes_and_tags_without(tmp_path):
    span = {"start": datasets.Value("int32"), "end": datasets.Value("int32"), "label": datasets.ClassLabel(names=["x"])}
    for number, kind in enumerate((datasets.List(span), datasets.Sequence(span))):
        features = datasets.Features({"text": datasets.Value("string"), "entities": kind})
        spans = [[{"start": 2, "end": 3, "label": 0}], []]
        if number:
            spans = [{"start": [2], "end": [3], "label": [0]}, {"start": [], "end": [], "label": []}]
        columns = {"text": ["a b", "c"], "entities": spans}
        datasets.Dataset.from_dict(columns, features).save_to_disk(tmp_path / str(number))
        assert [row.label for row in load(tmp_path / str(number)).rows] == [["O", "B-x"], ["O"]]


def test_numbers_without_names_need_the_option_and_minus_one_is_missing(tmp_path):
    plain = datasets.Features({**FEATURES, "ner_tags": datasets.List(datasets.Value("int32"))})
    datasets.Dataset.from_dict({**tagged().to_dict(), "ner_tags": [[1, 2, 0]] * 3}, plain).save_to_disk(tmp_path / "d")
    assert {row.fault.code for row in load(tmp_path / "d").rows} == {"unknown_tag_number"}
    assert next(iter(load(tmp_path / "d", tag_names=NAMES).rows)).label == ["B-x", "I-x", "O"]
    hidden = datasets.Dataset.from_dict({**tagged().to_dict(), "ner_tags": [[-1] * 3] * 3}, FEATURES)
    hidden.save_to_disk(tmp_path / "h")
    assert {row.fault.code for row in load(tmp_path / "h").rows} == {"missing_tag"}
    datasets.DatasetDict({"train": tagged(), "test": hidden}).save_to_disk(tmp_path / "both")
    source = load(tmp_path / "both")
    assert [row.split for row in source.rows] == [UNDECIDED] * 3
    assert [finding.code for finding in source.findings] == ["split_without_labels", "tag_scheme"]
    assert len(list(load(tmp_path / "both", test="test").rows)) == 6


def test_a_folder_of_parquet_files(tmp_path):
    tagged().to_parquet(tmp_path / "train-0.parquet")
    tagged(2).to_parquet(tmp_path / "test-0.parquet")
    assert [(row.split, row.label) for row in load(tmp_path).rows] == [(TRAIN, ["B-x", "I-x", "O"])] * 3 + [
        (TEST, ["B-x", "I-x", "O"])
    ] * 2
    with pytest.raises(DataError, match="there is no file or folder"):
        load(tmp_path / "nothing")


def test_files_are_not_read_from_a_saved_dataset(tmp_path):
    tagged().save_to_disk(tmp_path / "d")
    with pytest.raises(DataError, match=r"was written by save_to_disk.\n    data=hub_tags data.path="):
        TaggedText(path=str(tmp_path / "d")).load(Task(), 0)


def test_an_unreachable_hub_fails_with_a_cure(monkeypatch):
    monkeypatch.setattr(core_hub, "hub_unreachable", lambda: "there is no network")
    with pytest.raises(DataError, match="the Hub cannot be reached and the dataset is not in the local cache"):
        HubTags(dataset="graft-tests/not-in-any-cache").load(Task(), 0)
