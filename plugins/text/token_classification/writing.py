"""Write tags: as the entities of a text, as rows of a CSV, and as lines of a CoNLL file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from plugins.text.token_classification.example import TokenExample
from plugins.text.token_classification.tag_set import TagSet

ENTITY_COLUMNS = ("text", "start", "end", "entity", "label", "score")
WORD_COLUMNS = ("text", "word", "tag", "score")
_LISTS = ("words", "tags", "scores", "entities")
"""The parts of a line of predictions that have one value per word or per entity."""


def entities_of(tags: Iterable[int], tag_set: TagSet, example: TokenExample) -> list[dict[str, Any]]:
    """Return the entities: `start` and `end` in characters of the example's text, their text, and their label."""
    return [
        {"start": start, "end": end, "text": example.text[start:end], "label": span.label}
        for span in tag_set.spans(tags)
        for start, end in [(example.words[span.start][0], example.words[span.end - 1][1])]
    ]


def written(
    tags: Sequence[int], probabilities: Sequence[float], tag_set: TagSet, example: TokenExample
) -> dict[str, Any]:
    """Return the decided tags of a text, and its entities or the score of each word.

    Args:
        tags: The decision for each word.
        probabilities: The probability of the most probable tag of each word. The score of an entity is its mean over
            the words of the entity.
        tag_set: The tag names.
        example: The text with its words.

    Raises:
        ValueError: The text has another number of words.
    """
    if len(tags) != len(example.words):
        raise ValueError(f"{example.place or example.text!r} has {len(example.words)} words, but {len(tags)} tags")
    line: dict[str, Any] = {"tags": [tag_set.labels[tag] for tag in tags]}
    if tag_set.plain:
        return line | {"scores": [round(float(each), 6) for each in probabilities]}
    entities = entities_of(tags, tag_set, example)
    for entity, span in zip(entities, tag_set.spans(tags), strict=True):
        of_words = probabilities[span.start : span.end]
        entity["score"] = round(float(sum(of_words)) / len(of_words), 6)
    return line | {"entities": entities}


def csv_rows(line: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield one row per entity, so none for a text without entities; for plain tags, one row per word."""
    rest = {key: value for key, value in line.items() if key not in _LISTS}
    if "entities" in line:
        for each in line["entities"]:
            place = {"start": each["start"], "end": each["end"]}
            yield {**rest, **place, "entity": each["text"], "label": each["label"], "score": each["score"]}
    else:
        for word, tag, score in zip(line["words"], line["tags"], line["scores"], strict=True):
            yield {**rest, "word": word, "tag": tag, "score": score}


def conll_lines(line: Mapping[str, Any]) -> Iterator[str]:
    """Yield the word and the tag of each word, with a tab between them, then an empty line.

    White space within a word becomes one space, because tabs and line breaks separate columns and words. If several
    runs predict, a comment names the run.
    """
    if "run" in line:
        yield f"# run = {line['run']}"
    for word, tag in zip(line["words"], line["tags"], strict=True):
        yield f"{' '.join(word.split())}\t{tag}"
    yield ""
