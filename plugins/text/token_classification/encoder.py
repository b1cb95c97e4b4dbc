"""Encode the tags of texts: tag names in their order, and a tuple of indices per text."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.data import RowIssue
from core.errors import nearest
from core.tasks import Encoded, label_name, natural
from plugins.text.token_classification.tag_set import BEGIN, INSIDE, OUTSIDE, TagSet, span_type

if TYPE_CHECKING:
    from core import Task

_MISSING = RowIssue("missing_tags", "the text has no sequence of tags", "Give each word a tag, or remove the text.")
_NO_TAG = RowIssue("missing_tag", "a word has no tag", f"Give it a tag, such as {OUTSIDE}, or remove the text.")


class TagEncoder:
    """Encodes sequences of tag names, one name per word: IOB2 tags or plain ones.

    Args:
        task: Its `labels`, if given, are the only tags allowed, in this order. They are tag names, or types of
            entities (`person`), which stand for `O` and for both tags of each type.
    """

    def __init__(self, task: Task) -> None:
        self._given = tuple(task.labels) if task.labels else ()
        self._types = () if any(map(_prefixed, self._given)) else tuple(each for each in self._given if each != OUTSIDE)
        self._allowed = {*self._given, *_tags_of_types(self._types)}
        self._numbers: dict[str, int] = {}
        self._codes: dict[tuple[int, ...], int] = {}
        self._values = array("q")

    def add(self, raw: object) -> RowIssue | None:
        """Encode the tags of one text, or return why they cannot be used."""
        if not isinstance(raw, Sequence) or isinstance(raw, str):
            return _MISSING
        names = [_tag_name(each) for each in raw]
        if "" in names:
            return _NO_TAG
        if self._given and (unknown := [each for each in names if each not in self._allowed]):
            return self._unknown(unknown[0])
        code = tuple(self._numbers.setdefault(each, len(self._numbers)) for each in names)
        self._values.append(self._codes.setdefault(code, len(self._codes)))
        return None

    def finish(self) -> tuple[Encoded, list[tuple[str, str]]]:
        """Return the targets, and problems of the tags as a whole."""
        labels = self._labels()
        index = {name: number for number, name in enumerate(labels)}
        new = [index.get(name, -1) for name in self._numbers]
        table = tuple(tuple(new[number] for number in code) for code in self._codes)
        values = np.frombuffer(self._values, dtype=np.int64)
        return Encoded(labels, values, TagRules(TagSet(labels)), table), list(self._problems(labels))

    def _labels(self) -> tuple[str, ...]:
        """Return the tag names in the order of their indices."""
        seen = self._numbers.keys()
        if not self._given:
            return tags_in_order(seen)
        plain = any(not _prefixed(each) for each in seen - {OUTSIDE}) or not self._types
        exact = plain or (OUTSIDE in self._given and not any(map(_prefixed, seen)))
        return self._given if exact else _tags_of_types(self._types)

    def _problems(self, labels: Sequence[str]) -> Iterable[tuple[str, str]]:
        seen = self._numbers.keys()
        plain = sorted(each for each in seen if each != OUTSIDE and not _prefixed(each))
        if plain and any(map(_prefixed, seen)):
            yield (
                f"some tags begin with {BEGIN} or {INSIDE}, but others do not: {', '.join(plain[:5])}.",
                f"Write all tags in one scheme: {BEGIN}x, {INSIDE}x and {OUTSIDE}, or tags without prefixes.",
            )
        elif lacking := sorted(seen - set(labels)):
            yield f"the tag {lacking[0]!r} is not one of task.labels.", "Add it to task.labels, or correct the rows."
        if len(seen) == 1 and (not self._given or len(labels) == 1):  # with given tags it may be data to evaluate on
            (only,) = seen
            wanted = "with entities" if only == OUTSIDE else "with a second tag"
            cure = f"Add texts {wanted}, or check which column or field holds the tags."
            yield f"every word has the tag {only!r}, so there is nothing to learn.", cure
        if not seen:
            yield "no text has a word.", "Check the path of the data."

    def _unknown(self, name: str) -> RowIssue:
        """Return the issue of a tag that is not allowed; it suggests the nearest one."""
        label = span_type(name)
        added, prefix = (label, "") if self._types else (name, name.removesuffix(label))
        known = dict.fromkeys(map(span_type, self._given))  # without prefixes, which make all tags similar
        if label != name:
            known.pop(OUTSIDE, None)
        close = nearest(label, known)
        hint = f"Did you mean {prefix + close!r}? " if close else ""
        return RowIssue(
            "unknown_tag",
            f"the tag {name!r} is not one of task.labels",
            f"{hint}Add {added!r} to task.labels, or correct the row.",
        )


@dataclass(frozen=True)
class TagRules:
    """What encoded tags ask of their target type, with the tag names known.

    Attributes:
        tags: The tag names.
    """

    tags: TagSet

    @property
    def needs_every_label(self) -> bool:
        """Whether each tag must occur in the training split: it need not."""
        return False

    def labels_of(self, target: Sequence[int]) -> tuple[int, ...]:
        """Return the indices of the tags that occur."""
        return tuple(sorted(set(target)))

    def strata(self, targets: Sequence[Sequence[int]]) -> NDArray[np.int64]:
        """Return the stratum of each target, int64 [n]: its rarest entity type; -1 without entities."""
        of = self.tags.type_of
        return rarest([{of[tag] for tag in target if of[tag] >= 0} for target in targets])


def rarest(present: Sequence[set[int]]) -> NDArray[np.int64]:
    """Return the member of each set that is in the fewest sets, int64 [n]; -1 for empty sets."""
    counts: dict[int, int] = {}
    for each in present:
        for member in each:
            counts[member] = counts.get(member, 0) + 1
    found = [min(each, key=lambda member: (counts[member], member)) if each else -1 for each in present]
    return np.asarray(found, dtype=np.int64)


def tags_in_order(seen: Iterable[str]) -> tuple[str, ...]:
    """Return tag names in the order of their indices: `O`, then `B-x` and `I-x` of each type, or plain tags.

    `B-x` is added where only `I-x` occurs.
    """
    names = set(seen)
    names |= {f"{BEGIN}{span_type(each)}" for each in names if each.startswith(INSIDE)}
    rest = sorted(names - {OUTSIDE}, key=lambda each: (natural(span_type(each)), each))
    return (OUTSIDE, *rest) if OUTSIDE in names else tuple(rest)


def _tags_of_types(types: Sequence[str]) -> tuple[str, ...]:
    return (OUTSIDE, *(f"{prefix}{each}" for each in types for prefix in (BEGIN, INSIDE))) if types else ()


def _prefixed(tag: str) -> bool:
    return tag.startswith((BEGIN, INSIDE))


def _tag_name(raw: Any) -> str:
    """Return the name of a raw tag; empty if it is missing."""
    return "" if raw is None or raw != raw else label_name(raw)
