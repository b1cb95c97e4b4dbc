"""Strict scores equal those of seqeval, on the decisions that Graft scores.

What is compared: predictions are random tags, many of them invalid (an `I-` after `O`, after another type, or at the
start of a text). Graft repairs them and scores the spans. seqeval gets these repaired spans and the true ones, both
written in each of its schemes, and scores them with `mode="strict"`. Spans lie side by side, have one word or several,
and some texts are empty.

What is not: seqeval's strict mode on the tags before their repair. It ignores an `I-` tag that continues nothing, which
Graft counts as an entity; seqeval's default mode (that of conlleval) counts it too. Two tests below show both.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from seqeval.metrics import classification_report, f1_score
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, IOE1, IOE2, Entities
from token_plugin import LABELS, TAGS, numbers, output, registered, sure

from core.evaluation import bootstrap
from core.evaluation.bootstrap import Bootstrap, interval
from core.tasks.targets.encoded import objects
from plugins.text.token_classification import scoring
from plugins.text.token_classification.counts import decided
from plugins.text.token_classification.metrics import EntityF1, EntityPrecision, EntityRecall
from plugins.text.token_classification.scoring import entity_score
from plugins.text.token_classification.tag_set import Span

SCHEMES = (IOB1, IOB2, IOE1, IOE2, IOBES, BILOU)
METRICS = {"precision": EntityPrecision, "recall": EntityRecall, "f1-score": EntityF1}
N = 200


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    with registered():
        yield


def write(spans: list[Span], n_words: int, scheme: type) -> list[str]:
    """Return the tags of spans in a scheme.

    `S` and `U` stand for a span of one word; in IOB1 `B` is used only after a span of the same type, and in IOE1 `E`
    only before one.
    """
    tags = ["O"] * n_words
    for number, (start, end, label) in enumerate(spans):
        before = number > 0 and spans[number - 1][1:] == (start, label)
        after = number + 1 < len(spans) and (spans[number + 1].start, spans[number + 1].label) == (end, label)
        single, first, last = {
            IOB1: ("B" if before else "I", "B" if before else "I", "I"),
            IOB2: ("B", "B", "I"),
            IOE1: ("E" if after else "I", "I", "E" if after else "I"),
            IOE2: ("E", "I", "E"),
            IOBES: ("S", "B", "E"),
            BILOU: ("U", "B", "L"),
        }[scheme]
        prefixes = [first, *["I"] * (end - start - 2), last] if end - start > 1 else [single]
        tags[start:end] = [f"{prefix}-{label}" for prefix in prefixes]
    return tags


def random_texts(seed: int) -> tuple[list[list[int]], list[list[int]]]:
    """Return the predicted tags, often invalid, and the valid true tags of some texts, some of them empty."""
    rng = np.random.default_rng(seed)
    found, wanted = [], []
    for _ in range(N):
        true = TAGS.repaired(rng.integers(0, len(LABELS), rng.integers(0, 11)).tolist())
        wrong = rng.random(len(true)) < 0.3
        random = rng.integers(0, len(LABELS), len(true))
        found.append(np.where(wrong, random, np.asarray(true, dtype=np.int64)).tolist())
        wanted.append(true)
    return found, wanted


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.__name__)
@pytest.mark.parametrize("seed", range(2))
def test_strict_scores_equal_those_of_seqeval(scheme: type, seed: int) -> None:
    found, wanted = random_texts(seed)
    assert any(TAGS.repaired(each) != each for each in found)
    of_true = [write(TAGS.spans(each), len(each), scheme) for each in wanted]
    of_found = [write(TAGS.spans(TAGS.repaired(each)), len(each), scheme) for each in found]
    if scheme is IOE1:  # seqeval misreads some spans side by side in IOE1, as a remark in its code says
        kept = [row for row in range(N) if _reads(of_true[row], wanted[row]) and _reads(of_found[row], found[row])]
        assert 50 < len(kept) < N
        found, wanted, of_true, of_found = ([each[row] for row in kept] for each in (found, wanted, of_true, of_found))
    report = classification_report(of_true, of_found, mode="strict", scheme=scheme, output_dict=True, zero_division=0)
    for column, kind in METRICS.items():
        for average in ("micro", "macro", "weighted"):
            metric = kind(average=average).build(output())
            metric.update([sure(each) for each in found], wanted)
            assert float(metric.compute()) == pytest.approx(report[f"{average} avg"][column], abs=1e-12)
        table = kind(average="none").build(output())
        table.update([sure(each) for each in found], wanted)
        of_tags = table.compute().tolist()
        for label in TAGS.types:
            assert of_tags[LABELS.index(f"B-{label}")] == pytest.approx(report[label][column], abs=1e-12)


def _reads(tags: list[str], numbers_: list[int]) -> bool:
    """Return whether seqeval reads the spans of IOE1 that were written."""
    (read,) = Entities([tags], IOE1).entities
    return [(each.start, each.end, each.tag) for each in read] == TAGS.spans(numbers_)


@pytest.mark.parametrize("scheme", [each for each in SCHEMES if each is not IOE1], ids=lambda scheme: scheme.__name__)
def test_seqeval_reads_the_spans_that_the_test_writes(scheme: type) -> None:
    _, wanted = random_texts(0)
    read = Entities([write(TAGS.spans(each), len(each), scheme) for each in wanted], scheme).entities
    assert [[(each.start, each.end, each.tag) for each in text] for text in read] == [
        [tuple(span) for span in TAGS.spans(each)] for each in wanted
    ]


def names(tags: list[int]) -> list[str]:
    return [LABELS[tag] for tag in tags]


def test_the_default_mode_of_seqeval_reads_invalid_tags_in_the_same_way() -> None:
    found, wanted = random_texts(3)
    metric = EntityF1().build(output())
    metric.update([sure(each) for each in found], wanted)
    ours = float(metric.compute())
    assert ours == pytest.approx(f1_score(list(map(names, wanted)), list(map(names, found))))
    strict = f1_score(list(map(names, wanted)), list(map(names, found)), mode="strict", scheme=IOB2)
    assert ours != pytest.approx(strict)


def test_an_inside_tag_that_continues_nothing_is_an_entity_unlike_in_strict_seqeval() -> None:
    found, wanted = list(numbers("O I-date I-date")), list(numbers("O B-date I-date"))
    assert decided(sure(found), TAGS) == wanted
    metric = EntityF1().build(output())
    metric.update([sure(found)], [wanted])
    assert float(metric.compute()) == 1
    assert f1_score([names(wanted)], [names(found)], mode="strict", scheme=IOB2, zero_division=0) == 0


def test_undefined_scores_are_nan_where_seqeval_returns_0() -> None:
    assert f1_score([["O"]], [["O"]], mode="strict", scheme=IOB2, zero_division=0) == 0
    score = entity_score("f1", "micro", "strict", LABELS)
    assert np.isnan(score.score(np.zeros(score.width)))


def test_texts_are_counted_once_for_all_resamples_of_all_metrics_with_equal_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, wanted = random_texts(4)
    predictions, targets = objects([sure(each) for each in found]), objects(wanted)
    counted = []
    count = scoring.entity_counts
    monkeypatch.setattr(scoring, "entity_counts", lambda *args, **more: counted.append(1) or count(*args, **more))
    settings = Bootstrap(resamples=50)
    whole = [interval(kind(), predictions, targets, output(), settings) for kind in METRICS.values()]
    assert len(counted) == 1
    monkeypatch.setattr(bootstrap, "BLOCK_CELLS", 5 * N)
    again, same = objects(predictions), objects(targets)
    assert [interval(kind(), again, same, output(), settings) for kind in METRICS.values()] == whole
    assert len(counted) == 2
    interval(EntityF1(match="partial"), again, same, output(), settings)
    assert len(counted) == 3


def test_counts_are_forgotten_with_the_predictions() -> None:
    counts = scoring.LastCounts()
    predictions, targets = objects([1, 2]), objects([3, 4])
    seen = weakref.ref(counts.get("words", predictions, targets, lambda: np.ones((2, 1))))
    assert counts.get("words", predictions, targets, lambda: np.zeros((2, 1))) is seen()
    assert counts.get("entities", predictions, targets, lambda: np.zeros((2, 1))) is not seen()
    del predictions
    gc.collect()
    assert seen() is None
