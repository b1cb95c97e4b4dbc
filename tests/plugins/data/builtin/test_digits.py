"""The embedded digits: their splits, labels and images."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sklearn.datasets import load_digits

from core.errors import DataError
from core.images.reading import encode_png, open_image
from core.tasks.task import Task
from plugins.data.adapters.images import Digits

TASK = Task(type="image-classification")


def test_the_digits_are_split_in_proportion_and_have_their_names():
    splits = Digits().load(TASK, 0)
    assert splits.labels == tuple("0123456789")
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [1258, 180, 359]
    assert min(Counter(each.target for each in splits.val).values()) >= 16
    assert splits.findings == ()
    assert splits.fingerprint != Digits().load(TASK, 1).fingerprint


def test_ink_is_light_and_fills_the_range():
    splits = Digits().load(TASK, 0)
    read = load_digits()
    for example in list(splits.test)[:20]:
        row = int(example.place.removeprefix("digits:")) - 1
        pixels = np.asarray(open_image(example.image))
        assert (pixels == np.rint(read.images[row] * 255 / 16)[:, :, None]).all()
        assert example.target == read.target[row]
        assert example.size == (8, 8)
    assert max(np.asarray(open_image(each.image)).max() for each in splits.test) == 255


def test_unlabelled_images_are_those_of_a_folder(tmp_path):
    (tmp_path / "a.png").write_bytes(encode_png(np.zeros((8, 8), dtype=np.uint8)))
    assert [each.image.name for each in Digits().unlabelled(TASK, tmp_path)] == ["a.png"]
    with pytest.raises(DataError, match="no such file"):
        Digits().unlabelled(TASK, tmp_path / "b.png")
