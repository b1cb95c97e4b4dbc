"""Assign roles to columns: by the options, else by column names and contents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from core.errors import DataError, Problem, unknown
from core.tasks import MULTI, REGRESSION
from plugins.data.tabular.column_names import IMAGES, LABELS, PAIRS, TEXTS, VALUES
from plugins.data.tabular.part import Part

TEXT, IMAGE = "text", "image"
"""The content of examples: the column's role, and the option that names the column."""
_SINGLE = ("text", "pair", "image", "label", "split", "group")


@dataclass(frozen=True)
class Columns:
    """The role of each column: a name, or a position as text. Empty means none or, in options, a guess.

    Attributes:
        text, pair: The columns of the texts.
        image: The column of image paths.
        label: The column of the label, of several labels in one cell, or of the value.
        labels: Columns of 0 and 1, one per label.
        split, group: The columns of split names and of groups.
    """

    text: str = ""
    pair: str = ""
    label: str = ""
    labels: tuple[str, ...] = ()
    split: str = ""
    group: str = ""
    image: str = ""

    def named(self) -> list[tuple[str, str]]:
        """Return the columns in use, each with the option that names it."""
        single = [(each, getattr(self, each)) for each in _SINGLE]
        return [(option, name) for option, name in single if name] + [("label_columns", name) for name in self.labels]

    def describe(self) -> str:
        """Return a description of the columns in use: `text from 'review', label from 'stars'`."""
        return ", ".join(f"{option} from {name!r}" for option, name in self.named() if option != "label_columns")


def choose(part: Part, wanted: Columns, layout: str, labeled: bool = True, content: str = TEXT) -> Columns:
    """Return the columns, with those that the options leave open guessed.

    Args:
        part: The first file.
        wanted: The configured columns.
        layout: The layout of the task's target type.
        labeled: Whether a label is needed.
        content: The content of examples: `text` or `image`.

    Raises:
        DataError: A column does not exist, or is ambiguous.
    """
    positions(part, wanted)
    names = [name for name in part.columns if name not in {_resolve(part, each) for _, each in wanted.named()}]
    if content == TEXT and not wanted.text and not wanted.pair:
        text, pair = _pair(names)
        wanted = replace(wanted, text=text, pair=pair)
        names = [name for name in names if name not in (text, pair)]
    if not getattr(wanted, content):
        found = _first(TEXTS if content == TEXT else IMAGES, names)
        wanted = _with(wanted, content, found)
        names = [name for name in names if name != found]
    if labeled and not wanted.label and not wanted.labels:
        wanted = replace(wanted, label=_first(_label_names(layout), names))
        names = [name for name in names if name != wanted.label]
    return _fill(part, wanted, names, labeled, content)


def _with(columns: Columns, content: str, name: str) -> Columns:
    return replace(columns, text=name) if content == TEXT else replace(columns, image=name)


def _label_names(layout: str) -> tuple[str, ...]:
    if layout == REGRESSION:
        return VALUES
    return ("labels", "tags", "categories", "topics", "emotions", *LABELS) if layout == MULTI else LABELS


def _pair(names: Sequence[str]) -> tuple[str, str]:
    for one, other in PAIRS:
        first, second = _first((one,), names), _first((other,), names)
        if first and second:
            return first, second
    return "", ""


def _first(common: Iterable[str], names: Sequence[str]) -> str:
    """Return the first of the common names that occurs in `names`, ignoring case."""
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[each] for each in common if each in lower), "")


def _fill(part: Part, columns: Columns, names: list[str], labeled: bool, content: str) -> Columns:
    """Assign the remaining columns if exactly the needed number is left. The longer, more varied one is the content."""
    needs_content, needs_label = not getattr(columns, content), labeled and not columns.label and not columns.labels
    if len(names) == needs_content + needs_label:
        names.sort(key=lambda name: (-_mean_length(part, name), -_distinct(part, name)))
        if needs_content:
            columns = _with(columns, content, names.pop(0))
        if needs_label:
            columns = replace(columns, label=names.pop(0))
        return columns
    lacking = [what for what, needed in ((content, needs_content), ("label", needs_label)) if needed]
    if not lacking:
        return columns
    options = " and ".join(f"data.{what}=NAME" for what in lacking)
    message = f"cannot tell which column holds the {' and which the '.join(lacking)}."
    raise DataError(Problem(part.name, message, f"Set {options}. {_columns_of(part)}"))


def _mean_length(part: Part, name: str) -> float:
    at = part.columns.index(name)
    return sum(len(str(row[at] if row[at] is not None else "")) for row in part.sample) / max(len(part.sample), 1)


def _distinct(part: Part, name: str) -> int:
    at = part.columns.index(name)
    return len({str(row[at]) for row in part.sample})


def _columns_of(part: Part) -> str:
    if not part.sample:
        return f"The columns are: {', '.join(part.columns)}."
    cells = (f"{name} ({str(cell)[:24]!r})" for name, cell in zip(part.columns, part.sample[0], strict=False))
    return f"The columns, with the first row's values: {', '.join(cells)}."


def _resolve(part: Part, wanted: str) -> str | None:
    """Return the column meant by a name (ignoring case if that is unique) or a position."""
    if wanted in part.columns:
        return wanted
    alike = [name for name in part.columns if name.lower() == wanted.lower()]
    if len(alike) == 1:
        return alike[0]
    if wanted.isdecimal() and int(wanted) < len(part.columns):
        return part.columns[int(wanted)]
    return None


def positions(part: Part, columns: Columns) -> dict[str, int | tuple[int, ...] | None]:
    """Return the position of each column in the records of one file.

    Raises:
        DataError: A column does not exist there; the error suggests the nearest name.
    """
    problems, found = [], {}
    for option, name in columns.named():
        resolved = _resolve(part, name)
        if resolved is None:
            message, cure = unknown("column", name, part.columns)
            problems.append(Problem(f"data.{option}", f"in {part.name} {message}", cure))
        else:
            found[name] = part.columns.index(resolved)
    if problems:
        raise DataError(*problems)
    single = {each: found.get(getattr(columns, each)) for each in _SINGLE}
    return {**single, "labels": tuple(found[name] for name in columns.labels)}
