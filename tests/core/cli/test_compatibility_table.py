"""The table of methods and families is narrow and gives each reason once."""

from __future__ import annotations

from core.cli.compatibility_table import describe_fits, table
from core.contracts.capabilities import FP16, PRECISIONS
from core.registry.compatibility import EXPERIMENTAL, NOTES, SUPPORTED, UNSUPPORTED, Fit

YES, NEW = Fit(SUPPORTED), Fit(EXPERIMENTAL, "its kernels are new")
SCALED = Fit(EXPERIMENTAL, NOTES[FP16])
NO = Fit(UNSUPPORTED, "no")


def cells(*each: Fit) -> dict[str, Fit]:
    return dict(zip(PRECISIONS, each if len(each) == 3 else each * 3, strict=True))


def no(family: str) -> Fit:
    return Fit(UNSUPPORTED, f"it needs layers, and {family} has none")


FITS = {
    "full": {"bag": cells(YES, YES, SCALED), "bow": cells(YES), "counts": cells(YES)},
    "freeze": {"bag": cells(YES), "bow": cells(no("bow")), "counts": cells(no("counts"))},
    "peel": {
        "bag": cells(NEW, NEW, SCALED),
        "bow": cells(no("bow")),
        "counts": cells(YES, NO, YES),
    },
}


def test_a_cell_is_one_word_unless_precisions_differ_and_each_reason_appears_once() -> None:
    assert table(FITS) == [
        "        bag     bow    counts",
        "full    yes     yes    yes",
        "freeze  yes     no(1)  no(1)",
        "peel    exp(2)  no(1)  yes/no(3)/yes",
        "",
        "(1) freeze, peel on bow, counts: it needs layers, and the family has none.",
        "(2) peel: its kernels are new.",
        "(3) peel: no.",
        "fp16: needs gradient scaling and a GPU; no combination is tested.",
    ]


def test_a_table_that_is_too_wide_continues_below() -> None:
    lines = table(FITS, width=30)
    assert lines[0].split() == ["bag", "bow"]
    assert lines[5].split() == ["counts"]
    assert [line.split()[0] for line in lines[6:9]] == ["full", "freeze", "peel"]
    assert max(map(len, lines)) <= 30
    many = {method: {f"family-{n}": cells(YES) for n in range(20)} for method in FITS}
    assert max(map(len, table(many))) <= 100


def test_a_note_on_one_family_names_it() -> None:
    found = {"freeze": {"bag": cells(no("bag")), "baggage": cells(YES)}}
    assert "(1) freeze: it needs layers, and bag has none." in table(found)


def test_a_method_is_described_by_family_and_precision() -> None:
    assert describe_fits(FITS["peel"]) == [
        "bag in fp32, bf16: experimental; its kernels are new",
        f"bag in fp16: experimental; {NOTES[FP16]}",
        "bow: no; it needs layers, and bow has none",
        "counts in fp32, fp16: yes",
        "counts in bf16: no; no",
    ]
