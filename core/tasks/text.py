"""Texts and pairs of texts: label them, or give them a value."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from core.tasks.targets.labels import MULTI, SINGLE
from core.tasks.targets.regression import REGRESSION
from core.tasks.targets.target import Target
from core.tasks.task_type import TaskType


@dataclass(frozen=True, slots=True)
class TextExample:
    """A text, or a pair of texts, with what it should be given.

    Attributes:
        text: The text.
        target: What should be predicted; None where it is not known.
        pair: The second text of a pair (premise and hypothesis, question and answer), or None.
        place: Where the example was read, for messages: `reviews.csv:12`.
    """

    text: str
    target: Target = None
    pair: str | None = None
    place: str = ""


@dataclass
class TextClassification(TaskType):
    """Label a text, or a pair of texts, or give it a value."""

    name: ClassVar[str] = "text-classification"
    example: ClassVar[type] = TextExample
    targets: ClassVar[tuple[str, ...]] = (SINGLE, MULTI, REGRESSION)

    def identity(self, example: TextExample) -> bytes:
        """The text and its pair, with white space folded."""
        texts = (example.text,) if example.pair is None else (example.text, example.pair)
        return "\x00".join(" ".join(text.split()) for text in texts).encode()

    def parse(self, text: str) -> TextExample:
        """The text itself, or a JSON object with `text` and, of a pair, `pair`."""
        if text.lstrip().startswith("{"):
            try:
                read = json.loads(text)
                return TextExample(str(read["text"]), pair=None if read.get("pair") is None else str(read["pair"]))
            except (ValueError, KeyError, AttributeError):
                pass  # a text that happens to begin with a brace
        return TextExample(text)

    def content(self, example: TextExample) -> dict[str, Any]:
        """The text, and its pair where it has one."""
        return {"text": example.text} if example.pair is None else {"text": example.text, "pair": example.pair}
