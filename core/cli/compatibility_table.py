"""Render which method fits which family: the table of `list methods` and the lines of `show method/NAME`."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from core.contracts.capabilities import PRECISIONS
from core.registry.compatibility import EXPERIMENTAL, NOTES, SUPPORTED, UNSUPPORTED, Fit, Fits

WIDTH = 100
"""Maximum width of the table in characters."""

FAMILY = "\0"
"""Placeholder for the name of the family, so that one note can cover several families."""


def table(fits: Fits, width: int = WIDTH) -> list[str]:
    """Return the lines of a table: one row per method, one column per family, and numbered notes below.

    A cell is one word if the precisions do not differ, else one word per precision. If the families are too wide, the
    table continues below with the remaining ones.

    Args:
        fits: What `core.registry.compatibility.fits` returned.
        width: Maximum width in characters.
    """
    notes: dict[str, tuple[list[str], list[str]]] = {}
    rows = {
        method: {family: _cell(method, family, precisions, notes) for family, precisions in families.items()}
        for method, families in fits.items()
    }
    lines = []
    for columns in _blocks(rows, width):
        lines += [*_block(rows, columns), ""]
    for number, (reason, (methods, families)) in enumerate(notes.items(), start=1):
        several = len(families) > 1
        text = reason.replace(FAMILY, "the family" if several else families[0])
        concerned = ", ".join(methods) + (f" on {', '.join(families)}" if several else "")
        lines += _note(f"({number}) ", f"{concerned}: {text}.", width)
    for precision, note in NOTES.items():
        lines += _note(f"{precision}: ", f"{note}.", width)
    return lines


def _cell(
    method: str, family: str, precisions: Mapping[str, Fit], notes: dict[str, tuple[list[str], list[str]]]
) -> str:
    """Return `yes`, `exp` or `no`, with the number of the note that says why.

    A precision that has only a general note counts like the others.

    Args:
        method: Name of the method.
        family: Name of the family.
        precisions: How they fit in each precision.
        notes: The notes so far, each with its methods and families; this function adds to them.
    """
    words = []
    for each in precisions.values():
        if each.reason in NOTES.values():
            words.append("")
            continue
        word = {SUPPORTED: "yes", EXPERIMENTAL: "exp", UNSUPPORTED: "no"}[each.status]
        if each.reason:
            # Without the name of the family, one note covers all families with the same reason.
            reason = re.sub(rf"(?<![\w-]){re.escape(family)}(?![\w-])", FAMILY, each.reason)
            concerned = notes.setdefault(reason, ([], []))
            for names, name in zip(concerned, (method, family), strict=True):
                if name not in names:
                    names.append(name)
            word += f"({list(notes).index(reason) + 1})"
        words.append(word)
    different = {word for word in words if word}
    return "/".join(word or "yes" for word in words) if len(different) > 1 else next(iter(different), "yes")


def _blocks(rows: Mapping[str, Mapping[str, str]], width: int) -> Iterator[list[str]]:
    """Yield groups of families that fit side by side."""
    first_column = max(map(len, rows), default=0)
    columns: list[str] = []
    used = first_column
    for family in next(iter(rows.values()), {}):
        needed = 2 + max(len(family), *(len(cells[family]) for cells in rows.values()))
        if columns and used + needed > width:
            yield columns
            columns, used = [], first_column
        columns.append(family)
        used += needed
    if columns:
        yield columns


def _block(rows: Mapping[str, Mapping[str, str]], columns: Sequence[str]) -> list[str]:
    cells = [["", *columns], *([method, *(row[family] for family in columns)] for method, row in rows.items())]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(each.ljust(size) for each, size in zip(row, widths, strict=True)).rstrip() for row in cells]


def _note(mark: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(mark + text, width, subsequent_indent=" " * len(mark), break_on_hyphens=False)


def legend() -> str:
    """Return the sentence that explains the table."""
    return f"which method (row) can adapt which model (column); where precisions differ: {'/'.join(PRECISIONS)}"


def describe_fits(fits: Mapping[str, Mapping[str, Fit]]) -> Sequence[str]:
    """Return the lines for one method: one line per family and group of precisions with the same fit."""
    words = {SUPPORTED: "yes", EXPERIMENTAL: "experimental", UNSUPPORTED: "no"}
    lines = []
    for family, cells in fits.items():
        groups: dict[Fit, list[str]] = {}
        for precision, each in cells.items():
            groups.setdefault(each, []).append(precision)
        for each, precisions in groups.items():
            where = family if len(groups) == 1 else f"{family} in {', '.join(precisions)}"
            lines.append(f"{where}: {words[each.status]}{f'; {each.reason}' if each.reason else ''}")
    return lines
