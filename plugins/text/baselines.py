"""A simple baseline for text: a linear model on TF-IDF of words and word pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.contracts import LoadRequest
from core.tasks import MULTI, REGRESSION, SINGLE, TextExample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.tasks import Predictions


LAYOUTS = (SINGLE, MULTI, REGRESSION)
"""The layouts of targets to which the baseline can be fitted."""


def tfidf_linear(request: LoadRequest, examples: Sequence[TextExample]) -> Predictions:
    """Fit logistic or ridge regression on TF-IDF (words and word pairs, sublinear counts), and predict.

    Args:
        request: Task, labels and training split; the layout is one of `LAYOUTS`.
        examples: The examples to predict.

    Returns:
        Predictions as `core.tasks` shapes them: float32 [n, c], or [n]. A label without training examples gets
        probability 0. For `multi`, a label that no or every training example has gets 0 or 1.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, min_df=2 if len(request.train) > 1000 else 1, dtype=np.float32
    )
    targets = request.output.targets_of(request.train)
    try:
        train = vectorizer.fit_transform(_joined(request.train))
    except ValueError:  # no words in the training texts: only a constant can be learned
        train = np.zeros((len(request.train), 1), dtype=np.float32)
        return _predict(request, train, targets, np.zeros((len(examples), 1), dtype=np.float32))
    return _predict(request, train, targets, vectorizer.transform(_joined(examples)))


def _joined(examples: Sequence[TextExample]) -> list[str]:
    """Join a pair into one text, so that the linear model sees the words of both."""
    return [
        example.text if example.pair is None else f"{example.text}\n{example.pair}"
        for example in (examples[row] for row in range(len(examples)))
    ]


def _predict(request: LoadRequest, train: Any, targets: NDArray[Any], test: Any) -> Predictions:
    if request.output.layout == REGRESSION:
        from sklearn.linear_model import Ridge

        return np.asarray(Ridge(solver="lsqr").fit(train, targets).predict(test), dtype=np.float32)
    if request.output.layout == MULTI:
        columns = [_probability(train, targets[:, label], test) for label in range(targets.shape[1])]
        return np.stack(columns, axis=1).astype(np.float32)
    probabilities = np.zeros((test.shape[0], len(request.labels)), dtype=np.float32)
    present = np.unique(targets)
    if len(present) == 1:
        probabilities[:, present[0]] = 1.0
    else:
        probabilities[:, present] = _logistic().fit(train, targets).predict_proba(test)
    return probabilities


def _probability(train: Any, applies: NDArray[Any], test: Any) -> NDArray[Any]:
    """Return the probability of one label, [n]."""
    if applies.min() == applies.max():
        return np.full(test.shape[0], applies[0])
    return np.asarray(_logistic().fit(train, applies).predict_proba(test)[:, 1])


def _logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10.0, max_iter=300)
