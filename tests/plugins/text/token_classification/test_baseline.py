"""The baseline: the most frequent tag of each word in the training split."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from output_specs import output

from core.contracts import LoadRequest
from plugins.text.token_classification.baseline import most_frequent_tags
from plugins.text.token_classification.example import joined

SPEC = output("tags", ("O", "B-place", "I-place"), type="token-classification")


def test_each_word_gets_its_most_frequent_tag_and_a_new_one_that_of_all() -> None:
    train = [
        replace(joined(["Oslo", "is", "big"]), target=(1, 0, 0)),
        replace(joined(["in", "Oslo"]), target=(0, 1)),
        replace(joined(["New", "Oslo"]), target=(1, 2)),
    ]
    found = most_frequent_tags(LoadRequest(SPEC, train), [joined(["Oslo", "unseen", "New"]), joined([])])
    assert [each.dtype for each in found] == [np.float32, np.float32]
    assert found[0].argmax(axis=1).tolist() == [1, 0, 1]
    np.testing.assert_allclose(found[0].sum(axis=1), 1, rtol=1e-6)
    assert found[1].shape == (0, 3)
