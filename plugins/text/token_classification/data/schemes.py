"""The schemes of tags: detect the scheme of a data set, find invalid sequences, and convert to IOB2.

Every scheme is a rule about pairs of neighboring tags, so the pairs that occur in a data set decide everything.
Schemes: Ramshaw and Marcus (1995) for IOB1, Tjong Kim Sang and Veenstra (1999) for IOB2, Ratinov and Roth (2009) for
BILOU, which differs from BIOES in its letters alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from core.data import RowIssue
from core.errors import DataError, Problem
from plugins.text.token_classification.data.faults import restore
from plugins.text.token_classification.tag_set import BEGIN, INSIDE, OUTSIDE

EDGE = ""
"""In place of a tag: the start or the end of a sentence."""
IOB1, IOB2, BIOES, IO, PLAIN = "iob1", "iob2", "bioes", "io", "plain"
SCHEMES = ("auto", IOB1, IOB2, BIOES, IO, PLAIN)
NO_LABEL = "span"
"""The label of spans whose tags name none: `B`, `I` and `O` alone."""

_STYLES = {
    "prefixes": re.compile(r"(?P<mark>[BIESLU])-(?P<label>.+)", re.DOTALL),
    "suffixes": re.compile(r"(?P<label>.+)-(?P<mark>[BIESLU])", re.DOTALL),
    "prefixes with _": re.compile(r"(?P<mark>[BIESLU])_(?P<label>.+)", re.DOTALL),
    "marks without labels": re.compile(r"(?P<mark>[BIESLU])(?P<label>)"),
}
_ENDS = frozenset("ESLU")


@dataclass(frozen=True, slots=True)
class _Tag:
    """A tag in a span: its mark (`B`, `I`, `E`, `S`, `L`, `U`, or empty) and its label."""

    mark: str
    label: str


@dataclass(frozen=True)
class Scheme:
    """The scheme of a data set's tags.

    Attributes:
        name: One of `SCHEMES`.
        labels: The labels of its spans; for plain tags the tags.
        style: How tags are written, if not as `B-label`.
        converted: For each pair of neighboring tags the new name of the second; None for an invalid pair.
    """

    name: str
    labels: tuple[str, ...] = ()
    style: str = ""
    converted: Mapping[tuple[str, str], str | None] = field(default_factory=dict)

    def convert(self, tags: Sequence[str]) -> list[str] | RowIssue:
        """Return the tags in IOB2 (plain tags as they are), or the first invalid place."""
        found, before = [], EDGE
        for number, tag in enumerate((*tags, EDGE), start=1):
            new = self.converted[before, tag]
            if new is None:
                return self._invalid(before, tag, number)
            found.append(new)
            before = tag
        return found[:-1]

    def _invalid(self, before: str, tag: str, number: int) -> RowIssue:
        if tag == EDGE:
            message = f"the span of the last tag {before} is not complete"
        else:
            after = f"after {before}" if before != EDGE else "at the start of the sentence"
            message = f"the tag {tag} of word {number} cannot stand {after}"
        return restore("invalid_tags", f"{message} (scheme {self.name})")


def count_pairs(tags: Iterable[Sequence[str]]) -> Counter[tuple[str, str]]:
    """Return how often each pair of neighboring tags occurs in sequences of tags; `EDGE` surrounds each sequence."""
    pairs: Counter[tuple[str, str]] = Counter()
    for each in tags:
        pairs.update(zip((EDGE, *each), (*each, EDGE), strict=True))
    return pairs


def find_scheme(pairs: Mapping[tuple[str, str], int], wanted: str, names: Mapping[str, str]) -> Scheme:
    """Return the scheme of tags.

    Args:
        pairs: How often each pair of neighboring tags occurs.
        wanted: The scheme that the user stated, or `auto`.
        names: New names for labels.

    Raises:
        DataError: The tags do not fit the stated scheme, or no known one.
    """
    tags = sorted({tag for pair in pairs for tag in pair} - {EDGE})
    style, parsed = _parse(tags, wanted)
    name = wanted if wanted != "auto" else _detect(pairs, parsed)
    _refuse_marks(name, tags, parsed)
    converted = {
        (before, tag): _name(parsed[tag], parsed[before], name, names)
        if is_allowed(name, parsed[before], parsed[tag])
        else None
        for before, tag in pairs
    }
    labels = tuple(dict.fromkeys(each.label for tag in tags if (each := parsed[tag]) is not None))
    return Scheme(name, labels, style if style != "prefixes" else "", converted)


def is_allowed(scheme: str, before: _Tag | None, tag: _Tag | None) -> bool:
    """Return whether a tag may follow another one; None stands for a word outside and for the ends of a sentence."""
    same = before is not None and tag is not None and before.label == tag.label
    if scheme == BIOES:
        if before is not None and before.mark in "BI":
            return tag is not None and same and tag.mark in "IEL"
        return tag is None or tag.mark in "BSU"
    if scheme == IOB2:
        return tag is None or tag.mark == "B" or same
    if scheme == IOB1:  # B only separates neighbors with one label
        return tag is None or tag.mark == "I" or same
    return True


def _name(tag: _Tag | None, before: _Tag | None, scheme: str, names: Mapping[str, str]) -> str:
    """Return the IOB2 name of a tag after another one."""
    if tag is None:
        return OUTSIDE
    label = names.get(tag.label, tag.label)
    if scheme == PLAIN:
        return label
    continues = tag.mark in ("", "I", "E", "L") and before is not None and before.label == tag.label
    return f"{INSIDE if continues else BEGIN}{label}"


def _parse(tags: Sequence[str], wanted: str) -> tuple[str, dict[str, _Tag | None]]:
    """Return the style of tags, and each one's mark and label."""
    parsed: dict[str, _Tag | None] = {EDGE: None, OUTSIDE: None}
    named = [tag for tag in tags if tag != OUTSIDE]
    if wanted == PLAIN:
        return "", parsed | {tag: _Tag("", tag) for tag in tags}
    for style, pattern in _STYLES.items():
        found = [pattern.fullmatch(tag) for tag in named]
        if not named or not all(found) or (style == "marks without labels" and not {"B", OUTSIDE} <= set(tags)):
            continue
        marks = {
            tag: _Tag(each["mark"], each["label"] or NO_LABEL) for tag, each in zip(named, found, strict=True) if each
        }
        return style, parsed | marks
    marked = [tag for tag in named if _STYLES["prefixes"].fullmatch(tag)]
    if named and (marked or wanted not in ("auto", IO)):
        others = [tag for tag in named if tag not in marked]
        message = f"the tags {_listed(others)} are not written as those of {_stated(wanted)}"
        raise DataError(Problem("data.scheme", f"{message}.", _seen(tags)))
    return "", parsed | {tag: _Tag("", tag) for tag in named}


def _detect(pairs: Mapping[tuple[str, str], int], parsed: Mapping[str, _Tag | None]) -> str:
    """Return the scheme of tags.

    Tags of B and I fit IOB1 and IOB2 at once only if no tag has a label: in IOB1 the first of them is never a B. If
    neither fits everywhere, the one with fewer invalid places is right and these places are mistakes.
    """
    marks = {each.mark for each in parsed.values() if each is not None}
    if marks == {""}:
        if any(OUTSIDE in pair for pair in pairs):
            return IO
        return PLAIN
    if marks & _ENDS:
        return BIOES
    invalid = {
        name: sum(count for (one, two), count in pairs.items() if not is_allowed(name, parsed[one], parsed[two]))
        for name in (IOB2, IOB1)
    }
    return IOB1 if invalid[IOB1] < invalid[IOB2] else IOB2


def _refuse_marks(name: str, tags: Sequence[str], parsed: Mapping[str, _Tag | None]) -> None:
    """Refuse marks that a scheme does not have."""
    allowed = {IOB1: {"B", "I"}, IOB2: {"B", "I"}, IO: {"", "I"}, PLAIN: {""}}.get(name, set("BIESLU"))
    wrong = [tag for tag in tags if (each := parsed[tag]) is not None and each.mark not in allowed]
    if name == PLAIN:  # such a tag would be read as a part of a span later on
        wrong = [tag for tag in tags if tag.startswith((BEGIN, INSIDE))]
    if wrong:
        message = f"the scheme {name} has no tags such as {_listed(wrong)}."
        raise DataError(Problem("data.scheme", message, _seen(tags)))


def _stated(wanted: str) -> str:
    return "a known scheme: some of the others begin with B- or I-" if wanted == "auto" else f"the scheme {wanted}"


def _listed(tags: Sequence[str], most: int = 5) -> str:
    return ", ".join(tags[:most]) + (f" and {len(tags) - most} more" if tags[most:] else "")


def _seen(tags: Sequence[str]) -> str:
    return f"The data has the tags {_listed(tags, 20)}. Schemes: {', '.join(SCHEMES[1:])}."
