"""Metrics of labels and values: scikit-learn's results, streaming, resampling, and degenerate splits.

Covers: plugins/metrics/classification.py, plugins/metrics/regression.py, plugins/metrics/scorers/label_counts.py,
plugins/metrics/scorers/means.py, plugins/metrics/scorers/ranks.py, plugins/metrics/scorers/records.py,
plugins/metrics/scorers/scorer.py, plugins/metrics/scorers/sums.py
"""

from __future__ import annotations

import pickle
import warnings
from dataclasses import fields

import numpy as np
import pytest
import torch
from output_specs import output
from sklearn import metrics as reference
from sklearn.preprocessing import label_binarize

from core.contracts.components import Metric
from core.evaluation.bootstrap import count_blocks
from core.options import limits
from core.tasks.detection.target import BOXES
from core.tasks.targets.multi_label import MULTI
from core.tasks.targets.regression import REGRESSION
from core.tasks.targets.single_label import SINGLE
from plugins.metrics.classification import (
    F1,
    Accuracy,
    AveragePrecision,
    BalancedAccuracy,
    ConfusionMatrix,
    Ece,
    HammingAccuracy,
    LogLoss,
    Mcc,
    Precision,
    Recall,
    RocAuc,
)
from plugins.metrics.plugin import metrics as every_metric
from plugins.metrics.regression import R2, Mae, Rmse, Spearman

N = 240
SPLITS = ["two labels", "five labels", "rare label", "absent label", "several labels", "values"]
TARGET = {"several labels": MULTI, "values": REGRESSION}


def metrics() -> list[type[Metric]]:
    """All but those of boxes, which `test_detection.py` is about."""
    return [component for component in every_metric() if BOXES not in component.targets]


def split(name: str, n: int = N, seed: int = 0):
    """Predictions, targets and label names; predictions are rounded so that there are ties."""
    rng = np.random.default_rng(seed)
    if name == "values":
        targets = rng.normal(size=n).round(1)
        return (targets + rng.normal(size=n)).round(1).astype(np.float32), targets.astype(np.float32), ()
    if name == "several labels":
        targets = (rng.random((n, 4)) < [0.5, 0.3, 0.1, 0.7]).astype(np.float32)
        return (targets * 0.3 + rng.random((n, 4)) * 0.7).round(2).astype(np.float32), targets, tuple("abcd")
    c = 2 if name == "two labels" else 5
    shares = {"rare label": [0.7, 0.2, 0.06, 0.02, 0.02], "absent label": [0.4, 0.3, 0.2, 0.1, 0.0]}.get(
        name, [1 / c] * c
    )
    targets = rng.choice(c, size=n, p=shares).astype(np.int64)
    logits = rng.normal(size=(n, c)).round(1) + 1.2 * np.eye(c)[targets]
    exponents = np.exp(logits)
    return (exponents / exponents.sum(axis=1, keepdims=True)).astype(np.float32), targets, tuple("abcde"[:c])


def variants() -> list[Metric]:
    """Every metric, with each value of its `average`."""
    found: list[Metric] = []
    for component in metrics():
        averages = [choice for each in fields(component) if each.name == "average" for choice in limits(each).choices]
        found += [component(average=average) for average in averages] if averages else [component()]
    return found


def named(metric: Metric) -> str:
    return metric.name + (f"_{metric.average}" if hasattr(metric, "average") else "")


CASES = [
    pytest.param(metric, name, id=f"{named(metric)}-{name.replace(' ', '_')}")
    for metric in variants()
    for name in SPLITS
    if TARGET.get(name, SINGLE) in metric.targets
]


def score(metric: Metric, predictions, targets, labels, target: str, batch: int = 50):
    built = metric.build(output(target, labels))
    for start in range(0, len(targets), batch):
        part = slice(start, start + batch)
        built.update(torch.tensor(predictions[part]), torch.tensor(targets[part]))
    return built.compute().numpy()


def expected(metric: Metric, p, t, target: str):
    """What scikit-learn says; labels that a split neither holds nor predicts are left out of its averages."""
    average = getattr(metric, "average", None)
    average = None if average == "none" else average
    if target == REGRESSION:
        return {
            "mae": lambda: reference.mean_absolute_error(t, p),
            "rmse": lambda: reference.root_mean_squared_error(t, p),
            "r2": lambda: reference.r2_score(t, p),
            "spearman": lambda: pytest.importorskip("scipy.stats").spearmanr(t, p).statistic,
        }[metric.name]()
    c = p.shape[1]
    chosen = (p >= 0.5).astype(int) if target == MULTI else p.argmax(axis=1)
    onehot = t if target == MULTI else np.eye(c)[t]
    positive = slice(1, 2) if c == 2 and average is not None else slice(None)
    present = [k for k in range(c) if 0 < onehot[:, k].sum() < len(t)]

    def by_label(of):
        values = np.array([of(onehot[:, k], p[:, k]) if k in present else np.nan for k in range(c)])[positive]
        weights = onehot.sum(axis=0)[positive] if average == "weighted" else np.ones(c)[positive]
        kept = ~np.isnan(values)
        return values if average is None else np.average(values[kept], weights=weights[kept])

    options = {"average": average, "zero_division": 0, "labels": range(c) if average is None else None}
    return {
        "accuracy": lambda: reference.accuracy_score(t, chosen),
        "hamming_accuracy": lambda: 1 - reference.hamming_loss(t, chosen),
        "balanced_accuracy": lambda: np.mean([(chosen[t == k] == k).mean() for k in np.unique(t)]),
        "precision": lambda: reference.precision_score(t, chosen, **options),
        "recall": lambda: reference.recall_score(t, chosen, **options),
        "f1": lambda: reference.f1_score(t, chosen, **options),
        "mcc": lambda: reference.matthews_corrcoef(t, chosen),
        "roc_auc": lambda: by_label(reference.roc_auc_score),
        "average_precision": lambda: by_label(reference.average_precision_score),
        "log_loss": lambda: (
            np.mean([reference.log_loss(t[:, k], p[:, k], labels=[0, 1]) for k in range(c)])
            if target == MULTI
            else reference.log_loss(t, p, labels=range(c))
        ),
        "ece": lambda: calibration_error(p, t),
        "confusion_matrix": lambda: reference.confusion_matrix(t, chosen, labels=range(c)),
    }[metric.name]()


def calibration_error(p, t) -> float:
    """Naeini et al. (2015), bin by bin: scikit-learn has none."""
    confidence, right = p.max(axis=1).astype(np.float64), p.argmax(axis=1) == t
    bins = np.minimum(np.floor(confidence * 15), 14)
    return sum(
        (bins == b).mean() * abs(right[bins == b].mean() - confidence[bins == b].mean()) for b in np.unique(bins)
    )


@pytest.mark.parametrize(("metric", "name"), CASES)
def test_value_is_scikit_learns(metric: Metric, name: str) -> None:
    predictions, targets, labels = split(name)
    target = TARGET.get(name, SINGLE)
    wanted = expected(metric, predictions, targets, target)
    np.testing.assert_allclose(score(metric, predictions, targets, labels, target), wanted, atol=1e-6)


@pytest.mark.parametrize(("metric", "name"), CASES)
def test_resampled_scores_are_the_scores_of_repeated_rows(metric: Metric, name: str) -> None:
    predictions, targets, labels = split(name)
    target = TARGET.get(name, SINGLE)
    counts = next(count_blocks(N, 6, seed=1))
    scores = metric.resample(predictions, targets, counts, output(target, labels))
    assert scores.shape == (6,)
    assert scores.dtype == np.float64
    if score(metric, predictions, targets, labels, target).ndim:
        assert np.isnan(scores).all()
    else:
        np.testing.assert_allclose(
            scores, Metric.resample(metric, predictions, targets, counts, output(target, labels)), rtol=0, atol=1e-9
        )


@pytest.mark.parametrize(("metric", "name"), CASES)
def test_batches_do_not_change_the_score(metric: Metric, name: str) -> None:
    predictions, targets, labels = split(name)
    target = TARGET.get(name, SINGLE)
    one, many = (score(metric, predictions, targets, labels, target, batch) for batch in (N, 7))
    np.testing.assert_allclose(one, many, rtol=1e-12)


@pytest.mark.parametrize(("metric", "name"), CASES)
@pytest.mark.parametrize("n", [1, 2])
def test_tiny_splits_give_a_number_or_nan_without_a_warning(metric: Metric, name: str, n: int) -> None:
    predictions, targets, labels = split(name, n)
    target = TARGET.get(name, SINGLE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score(metric, predictions, targets, labels, target)
        metric.resample(predictions, targets, next(count_blocks(n, 3, 0)), output(target, labels))


@pytest.mark.parametrize(("metric", "name"), CASES)
def test_a_built_metric_survives_pickling_and_reset(metric: Metric, name: str) -> None:
    predictions, targets, labels = split(name)
    built = pickle.loads(pickle.dumps(metric.build(output(TARGET.get(name, SINGLE), labels))))
    for _ in range(2):
        built.reset()
        built.update(torch.tensor(predictions), torch.tensor(targets))
        wanted = score(metric, predictions, targets, labels, TARGET.get(name, SINGLE))
        np.testing.assert_allclose(built.compute().numpy(), wanted, rtol=1e-12)


@pytest.mark.parametrize("component", metrics(), ids=lambda component: component.name)
def test_states_of_two_processes_reduce_to_the_score(component: type[Metric]) -> None:
    metric = component()
    name = {SINGLE: "five labels", MULTI: "several labels", REGRESSION: "values"}[metric.targets[0]]
    predictions, targets, labels = split(name)
    halves = []
    for part in (slice(0, 100), slice(100, N)):
        half = metric.build(output(metric.targets[0], labels))
        half.update(torch.tensor(predictions[part]), torch.tensor(targets[part]))
        halves.append(half)
    halves[0].merge_state(halves[1])
    wanted = score(metric, predictions, targets, labels, metric.targets[0])
    np.testing.assert_allclose(halves[0].compute().numpy(), wanted, rtol=1e-12)


@pytest.mark.parametrize("component", metrics(), ids=lambda component: component.name)
def test_every_metric_explains_itself(component: type[Metric]) -> None:
    assert component.summary().endswith((".", ":"))
    assert all(limits(each).help for each in fields(component))


def test_memory_is_bounded_unless_the_docstring_warns() -> None:
    for component in metrics():
        target = component.targets[0]
        name = {SINGLE: "five labels", MULTI: "several labels", REGRESSION: "values"}[target]
        built = component().build(output(target, split(name)[2]))
        keeps_records = any(isinstance(state, list) for state in built.metric_state.values())
        assert keeps_records == ("every example in memory" in (component.__doc__ or "")), component.name


def test_direction() -> None:
    lower = {component.name for component in metrics() if not component.higher_is_better}
    assert lower == {"log_loss", "ece", "mae", "rmse"}


def test_perfect_and_useless_predictions() -> None:
    targets = np.array([0, 1, 1, 0, 1])
    perfect, useless = np.eye(2, dtype=np.float32)[targets], np.full((5, 2), 0.5, dtype=np.float32)
    for component in (Accuracy, BalancedAccuracy, F1, Mcc, Precision, Recall, RocAuc, AveragePrecision):
        assert score(component(), perfect, targets, "ab", SINGLE) == pytest.approx(1)
    assert score(RocAuc(), useless, targets, "ab", SINGLE) == pytest.approx(0.5)
    assert score(AveragePrecision(), useless, targets, "ab", SINGLE) == pytest.approx(0.6)
    assert score(Mcc(), useless, targets, "ab", SINGLE) == 0
    assert score(LogLoss(), useless, targets, "ab", SINGLE) == pytest.approx(np.log(2))
    assert score(Ece(), perfect, targets, "ab", SINGLE) == 0


def test_a_label_that_is_absent_and_never_predicted_does_not_count() -> None:
    predictions, targets, _ = split("two labels")
    wider = np.hstack([predictions, np.zeros((N, 1), dtype=np.float32)])
    for component in (F1, Precision, Recall, BalancedAccuracy):
        assert score(component(), wider, targets, "abc", SINGLE) == score(
            component(), predictions, targets, "ab", SINGLE
        )


@pytest.mark.parametrize("component", [RocAuc, AveragePrecision])
def test_ranking_one_label_only_is_undefined(component: type[Metric]) -> None:
    predictions, targets, labels = split("two labels")
    nothing = np.zeros_like(targets)
    assert np.isnan(score(component(), predictions, nothing, labels, SINGLE))


def test_constant_targets_are_undefined() -> None:
    predictions, constant = split("values")[0], np.full(N, 0.1, dtype=np.float32)
    for component in (R2, Spearman):
        assert np.isnan(score(component(), predictions, constant, (), REGRESSION))
    assert score(Mae(), constant, constant, (), REGRESSION) == 0
    assert score(Rmse(), constant, constant, (), REGRESSION) == 0


def test_r2_of_values_far_from_zero() -> None:
    predictions, targets, _ = split("values")
    shifted = score(R2(), predictions + np.float32(4096), targets + np.float32(4096), (), REGRESSION)
    assert shifted == pytest.approx(reference.r2_score(targets, predictions), abs=1e-3)


def test_accuracy_of_several_labels_is_exact_match() -> None:
    targets = np.array([[1, 0], [1, 1]], dtype=np.float32)
    predictions = np.array([[0.9, 0.1], [0.9, 0.1]], dtype=np.float32)
    assert score(Accuracy(), predictions, targets, "ab", MULTI) == 0.5
    assert score(HammingAccuracy(), predictions, targets, "ab", MULTI) == 0.75


def test_multiclass_roc_auc_is_one_against_rest() -> None:
    predictions, targets, labels = split("five labels")
    wanted = reference.roc_auc_score(targets, predictions, multi_class="ovr")
    assert score(RocAuc(), predictions, targets, labels, SINGLE) == pytest.approx(wanted, abs=1e-9)
    binary = label_binarize(targets, classes=range(5))
    wanted = reference.average_precision_score(binary, predictions)
    assert score(AveragePrecision(), predictions, targets, labels, SINGLE) == pytest.approx(wanted, abs=1e-9)


def test_a_wrong_certainty_has_a_finite_log_loss() -> None:
    predictions = np.array([[1.0, 0.0]], dtype=np.float32)
    assert score(LogLoss(), predictions, np.array([1]), "ab", SINGLE) == pytest.approx(15.942385)


def test_confusion_matrix_has_true_labels_in_rows() -> None:
    predictions = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], dtype=np.float32)
    assert score(ConfusionMatrix(), predictions, np.array([0, 1, 1]), "ab", SINGLE).tolist() == [[1, 0], [1, 1]]


def test_many_labels_are_resampled_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    from plugins.metrics.scorers import sums

    predictions, targets, labels = split("five labels")
    counts = next(count_blocks(N, 4, seed=2))
    whole = F1().resample(predictions, targets, counts, output(SINGLE, labels))
    monkeypatch.setattr(sums, "BLOCK_CELLS", 100)
    np.testing.assert_allclose(F1().resample(predictions, targets, counts, output(SINGLE, labels)), whole, rtol=1e-12)
