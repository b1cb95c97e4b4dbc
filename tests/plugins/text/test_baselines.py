"""The linear baseline of a text model."""

from __future__ import annotations

import numpy as np
import pytest
from output_specs import output

from core.contracts.model import LoadRequest
from core.tasks.text import TextExample
from plugins.text.plugin import Encoder

TEXTS = ["a fine hammer", "a poor saw", "fine nails", "poor glue"]


def predictions(target: str, labels: tuple[str, ...], targets: list[object], texts: list[str] = TEXTS) -> np.ndarray:
    train = [TextExample(text, each) for text, each in zip(texts * 5, targets * 5, strict=True)]
    request = LoadRequest(output(target, labels), train)
    return Encoder().baselines(request, [TextExample("fine"), TextExample("poor")])["tfidf_linear"]


def test_single_with_a_label_that_training_lacks() -> None:
    given = predictions("single", ("bad", "good", "never"), [1, 0, 1, 0])
    assert given.dtype == np.float32
    assert given.argmax(axis=1).tolist() == [1, 0]
    assert (given[:, 2] == 0).all()
    np.testing.assert_allclose(given.sum(axis=1), 1, rtol=1e-5)


def test_multi() -> None:
    given = predictions("multi", ("good", "never", "always"), [(0, 2), (2,), (0, 2), (2,)])
    assert given.shape == (2, 3)
    assert given[0, 0] > 0.5 > given[1, 0]
    assert (given[:, 1:] == [0, 1]).all()


def test_regression_and_texts_without_words() -> None:
    fine, poor = predictions("regression", (), [9.0, 1.0, 9.0, 1.0])
    assert fine > 5 > poor
    np.testing.assert_allclose(predictions("regression", (), [2.0, 4.0], ["!", "?"]), [3, 3], atol=1e-5)


@pytest.mark.usefixtures("vectors")
def test_there_is_no_baseline_for_an_unknown_layout() -> None:
    train = [TextExample("fine", (0.0, 1.0)), TextExample("poor", (1.0, 0.0))]
    assert Encoder().baselines(LoadRequest(output("vec"), train), train) == {}
