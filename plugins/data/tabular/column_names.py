"""Common column names, by the columns' contents."""

from __future__ import annotations

PAIRS = (
    ("sentence1", "sentence2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("sentence_a", "sentence_b"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("query", "passage"),
)
TEXTS = (
    "text", "sentence", "review", "review_text", "reviewtext", "content", "comment", "comment_text", "message", "body",
    "document", "tweet", "utterance", "post", "description", "question", "query", "phrase", "input", "title",
)  # fmt: skip
IMAGES = (
    "image", "img", "image_path", "img_path", "image_file", "path", "file", "file_name", "filename",
    "file_path", "filepath", "picture", "photo",
)  # fmt: skip
LABELS = (
    "label", "labels", "target", "sentiment", "class", "category", "categories", "intent", "emotion", "emotions",
    "polarity", "topic", "topics", "tag", "tags", "stars", "rating", "score", "gold_label", "gold", "y",
)  # fmt: skip
VALUES = ("score", "value", "target", "label", "rating", "stars", "similarity", "y")
_KNOWN = frozenset((*TEXTS, *IMAGES, *LABELS, *VALUES, *(name for pair in PAIRS for name in pair)))


def is_known(name: str) -> bool:
    """Return whether a cell is a common column name."""
    return name.lower() in _KNOWN
