"""Which method fits which family, as text: the table of `list methods` and the lines of `show method/NAME`."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from core.contracts.capabilities import PRECISIONS
from core.registry.compatibility import EXPERIMENTAL, NOTES, SUPPORTED, UNSUPPORTED, Fit, Fits

WIDTH = 100
"""Columns of a terminal that the table takes at most."""

FAMILY = "\0"
"""Stands for the family's name in a note that may concern several families."""


def table(found: Fits, width: int = WIDTH) -> list[str]:
    """Return the lines of a table: a row per method, a column per family, and numbered notes below.

    A cell is one word where all precisions are alike, else a word for each of them. Where the families do not fit side
    by side, the table continues below with the remaining ones.

    Args:
        found: What `fits` gives.
        width: Columns of the terminal.
    """
    notes: dict[str, tuple[list[str], list[str]]] = {}
    rows = {
        method: {family: _cell(method, family, precisions, notes) for family, precisions in families.items()}
        for method, families in found.items()
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
    """`yes`, `exp` or `no`, with the number of the note that says why; collects the notes and what they concern.

    A precision about which there is only a general note goes with the others.
    """
    words = []
    for each in precisions.values():
        if each.reason in NOTES.values():
            words.append("")
            continue
        word = {SUPPORTED: "yes", EXPERIMENTAL: "exp", UNSUPPORTED: "no"}[each.status]
        if each.reason:
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
    """Cut the families into groups that fit side by side."""
    first = max(map(len, rows), default=0)
    columns: list[str] = []
    used = first
    for family in next(iter(rows.values()), {}):
        needed = 2 + max(len(family), *(len(cells[family]) for cells in rows.values()))
        if columns and used + needed > width:
            yield columns
            columns, used = [], first
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
    """Return the sentence that explains a cell."""
    return f"which method (row) can adapt which model (column); where precisions differ: {'/'.join(PRECISIONS)}"


def described(found: Mapping[str, Mapping[str, Fit]]) -> Sequence[str]:
    """Return the same of one method: a line for each family and each group of precisions that are alike in it."""
    words = {SUPPORTED: "yes", EXPERIMENTAL: "experimental", UNSUPPORTED: "no"}
    lines = []
    for name, cells in found.items():
        alike: dict[Fit, list[str]] = {}
        for precision, each in cells.items():
            alike.setdefault(each, []).append(precision)
        for each, precisions in alike.items():
            where = name if len(alike) == 1 else f"{name} in {', '.join(precisions)}"
            lines.append(f"{where}: {words[each.status]}{f'; {each.reason}' if each.reason else ''}")
    return lines
