"""A simple baseline for images: a linear model on the pixels of small copies."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from core.contracts import LoadRequest
from core.images import open_image
from core.tasks import MULTI, SINGLE, ImageExample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.tasks import Predictions

LAYOUTS = (SINGLE, MULTI)
"""The layouts of targets to which the baseline can be fitted."""
SIDE = 16
"""Height and width of the small copies, in pixels."""
MAX_TRAIN_EXAMPLES = 20_000
"""Maximum number of training examples; of more, evenly spaced ones are used."""


def pixels_linear(request: LoadRequest, examples: Sequence[ImageExample]) -> Predictions:
    """Fit logistic regression to the colors of 16×16 copies, and predict.

    Args:
        request: Task, labels and training split; the layout is one of `LAYOUTS`.
        examples: The examples to predict.

    Returns:
        Probabilities, float32 [n, c]. A label without training examples gets probability 0. For `multi`, a label that
        no or every training example has gets 0 or 1.
    """
    chosen = [
        request.train[i]
        for i in np.linspace(0, len(request.train) - 1, min(MAX_TRAIN_EXAMPLES, len(request.train))).astype(int)
    ]
    targets = request.output.targets_of(chosen)
    train, test = _pixels(chosen), _pixels(examples)
    mean, spread = train.mean(axis=0), np.float32(train.std() + 1e-6)
    train, test = (train - mean) / spread, (test - mean) / spread
    if request.output.layout == MULTI:
        columns = [_probability(train, targets[:, label], test) for label in range(targets.shape[1])]
        return np.stack(columns, axis=1).astype(np.float32)
    probabilities = np.zeros((len(test), len(request.labels)), dtype=np.float32)
    present = np.unique(targets)
    if len(present) == 1:
        probabilities[:, present[0]] = 1.0
    else:
        probabilities[:, present] = _logistic().fit(train, targets).predict_proba(test)
    return probabilities


def _pixels(examples: Sequence[ImageExample]) -> NDArray[np.float32]:
    """Return the colors of small copies, float32 [n, 3 · SIDE²], from 0 to 1."""

    def small(example: ImageExample) -> NDArray[np.float32]:
        image = open_image(example.image).resize((SIDE, SIDE), reducing_gap=3.0)
        return np.asarray(image, dtype=np.float32).reshape(-1) / np.float32(255)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        pixels: NDArray[np.float32] = np.stack(list(pool.map(small, examples)))
    return pixels


def _probability(train: Any, applies: NDArray[Any], test: Any) -> NDArray[Any]:
    """Return the probability of one label, [n]."""
    if applies.min() == applies.max():
        return np.full(len(test), applies[0])
    return np.asarray(_logistic().fit(train, applies).predict_proba(test)[:, 1])


def _logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=0.1, max_iter=300)
