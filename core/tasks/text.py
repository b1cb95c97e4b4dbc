"""The task type of texts and pairs of texts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from core.errors import Problem
from core.tasks.targets.encoded import Target
from core.tasks.targets.multi_label import MULTI
from core.tasks.targets.regression import REGRESSION
from core.tasks.targets.single_label import SINGLE
from core.tasks.task_type import TaskType


@dataclass(frozen=True, slots=True)
class TextExample:
    """A text, or a pair of texts, with its target.

    Attributes:
        text: The text.
        target: What should be predicted; None if it is unknown.
        pair: The second text of a pair (premise and hypothesis, question and answer), or None.
        place: Where the example was read, for messages: `reviews.csv:12`.
    """

    text: str
    target: Target = None
    pair: str | None = None
    place: str = ""


@dataclass
class TextClassification(TaskType):
    """Predict the labels or a value of a text, or of a pair of texts."""

    name: ClassVar[str] = "text-classification"
    example: ClassVar[type] = TextExample
    targets: ClassVar[tuple[str, ...]] = (SINGLE, MULTI, REGRESSION)

    def identity(self, example: TextExample) -> bytes:
        """Return the text and its pair, with white space collapsed."""
        texts = (example.text,) if example.pair is None else (example.text, example.pair)
        return "\x00".join(" ".join(text.split()) for text in texts).encode()

    def parse(self, text: str) -> TextExample:
        """Return the example for a text, or for a JSON object with `text` and, for a pair, `pair`."""
        if text.lstrip().startswith("{"):
            try:
                read = json.loads(text)
                return TextExample(str(read["text"]), pair=None if read.get("pair") is None else str(read["pair"]))
            except (ValueError, KeyError, AttributeError, RecursionError):
                pass  # a text that happens to begin with a brace
        return TextExample(text)

    def fault(self, example: TextExample) -> Problem | None:
        """Return why a text or its pair cannot be encoded, or None."""
        return surrogate_problem(example.text + (example.pair or ""), example.place)

    def content(self, example: TextExample) -> dict[str, Any]:
        """Return the text, and the second text of a pair."""
        return {"text": example.text} if example.pair is None else {"text": example.text, "pair": example.pair}


def surrogate_problem(text: str, place: str) -> Problem | None:
    """Return the problem of a text with half of a surrogate pair, which no tokenizer can encode, or None.

    Args:
        text: The text.
        place: Where it was read; if empty, the problem shows the text.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(text[error.start]):04x}"
        shown = place or text[:60].encode(errors="backslashreplace").decode()
        message = f"the text has {half}, half of a surrogate pair, which is not a character."
        return Problem(shown, message, "Write the text in UTF-8; in JSON, an escaped emoji has two such halves.")
    return None
