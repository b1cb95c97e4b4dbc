"""The tags of a task: which of them begin, continue or lie outside a span, and the spans in a sequence of tags.

Tags follow the scheme IOB2, which every reader converts to: `B-place` begins a span, `I-place` continues it, `O` is
outside. Tags without these prefixes, such as parts of speech, are plain: each word is a span of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

OUTSIDE = "O"
BEGIN, INSIDE = "B-", "I-"


class Span(NamedTuple):
    """Words with one label.

    Attributes:
        start, end: The number of the first word, and that of the last word plus one.
        label: What the words are, such as `place`.
    """

    start: int
    end: int
    label: str


class TagSet:
    """The tag names of a task in the order of their indices.

    Args:
        labels: Tag names: `O` and IOB2 tags, or plain tags.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._index = {label: index for index, label in enumerate(self.labels)}

    @cached_property
    def plain(self) -> bool:
        """Whether no tag has a prefix, so that each word is a span of its own."""
        return not any(label.startswith((BEGIN, INSIDE)) for label in self.labels)

    @cached_property
    def types(self) -> tuple[str, ...]:
        """What a span can be, in the order of the tags."""
        return tuple(dict.fromkeys(span_type(label) for label in self.labels if label != OUTSIDE))

    @cached_property
    def type_of(self) -> tuple[int, ...]:
        """The position in `types` of what each tag stands for; -1 for `O`."""
        number = {label: at for at, label in enumerate(self.types)}
        return tuple(-1 if label == OUTSIDE else number[span_type(label)] for label in self.labels)

    @cached_property
    def outside(self) -> int | None:
        """The index of `O`; None if every word has a tag."""
        return self._index.get(OUTSIDE)

    def begin(self, label: str) -> int:
        """Return the index of the tag that begins a span; that of the plain tag if there is none."""
        return self._index.get(f"{BEGIN}{label}", self._index.get(label, -1))

    def inside(self, label: str) -> int:
        """Return the index of the tag that continues a span; that which begins one if there is none."""
        return self._index.get(f"{INSIDE}{label}", self.begin(label))

    def continued(self, tag: int) -> int:
        """Return the tag of the rest of a word whose first part has this tag."""
        label = self.labels[tag]
        return self.inside(span_type(label)) if label.startswith(BEGIN) else tag

    def repaired(self, tags: Iterable[int]) -> list[int]:
        """Return valid tags: an `I-` that continues no span of its label begins one.

        transformers' pipeline and the CoNLL 2000 evaluation read such a tag in the same way.
        """
        result: list[int] = []
        before = OUTSIDE
        for tag in tags:
            label = self.labels[tag]
            if label.startswith(INSIDE) and span_type(before) != span_type(label):
                tag = self.begin(span_type(label)) if f"{BEGIN}{span_type(label)}" in self._index else tag
            result.append(tag)
            before = label
        return result

    def spans(self, tags: Iterable[int]) -> list[Span]:
        """Return the spans in a sequence of tags; tags that need it are repaired first."""
        found: list[Span] = []
        before = OUTSIDE
        for at, tag in enumerate(tags):
            label = self.labels[tag]
            if label != OUTSIDE:
                name = span_type(label)
                if label.startswith(INSIDE) and span_type(before) == name:
                    found[-1] = Span(found[-1].start, at + 1, name)
                else:
                    found.append(Span(at, at + 1, name))
            before = label
        return found


def span_type(label: str) -> str:
    """Return what the words with this tag are: the tag without its prefix."""
    return label[2:] if label.startswith((BEGIN, INSIDE)) else label


def tags_of(spans: Iterable[Span], count: int) -> list[str]:
    """Return the IOB2 tags of `count` words with these spans, which do not overlap."""
    tags = [OUTSIDE] * count
    for start, end, label in spans:
        tags[start:end] = [f"{BEGIN}{label}", *[f"{INSIDE}{label}"] * (end - start - 1)]
    return tags
