"""The embedded reviews: balanced, split in proportion, and varied in length.

Covers: plugins/data/adapters/text.py
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import combinations

from core.tasks.task import Task
from plugins.data.adapters.text import Reviews


def everything():
    splits = Reviews().load(Task(), 0)
    return splits, [*splits.train, *splits.val, *splits.test]


def test_the_reviews_are_balanced_and_split_in_proportion():
    splits, examples = everything()
    assert splits.labels == ("negative", "neutral", "positive")
    assert Counter(example.target for example in examples) == {0: 432, 1: 432, 2: 432}
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [907, 130, 259]
    for split in (splits.train, splits.val, splits.test):
        counts = Counter(example.target for example in split)
        assert max(counts.values()) - min(counts.values()) <= 2
    assert splits.findings == ()


def test_no_review_nearly_repeats_another():
    grams, bearers = [], defaultdict(list)
    for number, example in enumerate(everything()[1]):
        words = re.findall(r"\w+", example.text.lower())
        grams.append({tuple(words[at : at + 5]) for at in range(max(1, len(words) - 4))})
        for gram in grams[-1]:
            bearers[gram].append(number)
    pairs = {pair for numbers in bearers.values() for pair in combinations(numbers, 2)}
    assert all(len(grams[a] & grams[b]) / len(grams[a] | grams[b]) < 0.2 for a, b in pairs)


def test_reviews_vary_in_length():
    lengths = sorted(len(example.text.split()) for _, examples in [everything()] for example in examples)
    assert lengths[len(lengths) // 10] < 15
    assert lengths[-len(lengths) // 10] > 50
