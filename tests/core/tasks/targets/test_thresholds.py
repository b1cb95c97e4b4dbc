"""Thresholds of several labels: the best ones on validation are chosen, stored and used.

Covers: core/tasks/output.py
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import graft_toy
import numpy as np
import pytest
from output_specs import output
from sklearn.metrics import f1_score

from core.contracts.components import Metric
from core.errors import ConfigError
from core.evaluation.scoring import Scoring
from core.files import write_json
from core.inference.predictor import Predictor
from core.reporting import report as record
from core.runs.run import run
from core.tasks.targets.multi_label import MULTI, MultiLabel
from core.tasks.targets.thresholds import decide
from core.tasks.targets.thresholds import label_thresholds as choose
from plugins.metrics.classification import F1, Accuracy, AveragePrecision, HammingAccuracy, LogLoss

METRICS: dict[str, Metric] = {
    "f1_macro": F1(), "f1_none": F1(average="none"), "accuracy": Accuracy(), "hamming": HammingAccuracy(),
    "log_loss": LogLoss(), "average_precision": AveragePrecision(),
}  # fmt: skip


def column(*values: float) -> Any:
    return np.array(values, dtype=np.float32)[:, None]


@pytest.mark.parametrize("seed", range(6))
def test_no_other_threshold_has_a_better_f1(seed: int) -> None:
    rng = np.random.default_rng(seed)
    predictions = rng.random((80, 3)).round(2 if seed % 2 else 7).astype(np.float32)
    targets = (rng.random((80, 3)) < predictions * [1.0, 0.4, 0.9]).astype(np.float32)
    chosen = choose(predictions, targets)
    decisions = decide(predictions, chosen)
    for label, limit in enumerate(chosen):
        truth = targets[:, label]
        assert truth.sum() >= 5
        found = f1_score(truth, decisions[:, label])
        tried = [f1_score(truth, predictions[:, label] >= each) for each in np.unique(predictions[:, label])]
        assert found == pytest.approx(max(tried))
        assert limit not in predictions[:, label]


def test_it_lies_midway_in_few_decimals() -> None:
    predictions = column(0.9, 0.8, 0.7, 0.65, 0.6, 0.2, 0.1, 0.1, 0.05)
    assert choose(predictions, column(1, 1, 1, 1, 1, 0, 0, 0, 0)) == (0.4,)
    close = column(*[0.3] * 5, *[np.nextafter(np.float32(0.3), np.float32(0))] * 5)
    (limit,) = choose(close, column(*[1] * 5, *[0] * 5))
    assert decide(close, [limit])[:, 0].tolist() == [1.0] * 5 + [0.0] * 5
    assert json.loads(json.dumps(limit)) == limit


@pytest.mark.parametrize(("high", "low", "expected"), [(0.9, 0.3, 0.6), (0.98, 0.7, 0.4)])
def test_of_equally_good_ones_the_nearest_to_one_half(high: float, low: float, expected: float) -> None:
    # Four right of four chosen, or eight of sixteen: 2 · 4 / (4 + 8) = 2 · 8 / (16 + 8).
    predictions = column(*[high] * 4, *[low] * 12, *[0.1] * 4)
    assert choose(predictions, column(*[1] * 4, *[1, 0, 0] * 4, *[0] * 4)) == (expected,)


@pytest.mark.parametrize("positives", [0, 4, 20])
def test_labels_that_say_too_little_keep_one_half(positives: int) -> None:
    predictions = column(*np.linspace(0.01, 0.2, 20))
    targets = column(*[1] * positives, *[0] * (20 - positives))
    assert choose(predictions, targets) == (0.5,)


def test_a_label_may_apply_to_every_example_where_the_model_knows_nothing() -> None:
    targets = column(*[1] * 6, *[0] * 6)
    (limit,) = choose(column(*[0.3] * 12), targets)
    assert 0 < limit < 0.3
    assert choose(np.zeros((12, 1), dtype=np.float32), targets) == (0.5,)
    assert choose(np.full((12, 1), np.nan, dtype=np.float32), targets) == (0.5,)


def test_choosing_thresholds_is_fast() -> None:
    rng = np.random.default_rng(0)
    predictions = rng.random((20_000, 50), dtype=np.float32)
    targets = (rng.random(predictions.shape) < predictions).astype(np.float32)
    started = time.perf_counter()
    assert len(choose(predictions, targets)) == 50
    assert time.perf_counter() - started < 2  # a tenth of what 100,000 examples and 100 labels are


def test_a_metric_gets_decisions_only_if_it_declares_so() -> None:
    predictions = np.array([[0.3, 0.3], [0.6, 0.1]], dtype=np.float32)
    chosen = Scoring(METRICS, output(MULTI, "ab"), (0.2, 0.4))
    assert chosen.input_of("accuracy", predictions).tolist() == [[1.0, 0.0], [1.0, 0.0]]
    assert chosen.input_of("log_loss", predictions) is predictions
    assert Scoring(METRICS, output(MULTI, "ab")).input_of("accuracy", predictions) is predictions


def test_what_is_stored_decides_and_nothing_near_it() -> None:
    edge = np.float32(0.3)  # 0.3 is a little less than its nearest float32
    for limit, chosen in ((0.3, ["a"]), (float(edge), ["a"]), (0.3000001, [])):
        assert MultiLabel().write(np.array([edge]), ["a"], [limit])["labels"] == chosen
        assert decide(np.array([[edge]]), [limit]).tolist() == [[float(bool(chosen))]]
    stored = output(MULTI, "ab").name_thresholds((0.1, 0.2))
    assert output(MULTI, "ba").read_thresholds(stored) == (0.2, 0.1)
    assert output(MULTI, "a").read_thresholds(None) is None


# --- a whole run ------------------------------------------------------------------------------------------------------


def train_multi_label(folder: Path, **changes: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {"data__held_out": 60, "train__epochs": 3, "task__target": "multi"} | changes
    run(graft_toy.config(metrics=METRICS, task__primary="f1_macro", **settings), folder, quiet=True)
    return record.read(folder)


@pytest.fixture(scope="module")
def completed_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with several labels that several tests look at."""
    from core.config.compose import install
    from core.registry.registry import load_registry

    install()
    folder = tmp_path_factory.mktemp("several") / "run"
    with graft_toy.registered(load_registry()):
        train_multi_label(folder)
    return folder


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]


def encoded(names: list[list[str]]) -> Any:
    return np.array([[label in each for label in graft_toy.LABELS] for each in names])


def test_the_report_holds_them_and_the_scores_are_at_them(completed_run: Path) -> None:
    report, rows = record.read(completed_run), rows_of(completed_run)
    limits = report["thresholds"]
    assert list(limits) == list(graft_toy.LABELS)
    assert set(limits.values()) != {0.5}
    for row in rows:
        assert row["labels"] == [name for name, p in row["probabilities"].items() if p >= limits[name]]
    truth, chosen = encoded([row["target"] for row in rows]), encoded([row["labels"] for row in rows])
    scores = report["scores"]["test"]
    assert scores["f1_macro"]["value"] == pytest.approx(f1_score(truth, chosen, average="macro"))
    assert scores["accuracy"]["value"] == pytest.approx(float((truth == chosen).all(axis=1).mean()))
    assert scores["hamming"]["value"] == pytest.approx(float((truth == chosen).mean()))
    for score in scores.values():
        assert score["low"] <= score["value"] <= score["high"]
    assert report["tables"]["test"]["f1_none"] == pytest.approx(f1_score(truth, chosen, average=None).tolist())
    for row, (name, limit) in zip(report["per_class"], limits.items(), strict=True):
        column = list(limits).index(name)
        assert (row["label"], row["threshold"]) == (name, limit)
        assert row["f1"] == pytest.approx(f1_score(truth[:, column], chosen[:, column]))


def test_without_them_one_half_decides_and_probabilities_score_alike(
    completed_run: Path, tmp_path: Path, toy: None
) -> None:
    half, report = train_multi_label(tmp_path / "run", train__thresholds="half"), record.read(completed_run)
    assert "thresholds" not in half
    assert "threshold" not in half["per_class"][0]
    for split in ("val", "test"):
        for key in ("log_loss", "average_precision"):
            assert half["scores"][split][key] == report["scores"][split][key]
    assert report["scores"]["val"]["f1_macro"]["value"] > half["scores"]["val"]["f1_macro"]["value"]
    for name in ("f1_macro", "accuracy"):  # while training, one half decides
        assert half["training"]["history"][-1]["val"][name] == report["training"]["history"][-1]["val"][name]
    for row in rows_of(tmp_path / "run"):
        assert row["labels"] == [name for name, p in row["probabilities"].items() if p >= 0.5]


def test_baselines_get_thresholds_too(completed_run: Path) -> None:
    (peer,) = record.read(completed_run)["scores"]["baselines"].values()
    shares = encoded([row["target"] for row in rows_of(completed_run)]).mean(axis=0)
    assert peer["f1_macro"]["value"] == pytest.approx(float((2 * shares / (1 + shares)).mean()))  # everything applies


def test_predict_and_evaluate_use_what_is_stored(completed_run: Path, toy: None, graft: Any) -> None:
    report = record.read(completed_run)
    predictor = Predictor.open(completed_run)
    assert predictor.thresholds == tuple(report["thresholds"].values())
    examples = graft_toy.Words(held_out=60).load(predictor.config.task, 0).test
    for row, wanted in zip(predictor.predict(examples), rows_of(completed_run), strict=True):
        assert row["labels"] == wanted["labels"]
    code, out, err = graft("evaluate", completed_run, "--json")
    assert code == 0, err
    for key, score in json.loads(out)["scores"].items():
        assert score == pytest.approx(report["scores"]["test"][key], abs=1e-6)


def test_a_run_from_before_has_none(completed_run: Path, tmp_path: Path, toy: None) -> None:
    import shutil

    shutil.copytree(completed_run, tmp_path / "run")
    report = record.read(completed_run)
    del report["thresholds"]
    write_json(tmp_path / "run" / "report.json", report)
    predictor = Predictor.open(tmp_path / "run")
    assert predictor.thresholds is None
    (row,) = predictor.predict([next(iter(graft_toy.Words().load(predictor.config.task, 0).test))])
    assert row["labels"] == [name for name, p in row["probabilities"].items() if p >= 0.5]


def test_the_option_is_refused_where_it_means_nothing(tmp_path: Path, toy: None) -> None:
    with pytest.raises(
        ConfigError, match=r"train\.thresholds: does not apply to the target type single \(only to multi"
    ):
        run(graft_toy.config(train__thresholds="half"), tmp_path / "run", quiet=True)
