"""Offsets in characters, bytes and UTF-16 units: converted, or named when they count something else."""

from __future__ import annotations

import pytest

from plugins.text.token_classification.data.faults import BadRowError
from plugins.text.token_classification.data.offsets import LabeledSpan, in_characters, resolve
from plugins.text.token_classification.words import split_words

TEXT = "é 👍 Zoë in Łódź, ok"
ZOE, LODZ = TEXT.index("Zoë"), TEXT.index("Łódź")
SPANS = [LabeledSpan(ZOE, ZOE + 3, "person"), LabeledSpan(LODZ, LODZ + 4, "place")]
ENCODINGS = {"characters": ("utf-32-le", 4), "bytes": ("utf-8", 1), "utf16": ("utf-16-le", 2)}


def in_unit(unit: str, shown: bool = False) -> list[LabeledSpan]:
    encoding, size = ENCODINGS[unit]
    return [
        each._replace(
            start=len(TEXT[: each.start].encode(encoding)) // size,
            end=len(TEXT[: each.end].encode(encoding)) // size,
            text=TEXT[each.start : each.end] if shown else None,
        )
        for each in SPANS
    ]


def resolved(spans, wanted="auto", usual="characters", text=TEXT):
    return [each[:3] for each in resolve(text, spans, split_words(text), wanted, usual)]


@pytest.mark.parametrize("unit", ENCODINGS)
def test_stated_units_are_converted(unit):
    assert in_characters(TEXT, in_unit(unit), unit) == SPANS
    assert resolved(in_unit(unit), unit) == [each[:3] for each in SPANS]


@pytest.mark.parametrize("unit", ENCODINGS)
def test_texts_beside_the_spans_tell_the_unit(unit):
    assert resolved(in_unit(unit, shown=True)) == [each[:3] for each in SPANS]


@pytest.mark.parametrize("unit", ["bytes", "utf16"])
def test_another_unit_is_named_with_its_cure(unit):
    with pytest.raises(BadRowError) as error:
        resolved(in_unit(unit))
    assert error.value.issue.code == f"offsets_in_{unit}"
    assert error.value.issue.cure == f"Set data.offsets={unit}."


def test_the_usual_unit_of_a_form_applies_without_texts():
    assert resolved(in_unit("utf16"), usual="utf16") == [each[:3] for each in SPANS]


@pytest.mark.parametrize(
    ("spans", "wanted", "code", "message"),
    [
        (
            [LabeledSpan(0, 99, "x")],
            "auto",
            "span_outside",
            r"0-99 \(x\) is outside of the text, which has 19 characters",
        ),
        ([LabeledSpan(-1, 2, "x")], "auto", "span_outside", "outside"),
        ([LabeledSpan(1, 2, "x")], "bytes", "span_outside", "within a character, which has 27 bytes"),
        ([LabeledSpan(0, 1, "x", "ok")], "auto", "span_text_differs", "is 'é', but the data says 'ok'"),
        ([LabeledSpan(ZOE, ZOE + 3, "x", "Zoë")], "bytes", "span_", "the span"),
    ],
)
def test_offsets_that_fit_nothing_are_errors(spans, wanted, code, message):
    with pytest.raises(BadRowError, match=message) as error:
        resolved(spans, wanted)
    assert error.value.issue.code.startswith(code)


def test_white_space_in_the_text_beside_a_span_does_not_matter():
    assert resolved([LabeledSpan(0, 5, "x", "a\\nb c")], text="a\nb c") == [(0, 5, "x")]
