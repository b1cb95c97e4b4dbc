"""From rows to splits: stratified, complete, the same for a seed, and with every problem of the data named.

Covers: core/data/checks.py, core/data/rows.py, core/data/splitting.py
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from core.contracts.splits import SplitOptions, Splits
from core.data.build import build_splits
from core.data.rows import TEST, TRAIN, UNDECIDED, VAL, Row, Source
from core.errors import DataError
from core.issues import RowIssue
from core.tasks.detection.boxes import BoxExample, NamedBox
from core.tasks.targets.encoding import natural
from core.tasks.task import Task
from core.tasks.text import TextExample


def source(rows: list[Row]) -> Source:
    rows = [replace(row, place=row.place or f"data:{number + 1}") for number, row in enumerate(rows)]
    examples = [replace(row.example, place=row.place) if row.example else None for row in rows]
    return Source(rows, lambda at: [examples[each] for each in at], "digest", "data")


def texts(count: int, labels: str = "ab", split: int = UNDECIDED, prefix: str = "text") -> list[Row]:
    return [
        Row(TextExample(f"{prefix} {number}"), labels[number % len(labels)], split=split) for number in range(count)
    ]


def split_rows(
    rows: list[Row], target: str = "single", seed: int = 0, labels: list[str] | None = None, **options
) -> Splits:
    task = Task(target=target, labels=labels)
    return build_splits(source(rows), task, seed, SplitOptions(**options))


def contents(split) -> set[str]:
    return {example.text for example in split}


def test_a_split_is_stratified_complete_and_of_the_asked_size():
    splits = split_rows(texts(300, "aab"))
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [210, 30, 60]
    assert Counter(example.target for example in splits.test) == {0: 40, 1: 20}
    assert Counter(example.target for example in splits.val) == {0: 20, 1: 10}
    assert len(contents(splits.train) | contents(splits.val) | contents(splits.test)) == 300


def test_a_split_depends_on_the_seed_alone():
    one, again, other = split_rows(texts(200)), split_rows(texts(200)), split_rows(texts(200), seed=1)
    assert [example.text for example in one.test] == [example.text for example in again.test]
    assert one.fingerprint == again.fingerprint != other.fingerprint
    assert contents(one.test) != contents(other.test)


def test_a_split_never_changes_between_versions_and_machines():
    assert sorted(contents(split_rows(texts(20)).test)) == ["text 0", "text 11", "text 12", "text 9"]


def test_adding_rows_changes_little_of_a_split():
    before, after = split_rows(texts(500)), split_rows(texts(510))
    assert len(contents(before.test) - contents(after.test)) <= 6


def test_the_order_of_rows_does_not_change_the_split():
    rows = texts(100)
    assert contents(split_rows(rows).test) == contents(split_rows(rows[::-1]).test)


def test_duplicates_stay_in_one_split():
    rows = texts(120) + [Row(TextExample(f"  text   {number} "), "ab"[number % 2]) for number in range(0, 120, 3)]
    splits = split_rows(rows)
    sides = [{" ".join(text.split()) for text in contents(each)} for each in (splits.train, splits.val, splits.test)]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]
    assert "duplicates_across_splits" not in {finding.code for finding in splits.findings}
    assert {f.code: f.count for f in splits.findings}["duplicates"] == 40


def test_groups_stay_on_one_side_even_where_duplicates_connect_them():
    rows = [Row(TextExample(f"t{n}"), "ab"[n % 2], group=f"author {n % 30}") for n in range(600)]
    rows += [Row(TextExample("t0"), "a", group="author 7")]
    splits = split_rows(rows)
    author = {f"t{n}": n % 30 for n in range(600)}
    sides = [{author[text] for text in contents(each)} for each in (splits.train, splits.val, splits.test)]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]
    assert sum(0 in side and 7 in side for side in sides) == 1
    assert 60 <= len(splits.test) <= 180
    assert "groups kept together" in splits.description


def test_each_example_has_the_number_of_its_group():
    rows = [Row(TextExample(f"t{n}"), "ab"[n % 2], group=f"author {n % 30}") for n in range(300)]
    rows += [Row(TextExample(text), "a") for text in ("alone", "twice", "twice")]
    splits = split_rows(rows)
    assert splits.groups is not None
    assert all(numbers.dtype == np.int64 for numbers in splits.groups.values())
    authors = {f"t{n}": n % 30 for n in range(300)} | {"alone": 30, "twice": 31}  # in the order of their first rows
    for name in ("train", "val", "test"):
        assert [authors[example.text] for example in getattr(splits, name)] == splits.groups[name].tolist()


def test_a_group_of_two_given_splits_has_one_number():
    rows = [
        Row(TextExample(f"{split} {n}"), "ab"[n % 2], split=split, group=f"author {n // 2}")
        for split in (TRAIN, VAL, TEST)
        for n in range(6)
    ]
    groups = split_rows(rows).groups
    assert groups is not None
    assert [groups[name].tolist() for name in ("train", "val", "test")] == [[0, 0, 1, 1, 2, 2]] * 3


def test_groups_follow_a_sample_of_the_examples():
    rows = [Row(TextExample(f"t{n}"), "ab"[n % 2], group=f"author {n % 50}") for n in range(500)]
    splits = split_rows(rows, max_examples=20)
    assert splits.groups is not None
    assert splits.groups["train"].tolist() == [int(example.text[1:]) % 50 for example in splits.train]


def test_without_groups_there_are_no_numbers():
    assert split_rows(texts(60)).groups is None


def test_given_splits_are_kept_and_leaks_between_them_are_reported():
    rows = texts(20, split=TRAIN) + texts(6, split=VAL, prefix="v") + texts(6, split=TEST, prefix="t")
    rows.append(Row(TextExample("text 3"), "b", split=TEST))
    splits = split_rows(rows)
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [20, 6, 7]
    (leak,) = [finding for finding in splits.findings if finding.code == "duplicates_across_splits"]
    assert (leak.count, leak.places) == (1, ("data:33 = data:4",))


@pytest.mark.parametrize(("given", "cut_out"), [(TEST, "val"), (VAL, "test")])
def test_a_missing_split_is_taken_from_the_training_rows(given, cut_out):
    splits = split_rows(texts(100, split=TRAIN) + texts(10, split=given, prefix="held"))
    assert f"{cut_out} split by seed 0" in splits.description
    kept = splits.test if given == TEST else splits.val
    assert contents(kept) == {f"held {number}" for number in range(10)}
    assert len(splits.val) + len(splits.test) + len(splits.train) == 110
    assert len(splits.val if given == TEST else splits.test) == (10 if given == TEST else 20)


def test_a_rare_label_is_always_in_the_training_split():
    for seed in range(8):
        rare = [Row(TextExample(text), text[0]) for text in ("c1", "d1", "d2")]
        splits = split_rows([*texts(60), *rare], seed=seed)
        assert {example.target for example in splits.train} == {0, 1, 2, 3}
        assert "labels_missing_from_test" in {finding.code for finding in splits.findings}


def test_a_label_that_the_training_split_lacks_is_named_with_its_place():
    with pytest.raises(DataError, match=r"data:21: the label 'c' is in the test split but not in the training split"):
        split_rows([*texts(20, split=TRAIN), Row(TextExample("new"), "c", split=TEST)])


def test_one_label_only_is_refused():
    with pytest.raises(DataError, match="every example has the label 'a'"):
        split_rows(texts(20, "a"))


def test_examples_without_training_rows_are_refused():
    with pytest.raises(DataError, match="there are test examples but none to train on"):
        split_rows(texts(20, split=TEST))


def test_too_few_examples_to_split_are_refused():
    with pytest.raises(DataError, match="too few for a"):
        split_rows(texts(2))
    with pytest.raises(DataError, match="20 different examples and 20 labels are too few"):
        split_rows([replace(row, label=str(number)) for number, row in enumerate(texts(20))])
    with pytest.raises(DataError, match="2 groups and 2 labels are too few"):
        split_rows([replace(row, group=row.label) for row in texts(40)])


def test_bad_rows_of_every_sort_are_named_together():
    fault = RowIssue("empty_text", "the text is empty", "Give it one.")
    rows = [*texts(10), *(Row(None, "a", fault=fault) for _ in range(7)), Row(TextExample("x"), None)]
    rows.append(Row(TextExample("y"), float("nan")))
    with pytest.raises(DataError) as error:
        split_rows(rows)
    empty, missing, nan = error.value.problems
    assert empty.where == "data:11"
    assert "7 such rows: data:11, data:12, data:13, data:14, data:15, …" in empty.message
    assert "on_bad_row=skip" in empty.cure
    assert (missing.where, nan.where) == ("data:18", "data:19")
    assert "NaN" in nan.message


def test_skipped_rows_are_counted_and_named():
    splits = split_rows([*texts(30), Row(TextExample("x"), " nan "), Row(TextExample("y"), "")], on_bad_row="skip")
    found = {finding.code: finding for finding in splits.findings}
    assert (found["nan_label"].count, found["nan_label"].places) == (1, ("data:31",))
    assert found["missing_label"].places == ("data:32",)
    assert len(splits.train) + len(splits.val) + len(splits.test) == 30


def test_only_bad_rows_are_an_error_even_when_skipped():
    with pytest.raises(DataError, match="no usable examples"):
        split_rows([Row(TextExample("x"), None)], on_bad_row="skip")


def test_given_label_names_decide_the_order_and_refuse_others():
    assert split_rows(texts(30), labels=["b", "a"]).labels == ("b", "a")
    with pytest.raises(DataError, match=r"'negativ' is not one of task.labels\.\n    Did you mean 'negative'\?"):
        split_rows([*texts(4), Row(TextExample("x"), "negativ")], labels=["a", "b", "negative"])


def test_labels_are_sorted_as_numbers_where_they_are_numbers():
    splits = split_rows([Row(TextExample(f"{n}"), n % 12) for n in range(120)])
    assert splits.labels == tuple(str(n) for n in range(12))
    assert sorted(["class 10", "class 2", "-1", "10", "9"], key=natural) == ["-1", "9", "10", "class 2", "class 10"]


def test_sets_of_labels_are_encoded_as_sorted_indices():
    sets = [("b", "a"), ("c",), (), ("a",)]
    splits = split_rows([Row(TextExample(f"t{n}"), sets[n % 4]) for n in range(80)], "multi")
    assert splits.labels == ("a", "b", "c")
    assert {example.target for example in splits.train} == {(0, 1), (2,), (), (0,)}


def test_values_are_stratified_by_quantile():
    splits = split_rows([Row(TextExample(f"t{n}"), str(n / 10)) for n in range(400)], "regression")
    assert splits.labels == ()
    values = np.asarray([example.target for example in splits.test])
    assert abs(values.mean() - 20) < 1
    with pytest.raises(DataError, match="'high' is not a number"):
        split_rows([*texts(0), Row(TextExample("x"), "high"), Row(TextExample("y"), 1.0)], "regression")


def test_contradictions_and_imbalance_are_found():
    rows = [*texts(60, "aaaaaaaaab"), Row(TextExample("text 0"), "b"), Row(TextExample("Z"), "A")]
    found = {finding.code: finding for finding in split_rows(rows).findings}
    assert found["conflicting_labels"].places == ("data:1", "data:61")
    assert "'a' has" in found["class_imbalance"].message
    assert "A, a" in found["labels_alike"].message


def test_at_most_so_many_examples_of_each_split_are_drawn_by_seed():
    splits, again = (split_rows(texts(500, "aaab"), max_examples=40) for _ in range(2))
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [40, 40, 40]
    assert Counter(example.target for example in splits.train) == {0: 30, 1: 10}
    assert contents(splits.train) == contents(again.train)


def test_splits_are_sequences():
    train = split_rows(texts(100)).train
    assert train[0] == next(iter(train))
    assert train[-1] == list(train)[-1]
    assert list(train[2:5]) == list(train)[2:5]
    with pytest.raises(IndexError):
        train[len(train)]


def test_fractions_that_leave_nothing_are_a_problem():
    (problem,) = SplitOptions(val_fraction=0.5, test_fraction=0.5).split_problems()
    assert problem.where == "data.test_fraction"
    assert not list(SplitOptions().split_problems())


def test_parts_of_rows_that_cannot_be_used_are_counted_and_the_rows_are_used():
    rows = texts(20)
    bad, odd = (
        RowIssue("bad_part", "the part is bad", "Mend it.", what="part"),
        RowIssue("odd", "it is odd", level="note"),
    )
    rows[3] = replace(rows[3], parts=(("r:4/1", bad), ("r:4/2", bad), ("r:4/3", odd)))
    with pytest.raises(DataError) as error:
        split_rows(rows)
    assert "r:4/1: the part is bad (2 such parts: r:4/1, r:4/2)." in str(error.value)
    assert "To skip and count such parts: data.on_bad_row=skip" in str(error.value)
    splits = split_rows(rows, on_bad_row="skip")
    assert sum(map(len, (splits.train, splits.val, splits.test))) == 20
    said = [(each.code, each.message) for each in splits.findings]
    assert said[:2] == [("bad_part", "2 parts left out: the part is bad."), ("odd", "1 row: it is odd.")]


def test_named_splits_without_an_object_in_training_are_reported_and_used():
    def image(number: int, split: int, *boxes: NamedBox) -> Row:
        return Row(BoxExample(b"", size=(9, 9), digest=str(number)), boxes, split=split)

    cup = NamedBox("cup", (1.0, 1.0, 5.0, 5.0))
    rows = [*(image(row, TRAIN) for row in range(4)), image(4, VAL, cup), image(5, TEST, cup, cup)]
    task = Task(type="object-detection", target="boxes")
    splits = build_splits(source(rows), task, 0, SplitOptions())
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [4, 1, 1]
    codes = {each.code for each in splits.findings}
    assert "labels_missing_from_train" in codes
    assert "class_imbalance" not in codes
