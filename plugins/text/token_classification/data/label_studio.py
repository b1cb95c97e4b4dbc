"""Read tasks of Label Studio: its JSON export, and JSON_MIN. Offsets count UTF-16 units, as in JavaScript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import DataError, Problem
from plugins.text.token_classification.data.faults import BadRowError

SPANS = "(annotations)"
"""The field of spans in the object that `as_object` makes of a task."""


def is_task(value: Mapping[str, Any]) -> bool:
    """Return whether an object is a task of the JSON export."""
    return isinstance(value.get("data"), Mapping) and any(key in value for key in ("annotations", "completions"))


def is_short_task(value: Mapping[str, Any]) -> bool:
    """Return whether an object is a task of JSON_MIN."""
    return "annotation_id" in value and "annotator" in value


def as_object(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of a task, and its spans as the field `SPANS`; None stands for a task without annotation.

    Raises:
        BadRowError: The annotator skipped the task, or its annotations differ.
    """
    given = task.get("annotations") or task.get("completions")
    listed = [each for each in given if isinstance(each, Mapping)] if isinstance(given, list) else []
    kept = [each for each in listed if not each.get("was_cancelled")]
    if listed and not kept:
        raise BadRowError("cancelled_annotations")
    truths = [each for each in kept if each.get("ground_truth")]
    found = [_spans(each.get("result")) for each in (truths if len(truths) == 1 else kept)]
    distinct = [each for number, each in enumerate(found) if each not in found[:number]]
    if len(distinct) > 1:
        raise BadRowError("annotations_differ", f"the {len(found)} annotations of the task have different spans")
    return {**task["data"], SPANS: distinct[0] if distinct else None}


def _spans(results: Any) -> list[dict[str, Any]]:
    """Return the spans of an annotation in order; results of other kinds, such as choices, have none."""
    given = [each.get("value") for each in results if isinstance(each, Mapping)] if isinstance(results, list) else []
    values = [each for each in given if isinstance(each, Mapping)]
    spans = [
        {key: value.get(key) for key in ("start", "end", "text", "labels")} for value in values if "labels" in value
    ]
    return sorted(spans, key=lambda span: [str(span[key]).zfill(12) for key in ("start", "end", "labels")])


def short_field(objects: Sequence[Mapping[str, Any]]) -> str:
    """Return the field of spans in tasks of JSON_MIN; empty if no task has spans.

    Raises:
        DataError: Several fields hold spans.
    """
    found = dict.fromkeys(key for each in objects for key, value in each.items() if _has_spans(value))
    if len(found) > 1:
        raise DataError(Problem("data.spans", f"several fields hold spans: {', '.join(found)}.", "Set data.spans."))
    return next(iter(found), "")


def _has_spans(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, Mapping) and {"start", "end", "labels"} <= set(each) for each in value)
    )
