"""Options that the adapters of tagged texts share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core import Problem, SplitOptions, option
from plugins.text.token_classification.tag_set import BEGIN, INSIDE, OUTSIDE

if TYPE_CHECKING:
    from plugins.text.token_classification.data.reading import Reading


@dataclass(kw_only=True)
class TagOptions(SplitOptions):
    """Where the words, tags and spans are, and how they are read."""

    tokens: str = option("", "The field of words (a list). If empty, it is guessed from the field names.")
    tags: str = option("", "The field of tags, one per word. If empty, it is guessed from the field names.")
    text: str = option("", "Instead of tokens: the field of the text. If empty, it is guessed from the field names.")
    spans: str = option("", "Instead of tags: the field of spans. If empty, it is guessed from the field names.")
    scheme: str = option(
        "auto",
        "The scheme of the tags. bioes also covers BILOU and IOBES; plain is for tags such as parts of speech.",
        choices=("auto", "iob1", "iob2", "bioes", "io", "plain"),
    )
    tag_names: list[str] = option(None, "The names of tags that are numbers, in their order.", factory=list)
    label_names: dict[str, str] = option(None, "New names for the labels of spans, or for plain tags.", factory=dict)
    group: str = option("", "The field of groups (an article, a patient). A group is never divided between splits.")
    offsets: str = option(
        "auto",
        "What the offsets of spans count. auto: characters, or what fits the texts beside the spans.",
        choices=("auto", "characters", "bytes", "utf16"),
    )
    align: str = option(
        "strict",
        "strict: a span that cuts a word is an error; expand: it is extended to whole words and counted.",
        choices=("strict", "expand"),
    )

    def tag_problems(self) -> Iterator[Problem]:
        """Yield options that contradict each other."""
        for one in ("tokens", "tags"):
            for other in ("text", "spans"):
                if getattr(self, one) and getattr(self, other):
                    message = f"data.{other} is set too, but sentences are read from words or from texts."
                    yield Problem(f"data.{one}", message, f"Leave out data.{one} or data.{other}.")
        repeated = {name for name in self.tag_names if self.tag_names.count(name) > 1}
        if repeated:
            yield Problem(
                "data.tag_names", f"{', '.join(sorted(repeated))} occurs more than once.", "Name each tag once."
            )
        for old, new in self.label_names.items():
            if new == OUTSIDE or new.startswith((BEGIN, INSIDE)):
                message = f"the new name of {old!r} is {new!r}, which is a tag and not a label."
                cure = (
                    f"Give it another name. To leave out a label, write its words with the tag {OUTSIDE} in the data."
                )
                yield Problem("data.label_names", message, cure)

    def reading(self, split: str = "", word_column: int = 0, tag_column: int = -1) -> Reading:
        """Return how sentences are read.

        Args:
            split: The field of split names.
            word_column: The column of words.
            tag_column: The column of tags; -1 for the last.
        """
        from plugins.text.token_classification.data.reading import Reading

        return Reading(
            tokens=self.tokens,
            tags=self.tags,
            text=self.text,
            spans=self.spans,
            split=split,
            group=self.group,
            word_column=word_column,
            tag_column=tag_column,
            scheme=self.scheme,
            tag_names=tuple(self.tag_names),
            label_names=dict(self.label_names),
            offsets=self.offsets,
            expand=self.align == "expand",
        )
