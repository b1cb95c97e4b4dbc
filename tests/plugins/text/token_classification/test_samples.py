"""Synthetic tags and predictions: valid, of many lengths, often but not always right."""

from __future__ import annotations

from itertools import chain, pairwise

import numpy as np
import pytest
from token_plugin import LABELS, TAGS

from core.tasks.targets.encoded import objects
from plugins.text.token_classification.counts import decided
from plugins.text.token_classification.samples import imperfect_predictions, perfect_predictions, sample_tags
from plugins.text.token_classification.tag_set import TagSet


@pytest.mark.parametrize("labels", [LABELS, ("calm", "fine", "wild"), ("no", "yes"), ("B-x", "I-x"), ("O", "B-x")])
def test_samples_are_valid_and_show_every_tag_early(labels: tuple[str, ...]) -> None:
    samples = sample_tags(60, labels)
    tags = TagSet(labels)
    assert set(chain(*samples[:8])) == set(range(len(labels)))
    assert all(tags.repaired(each) == list(each) for each in samples)
    assert {0, 1, 2, 3, 4}.issubset({len(each) for each in samples})
    assert samples == sample_tags(60, labels)


def test_spans_lie_side_by_side_and_some_texts_have_none() -> None:
    samples = sample_tags(60, LABELS)
    spans = [TAGS.spans(each) for each in samples]
    assert any(one.end == other.start for text in spans for one, other in pairwise(text))
    assert any(text and not spans[row] for row, text in enumerate(samples))


def test_predictions_are_often_but_not_always_right() -> None:
    targets = objects(sample_tags(200, LABELS))
    found = imperfect_predictions(targets, LABELS, 0)
    right = np.concatenate([each.argmax(axis=1) == list(true) for each, true in zip(found, targets, strict=True)])
    assert 0.4 < right.mean() < 0.9
    assert any(TAGS.repaired(tags) != tags for each in found if len(tags := each.argmax(axis=1).tolist()))
    perfect = perfect_predictions(targets, LABELS)
    assert [decided(each, TAGS) for each in perfect] == [list(each) for each in targets]
