"""The linear baseline of an image model."""

from __future__ import annotations

import numpy as np
import pytest
from image_samples import examples, load_request

from plugins.images.baselines import pixels_linear
from plugins.images.plugin import Timm


def test_it_tells_plain_images_apart() -> None:
    given = pixels_linear(load_request(examples(30)), examples(6))
    assert given.dtype == np.float32
    assert given.argmax(axis=1).tolist() == [0, 1, 2, 0, 1, 2]
    np.testing.assert_allclose(given.sum(axis=1), 1, rtol=1e-5)


def test_a_label_that_training_lacks_gets_nothing() -> None:
    train = [each for each in examples(30) if each.target != 2]
    assert (pixels_linear(load_request(train), examples(6))[:, 2] == 0).all()


def test_multi() -> None:
    train = examples(30, targets=[((0, 2), (1, 2), (2,))[row % 3] for row in range(30)])
    given = pixels_linear(load_request(train, "multi"), examples(3))
    assert (given[:, 2] == 1).all()
    assert given[0, 0] > 0.5 > given[1, 0]
    assert given[1, 1] > 0.5 > given[2, 1]


@pytest.mark.usefixtures("vectors")
@pytest.mark.parametrize(("target", "value"), [("vec", (0.0, 1.0)), ("price", 2.0)])
def test_there_is_no_baseline_for_an_unknown_layout(target: str, value: object) -> None:
    train = examples(3, targets=[value] * 3)
    assert Timm().baselines(load_request(train, target), train) == {}
