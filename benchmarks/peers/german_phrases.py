"""A data set for token classification: English captions in which phrases of their German translations stand.

    GRAFT_TEST_DATA=… python -m benchmarks.peers.german_phrases FOLDER

writes `train.jsonl`, `val.jsonl` and `test.jsonl`, which `task=token_classification data.path=FOLDER` reads. The texts
are real: the parallel captions of Multi30k (Elliott et al., 2016) in `$GRAFT_TEST_DATA/multi30k`. The same files and
seed always give the same data set.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.peers.text import DATA
from core.errors import ConfigError, DataError, Problem

FOLDER = "multi30k"
SPLITS = ("train", "val", "test")
LABEL = "german"
COUNTS, SHARES = (0, 1, 2, 3), (3, 6, 4, 2)
"""Numbers of phrases in a sentence, and how often each is drawn. A short caption has room for fewer."""
LONGEST = 5
"""Maximum number of words in a phrase."""
_CURE = f"Set {DATA} to a folder that contains {FOLDER}/{{train,val,test}}.{{en,de}}."
_WORD = re.compile(r"\w+(?:[-'’]\w+)*")

Pair = tuple[str, str]
"""A caption in English and in German."""


class Caption:
    """A text with its words.

    Args:
        text: The text.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.places = [match.span() for match in _WORD.finditer(text)]
        self.words = [text[start:end].casefold() for start, end in self.places]

    def unbroken(self, start: int, end: int) -> bool:
        """Return whether only white space separates the words from `start` to before `end`."""
        return all(self.text[a[1] : b[0]].isspace() for a, b in pairwise(self.places[start:end]))

    def bounds(self, start: int, end: int) -> tuple[int, int]:
        """Return where the words from `start` to before `end` are in the text, in characters."""
        return self.places[start][0], self.places[end - 1][1]


@dataclass(frozen=True)
class Languages:
    """The words of all captions, in lower case.

    Attributes:
        english: The words of the English captions.
        german: The words of the German ones. Some words, such as `in`, `Hand` and `Park`, belong to both.
    """

    english: frozenset[str]
    german: frozenset[str]

    @classmethod
    def of(cls, pairs: Sequence[Pair]) -> Languages:
        """Return the words of these captions."""
        english, german = ({word for pair in pairs for word in Caption(pair[at]).words} for at in (0, 1))
        return cls(frozenset(english), frozenset(german))


@dataclass(frozen=True)
class Replacement:
    """English words and the German phrase that takes their place; all numbers count words.

    Attributes:
        start, end: The first English word, and the last plus one.
        german_start, german_end: The same for the phrase.
    """

    start: int
    end: int
    german_start: int
    german_end: int

    @property
    def length(self) -> int:
        """Number of words in the phrase."""
        return self.german_end - self.german_start


def mixed(pair: Pair, languages: Languages, rng: random.Random) -> tuple[str, list[tuple[int, int]]]:
    """Return the English caption with German phrases in it, and where they are, in characters.

    A phrase takes the place of the English words at the same relative position, so that the sentence still says about
    the same. At least half of the English words stay.

    The boundaries of a phrase can be recognized: its first and its last word occur in no English caption, and a word
    that occurs in no German caption stands between two phrases.
    """
    english, german = (Caption(text) for text in pair)
    wanted = rng.choices(COUNTS, SHARES)[0]
    possible = list(_replacements(english, german, languages)) if wanted else []
    chosen: list[Replacement] = []
    while possible and len(chosen) < wanted:
        # The length is drawn first; otherwise most phrases would be short, because those have the most places.
        length = rng.choice(sorted({each.length for each in possible}))
        chosen.append(rng.choice([each for each in possible if each.length == length]))
        possible = [each for each in possible if _fits(each, chosen, english, languages)]
    return _spliced(english, german, sorted(chosen, key=lambda each: each.start))


def _replacements(english: Caption, german: Caption, languages: Languages) -> Iterator[Replacement]:
    """Yield each possible phrase with the English words at the same relative position."""
    ratio = len(english.words) / max(1, len(german.words))
    foreign = [word not in languages.english for word in german.words]
    for first in range(len(german.words)):
        for last in range(first, min(first + LONGEST, len(german.words))):
            start = round(first * ratio)
            end = max(start + 1, round((last + 1) * ratio))
            # The capital letter at the beginning of a sentence must stay at the beginning.
            same_place = (first == 0) == (start == 0)
            if not (foreign[first] and foreign[last] and same_place and 2 * (end - start) <= len(english.words)):
                continue
            if end <= len(english.words) and english.unbroken(start, end) and german.unbroken(first, last + 1):
                yield Replacement(start, end, first, last + 1)


def _fits(new: Replacement, chosen: Sequence[Replacement], english: Caption, languages: Languages) -> bool:
    """Return whether another replacement is possible beside those chosen."""
    replaced = sum(each.end - each.start for each in (new, *chosen))
    return 2 * replaced <= len(english.words) and all(_apart(new, each, english, languages) for each in chosen)


def _apart(one: Replacement, other: Replacement, english: Caption, languages: Languages) -> bool:
    """Return whether an English word separates two phrases, which share no word."""
    left, right = sorted((one, other), key=lambda each: each.start)
    between = english.words[left.end : right.start]
    return left.german_end <= right.german_start and any(word not in languages.german for word in between)


def _spliced(english: Caption, german: Caption, chosen: Sequence[Replacement]) -> tuple[str, list[tuple[int, int]]]:
    """Return the text after the replacements, which are in order, and the place of each phrase."""
    text, at, spans = "", 0, []
    for each in chosen:
        start, end = english.bounds(each.start, each.end)
        text += english.text[at:start]
        first, last = german.bounds(each.german_start, each.german_end)
        spans.append((len(text), len(text) + last - first))
        text, at = text + german.text[first:last], end
    return text + english.text[at:], spans


def write(folder: Path, seed: int = 0, source: Path | None = None) -> dict[str, int]:
    """Write the data set into an existing folder, and return the number of sentences of each split.

    Args:
        folder: The folder to write into.
        seed: Seed of the phrases. The phrases of a sentence depend only on it, the split and the number of the line.
        source: The folder of the parallel captions; `$GRAFT_TEST_DATA/multi30k` if None.

    Raises:
        ConfigError: The captions are missing.
        DataError: Two files are not parallel.
    """
    splits = _read(source or _source())
    languages = Languages.of([pair for pairs in splits.values() for pair in pairs])
    for split, pairs in splits.items():
        lines = []
        for row, pair in enumerate(pairs):
            text, spans = mixed(pair, languages, random.Random(f"{seed} {split} {row}"))
            entities = [{"start": start, "end": end, "label": LABEL} for start, end in spans]
            lines.append(json.dumps({"text": text, "entities": entities}, ensure_ascii=False) + "\n")
        (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
    return {split: len(pairs) for split, pairs in splits.items()}


def _source() -> Path:
    """Return the folder of the captions.

    Raises:
        ConfigError: The environment variable is not set.
    """
    if not os.environ.get(DATA):
        raise ConfigError(Problem("data", f"{DATA} names no folder, so there are no captions.", _CURE))
    return Path(os.environ[DATA]) / FOLDER


def _read(source: Path) -> dict[str, list[Pair]]:
    """Return the pairs of each split."""
    names = [f"{split}.{end}" for split in SPLITS for end in ("en", "de")]
    if missing := [name for name in names if not (source / name).is_file()]:
        raise ConfigError(Problem("data", f"there is no {missing[0]} in {source}.", _CURE))
    found = {}
    for split in SPLITS:
        english, german = ((source / f"{split}.{end}").read_text(encoding="utf-8").split("\n") for end in ("en", "de"))
        if len(english) != len(german):
            message = f"{split}.en has {len(english)} lines, but {split}.de has {len(german)}."
            raise DataError(Problem(str(source), message, "Line n of both must be the same caption."))
        found[split] = [(a, b) for a, b in zip(english, german, strict=True) if a.strip()]
    return found


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(f"{write(place)}\n")
