"""Read the spans of a text from the forms in which tools write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plugins.text.token_classification.data.faults import BadRowError
from plugins.text.token_classification.data.offsets import LabeledSpan

_STARTS = ("start", "start_offset", "start_char", "begin", "from")
_ENDS = ("end", "end_offset", "end_char", "stop", "to")
_LABELS = ("label", "labels", "type", "entity_type", "entity_group", "tag", "category", "entity")


def read_spans(value: Any) -> list[LabeledSpan]:
    """Return spans, with offsets as the data has them.

    Args:
        value: A list of objects (`start`, `end`, `label`, perhaps `text`; or other usual names) or of lists (start,
            end, label), or an object with one list for each property.

    Raises:
        BadRowError: A span has no start, end or label.
    """
    if value is None:
        return []
    if isinstance(value, Mapping):
        if len({len(each) if isinstance(each, list) else -1 for each in value.values()} - {-1}) != 1:
            raise BadRowError("bad_span", f"the spans are {_shown(value)}, which is not a list for each property")
        value = [dict(zip(value, each, strict=True)) for each in zip(*value.values(), strict=True)]
    if not isinstance(value, list):
        raise BadRowError("bad_span", f"the spans are a {type(value).__name__}, not a list")
    return [_span(each) for each in value]


def _span(value: Any) -> LabeledSpan:
    if isinstance(value, Mapping):
        start, end, label = (_first(value, names) for names in (_STARTS, _ENDS, _LABELS))
        text = value.get("text")
    elif isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 3:
        start, end, label = value
        text = None
    else:
        raise BadRowError("bad_span", f"a span is {_shown(value)}, which has no start, end and label")
    if isinstance(label, list) and len(label) == 1:
        label = label[0]
    if isinstance(label, list) and len(label) > 1:
        raise BadRowError("bad_span", f"the span {start}-{end} has {len(label)} labels: {_shown(label)}")
    if not _is_offset(start) or not _is_offset(end):
        raise BadRowError("bad_span", f"a span is {_shown(value)}, whose start or end is not an integer")
    if not isinstance(label, str) or not label.strip():
        raise BadRowError("bad_span", f"the span {start}-{end} has the label {_shown(label)}, which is not a name")
    return LabeledSpan(start, end, label.strip(), text if isinstance(text, str) else None)


def _first(value: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((value[name] for name in names if value.get(name) is not None), None)


def _is_offset(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    return repr(value)[:60]
