"""The kit's check of target types: it passes the built-in ones and names the broken rule of others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from core.issues import RowIssue
from core.tasks.detection.target import BoxesTarget
from core.tasks.targets.encoding import LabelEncoder
from core.tasks.targets.multi_label import MultiLabel
from core.tasks.targets.single_label import SingleLabel
from core.tasks.targets.target import ResultTable, TargetType
from core.tasks.text import TextExample
from core.testing.samples import DETECTION, TEXT, sample_examples, sample_output
from core.testing.targets import check_target_type


@pytest.mark.parametrize(
    ("task_type", "target"), [(TEXT, "single"), (TEXT, "multi"), (TEXT, "regression"), (DETECTION, "boxes")]
)
def test_a_built_in_target_type_passes_with_examples(task_type: str, target: str) -> None:
    output = sample_output(task_type, target)
    check_target_type(output.target, examples=sample_examples(task_type, target, 12))


def broken(base: type[TargetType] = SingleLabel, **methods: Any) -> TargetType:
    made: TargetType = type("Broken", (base,), methods)()
    return made


class Lenient(LabelEncoder):
    """Takes a missing label."""

    def add(self, raw: object) -> RowIssue | None:
        return None


def nested(self: TargetType, line: Any) -> Iterator[dict[str, Any]]:
    yield {"label": [line["label"]]}


class Other:
    """An example of no task type."""

    target = 0


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (broken(samples=lambda self, n, labels: [0]), "must return 60 targets"),
        (broken(labels_of=lambda self, target: (99,)), "returns 99"),
        (broken(target_problem=lambda self, *_: ""), "must say what is wrong"),
        (broken(objects=True), "`objects` is True, so `stack` must return an array of objects; its dtype is int64"),
        (broken(BoxesTarget, objects=False), "must return an array of numbers; its dtype is object"),
        (broken(strata=lambda self, targets: np.zeros(3)), "`strata` must return an int64 array"),
        (broken(encoder=lambda self, task: Lenient(task, self)), "must return a RowIssue"),
        (broken(losses=lambda self, logits, *_: logits), r"`losses` must return float32 \[b\]; .* \[60, 3\]"),
        (broken(predictions=lambda self, logits: logits.sigmoid()), "`predictions` from random logits must give prob"),
        (broken(train_options=frozenset({"epochs"})), "not epochs"),
        (broken(MultiLabel, threshold_names=lambda self, labels: ["all"]), "returns 3 values, but .* 1"),
        (broken(difference=lambda self, one, other: 0.0), "two different random predictions must be above 0"),
        (broken(BoxesTarget, difference=TargetType.difference), "so it must override `difference`"),
        (broken(tables=lambda self, *_: {"scores": ResultTable([], "Scores")}), "has the name of an entry"),
        (broken(like="singel"), "there is no .*'singel'.*Did you mean 'single'"),
        (broken(like="multi"), r"the targets of 60 samples are int64 \[60\], and those of multi are float32 \[60, 3\]"),
        (
            broken(baseline=lambda self, train, *_: {"majority": np.full((len(train), 3), 1 / 3, dtype=np.float32)}),
            "the baseline 'majority' must give",
        ),
        (broken(write_target=lambda self, *_: {0}), "`write_target` must consist of JSON values"),
        (broken(write=lambda self, prediction, *_: {"p": prediction[0]}), "`write` must consist of JSON values"),
        (broken(rows=nested), "`rows` must yield plain values for a CSV"),
        (broken(columns=lambda self, labels: ("label",)), "missing from `columns`"),
        (broken(formats="xml"), "`formats` must be a tuple of different names"),
        (broken(formats=("xml", "csv")), "`formats` must be .* other than jsonl and csv"),
        (broken(formats=("xml", "xml")), "`formats` must be a tuple of different names"),
        (broken(formats=("X ML",)), "`formats` must be a tuple of different names in lower case"),
        (broken(formats=("xml",)), "it must override `text_lines`"),
        (broken(formats=("xml",), text_lines=lambda *_: ["<a>\n"]), "must yield lines without newlines for 'xml'"),
        (broken(formats=("xml",), text_lines=lambda *_: [b"<a>"]), "must yield lines without newlines for 'xml'"),
    ],
)
def test_a_target_type_that_breaks_a_rule(target: TargetType, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_target_type(target)


EXAMPLES = sample_examples(count=12)


@pytest.mark.parametrize(
    ("target", "examples", "message"),
    [
        (broken(columns=lambda self, labels: ("label", *labels)), EXAMPLES, r"missing from `columns`: .*text"),
        (broken(write_target=lambda self, target, labels, example=None: example), EXAMPLES, "`write_target` must"),
        (broken(write=lambda self, *given: {"example": given[-1]}), EXAMPLES, "`write` must consist of JSON values"),
        (
            broken(baseline=lambda self, train, examples, labels: {examples[0].place: np.zeros((7, 2))}),
            EXAMPLES,
            "the baseline 'sample:1' must give",
        ),
        (broken(), [TextExample("calm", 9)], "`target_problem` refuses the target of TextExample"),
        (broken(), [Other()], "no registered task type has examples of the class Other"),
    ],
)
def test_a_target_type_that_breaks_a_rule_on_examples(target: TargetType, examples: list[Any], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_target_type(target, examples=examples)
