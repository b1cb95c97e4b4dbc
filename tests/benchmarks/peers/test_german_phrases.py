"""German phrases in English captions: where they stand is right, and the same seed gives the same files."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.peers import german_phrases
from benchmarks.peers.german_phrases import COUNTS, LONGEST, Caption, Languages
from benchmarks.peers.text import DATA
from core.config.compose import resolve
from core.errors import ConfigError, DataError

PAIRS = [
    ("A woman reads a long letter in the park.", "Eine Frau liest einen langen Brief im Park."),
    ("Two boys, both wet, run along the beach.", "Zwei Jungen, beide nass, rennen den Strand entlang."),
    ("Man in a red t-shirt paints a wall", "Mann in einem roten T-Shirt streicht eine Wand"),
    ("The children play football in the snow.", "Die Kinder spielen Football im Schnee."),
    ("A snow-covered street without any people.", "Eine schneebedeckte Straße ohne irgendwelche Leute."),
    ("An old man's dog sleeps under the table near a window.", "Der Hund eines alten Mannes schläft unter dem Tisch."),
]
LANGUAGES = Languages.of(PAIRS)
SEEDS = range(60)


def source_in(folder: Path) -> Path:
    """Write the captions as files, two per split."""
    folder.mkdir()
    for number, split in enumerate(german_phrases.SPLITS):
        of_split = PAIRS[2 * number : 2 * number + 2]
        for at, language in enumerate(("en", "de")):
            (folder / f"{split}.{language}").write_text("".join(f"{pair[at]}\n" for pair in of_split), encoding="utf-8")
    return folder


@pytest.mark.parametrize("pair", PAIRS)
def test_each_span_is_a_german_phrase_and_the_rest_is_english(pair: tuple[str, str]) -> None:
    counts: Counter[int] = Counter()
    for seed in SEEDS:
        text, spans = german_phrases.mixed(pair, LANGUAGES, random.Random(seed))
        counts[len(spans)] += 1
        end_of_english = 0
        for (start, end), before in zip(spans, [0, *(end for _, end in spans)], strict=False):
            words = Caption(text[start:end]).words
            assert f" {text[start:end]} " in f" {pair[1]} ".replace(",", " ,").replace(".", " .")
            assert 1 <= len(words) <= LONGEST
            assert "," not in text[start:end]
            assert words[0] not in LANGUAGES.english
            assert words[-1] not in LANGUAGES.english
            end_of_english = pair[0].index(text[before:start], end_of_english) + start - before
        assert pair[0].endswith(text[spans[-1][1] :] if spans else text)
        assert text[0].isupper()
        assert sum(len(Caption(text[a:b]).words) for a, b in spans) <= 0.75 * len(Caption(text).words)
    assert counts[0] > 0
    assert counts[1] > 0
    assert set(counts) <= set(COUNTS)


def test_an_english_word_stands_between_two_phrases() -> None:
    several = 0
    for seed in SEEDS:
        text, spans = german_phrases.mixed(PAIRS[5], LANGUAGES, random.Random(seed))
        for (_, end), (start, _) in pairwise(spans):
            assert any(word not in LANGUAGES.german for word in Caption(text[end:start]).words)
            several += 1
    assert several


def test_words_of_both_languages_do_not_begin_or_end_a_phrase() -> None:
    assert {"in", "park", "football", "t-shirt"} <= LANGUAGES.english & LANGUAGES.german
    found = {
        word
        for seed in SEEDS
        for text, spans in [german_phrases.mixed(PAIRS[2], LANGUAGES, random.Random(seed))]
        for start, end in spans
        for word in (Caption(text[start:end]).words[0], Caption(text[start:end]).words[-1])
    }
    assert found
    assert not found & LANGUAGES.english


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    source = source_in(tmp_path / "captions")
    written = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        assert german_phrases.write(tmp_path / name, seed, source) == {"train": 2, "val": 2, "test": 2}
        written.append({path.name: path.read_text() for path in (tmp_path / name).iterdir()})
    assert written[0] == written[1]
    assert written[0] != written[2]


def test_graft_reads_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "sentences"
    folder.mkdir()
    german_phrases.write(folder, 3, source_in(tmp_path / "captions"))
    config = resolve(["task=token_classification", f"data.path={folder}"])
    splits = config.data.load(config.task, 0)
    assert splits.labels == ("O", "B-german", "I-german")
    assert (len(splits.train), len(splits.val), len(splits.test)) == (2, 2, 2)
    for name, examples in (("train", splits.train), ("val", splits.val), ("test", splits.test)):
        lines = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        begun = [sum(splits.labels[tag] == "B-german" for tag in example.target) for example in examples]
        assert begun == [len(line["entities"]) for line in lines]


def test_missing_captions_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATA, str(tmp_path))
    with pytest.raises(ConfigError, match=r"no train.en in .*multi30k"):
        german_phrases.write(tmp_path)
    monkeypatch.delenv(DATA)
    with pytest.raises(ConfigError, match=f"{DATA} names no folder"):
        german_phrases.write(tmp_path)


def test_files_that_are_not_parallel_are_refused(tmp_path: Path) -> None:
    source = source_in(tmp_path / "captions")
    (source / "val.de").write_text("Nur eine Zeile.\n")
    with pytest.raises(DataError, match=r"val.en has 3 lines, but val.de has 2"):
        german_phrases.write(tmp_path, 0, source)


@pytest.mark.skipif(not os.environ.get(DATA), reason=f"{DATA} names no folder of real data")
def test_the_real_captions_have_the_stated_proportions(tmp_path: Path) -> None:
    assert german_phrases.write(tmp_path) == {"train": 4000, "val": 1014, "test": 1000}
    lines = [json.loads(line) for line in (tmp_path / "test.jsonl").read_text().splitlines()]
    counts = Counter(len(line["entities"]) for line in lines)
    shares = [counts[count] / len(lines) for count in COUNTS]
    assert shares == pytest.approx([0.2, 0.45, 0.28, 0.06], abs=0.05)
