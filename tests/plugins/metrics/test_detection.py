"""Metrics of boxes: cases worked out by hand, torchmetrics on random scenes, one evaluation for all, resamples.

Covers: plugins/metrics/scorers/detection_counts.py, plugins/metrics/scorers/detection_curves.py
"""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from output_specs import output
from torchmetrics.detection import MeanAveragePrecision as Reference

from core.contracts.components import Metric
from core.evaluation.bootstrap import Bootstrap, count_blocks, interval
from core.tasks.detection.boxes import Boxes, Detections
from core.tasks.detection.matching import match_at
from core.tasks.detection.target import BOXES
from core.tasks.targets.encoded import objects
from plugins.metrics.detection import BoxF1, BoxPrecision, BoxRecall, MeanAveragePrecision, MeanAverageRecall
from plugins.metrics.scorers import detection_curves

FOLDER = Path(__file__).parents[3] / "conf" / "metrics"
AT, BESIDE, FAR = (10.0, 10.0, 60.0, 60.0), (10.0, 10.0, 60.0, 53.0), (200.0, 10.0, 250.0, 60.0)
"""A medium object, a box that overlaps it by 0.86, and one elsewhere."""
FIGURES: dict[str, Metric] = {
    "map": MeanAveragePrecision(), "map_50": MeanAveragePrecision(iou="50"), "map_75": MeanAveragePrecision(iou="75"),
    "map_small": MeanAveragePrecision(area="small"), "map_medium": MeanAveragePrecision(area="medium"),
    "map_large": MeanAveragePrecision(area="large"), "mar_100": MeanAverageRecall(),
    "mar_small": MeanAverageRecall(area="small"), "mar_large": MeanAverageRecall(area="large"),
}  # fmt: skip
DECISIONS: dict[str, Metric] = {"precision": BoxPrecision(), "recall": BoxRecall(), "f1": BoxF1()}


def found(*rows: tuple[Any, float, int]) -> Detections:
    corners = np.asarray([row[0] for row in rows], dtype=np.float32).reshape(-1, 4)
    return Detections(
        corners, np.asarray([row[1] for row in rows], dtype=np.float32), np.asarray([row[2] for row in rows], np.int64)
    )


def there(*rows: tuple[Any, int], crowd: tuple[bool, ...] = ()) -> Boxes:
    return Boxes(tuple(row[0] for row in rows), tuple(row[1] for row in rows), crowd)


def value(metric: Metric, predictions: Any, targets: Any, c: int = 2, parts: int = 1) -> Any:
    built = metric.build(output(BOXES, "abcdefghij"[:c]))
    for given, wanted in zip(np.array_split(predictions, parts), np.array_split(targets, parts), strict=True):
        built.update(list(given), list(wanted))
    return built.compute().numpy()


def scene(n: int, c: int, seed: int) -> tuple[Any, Any]:
    """Objects of all sizes with crowds among them, and detections with every kind of error; images may be empty."""
    rng = np.random.default_rng(seed)
    predictions, targets = [], []
    for _ in range(n):
        k, alarms = rng.integers(0, 9), rng.integers(0, 12)
        corners, labels = boxes(rng, k), rng.integers(0, c, k)
        targets.append(Boxes(tuple(map(tuple, corners.tolist())), tuple(labels.tolist()), tuple(rng.random(k) < 0.1)))
        rows = np.repeat(np.arange(k), rng.integers(0, 3, k))
        moved = corners[rows] + rng.normal(0, 4, (len(rows), 4))
        named = np.where(rng.random(len(rows)) < 0.9, labels[rows], rng.integers(0, c, len(rows)))
        places = np.concatenate([moved, boxes(rng, alarms)]).astype(np.float32)
        named = np.concatenate([named, rng.integers(0, c, alarms)]).astype(np.int64)
        predictions.append(Detections(places, rng.random(len(places)).astype(np.float32), named))
    return objects(predictions), objects(targets)


def boxes(rng: Any, k: int) -> Any:
    at, size = rng.uniform(0, 300, (k, 2)), np.exp(rng.uniform(np.log(12), np.log(200), (k, 2)))
    return np.concatenate([at, at + size], axis=1)


def torchmetrics_says(predictions: Any, targets: Any) -> dict[str, Any]:
    metric = Reference(backend="faster_coco_eval", class_metrics=True)
    arrays = [each.arrays() for each in targets]
    metric.update(
        [{"boxes": torch.tensor(p.corners), "scores": torch.tensor(p.scores), "labels": torch.tensor(p.labels)}
         for p in predictions],
        [{"boxes": torch.tensor(at), "labels": torch.tensor(labels), "iscrowd": torch.tensor(crowd).long()}
         for at, labels, crowd in arrays],
    )  # fmt: skip
    return metric.compute()


# --- by hand ----------------------------------------------------------------------------------------------------------

NOBODY = found()
CASES = {
    # name: detections, objects, mAP 50, mAP 50-95, precision, recall
    "perfect": ([found((AT, 0.9, 0), (FAR, 0.8, 1))], [there((AT, 0), (FAR, 1))], 1, 1, 1, 1),
    # Precision 1 up to a recall of one half: 51 of the 101 recalls (0.00 to 0.50).
    "one miss": ([found((AT, 0.9, 0))], [there((AT, 0), (FAR, 0))], 51 / 101, 51 / 101, 1, 0.5),
    "a false alarm above": ([found((FAR, 0.9, 0), (AT, 0.8, 0))], [there((AT, 0))], 0.5, 0.5, 0.5, 1),
    "a false alarm below costs nothing": ([found((AT, 0.9, 0), (FAR, 0.8, 0))], [there((AT, 0))], 1, 1, 0.5, 1),
    # The second is a false alarm: its object is taken. Recall 0.5 at precision 1, then 1 at 2/3: 51 + 50 · 2/3.
    "a duplicate": (
        [found((AT, 0.9, 0), (AT, 0.8, 0), (FAR, 0.7, 0))], [there((AT, 0), (FAR, 0))],
        (51 + 50 * 2 / 3) / 101, (51 + 50 * 2 / 3) / 101, 2 / 3, 1,
    ),
    "a wrong label": ([found((AT, 0.9, 1))], [there((AT, 0))], 0, 0, 0, 0),
    # Overlaps 0.86 of it: right at 50 to 85, eight of ten.
    "a box beside": ([found((BESIDE, 0.9, 0))], [there((AT, 0))], 1, 0.8, 1, 1),
    "a crowd is neither right nor wrong": (
        [found((FAR, 0.95, 0), (FAR, 0.94, 0), (AT, 0.9, 0))], [there((AT, 0), (FAR, 0), crowd=(False, True))],
        1, 1, 1, 1,
    ),
    "an empty image": ([NOBODY, found((AT, 0.9, 0))], [there(), there((AT, 0))], 1, 1, 1, 1),
    "a false alarm in an empty image": ([found((AT, 0.9, 0)), found((AT, 0.5, 0))], [there(), there((AT, 0))],
                                        0.5, 0.5, 0.5, 1),
    "nothing found": ([NOBODY], [there((AT, 0))], 0, 0, 0, 0),
    "nothing there": ([found((AT, 0.9, 0))], [there()], math.nan, math.nan, 0, 0),
    "nothing there and nothing found": ([NOBODY], [there()], math.nan, math.nan, math.nan, math.nan),
    "a crowd alone": ([NOBODY], [there((AT, 0), crowd=(True,))], math.nan, math.nan, math.nan, math.nan),
    "no image": ([], [], math.nan, math.nan, math.nan, math.nan),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_by_hand(name: str) -> None:
    detections, truth, map50, map50_95, precision, recall = CASES[name]
    predictions, targets = objects(detections), objects(truth)
    wanted = {"map_50": map50, "map": map50_95}
    for key, expected in wanted.items():
        metric = FIGURES[key]
        assert value(metric, predictions, targets) == pytest.approx(expected, abs=1e-6, nan_ok=True), key
        once = metric.resample(predictions, targets, np.ones((1, len(truth)), dtype=np.int64), output(BOXES, "ab"))
        assert once[0] == pytest.approx(expected, abs=1e-6, nan_ok=True), key
    assert value(BoxPrecision(), predictions, targets) == pytest.approx(precision, nan_ok=True)
    assert value(BoxRecall(), predictions, targets) == pytest.approx(recall, nan_ok=True)


def test_sizes_are_cocos_and_what_is_not_there_is_not_defined() -> None:
    predictions, targets = objects([found((AT, 0.9, 0))]), objects([there((AT, 0))])
    assert value(FIGURES["map_medium"], predictions, targets) == pytest.approx(1)
    for key in ("map_small", "map_large", "mar_small", "mar_large"):
        assert math.isnan(value(FIGURES[key], predictions, targets)), key
        assert interval(FIGURES[key], predictions, targets, output(BOXES, "ab"), Bootstrap(20)) == (None, None)


def test_a_value_for_each_label_also_where_there_is_one_only() -> None:
    predictions, targets = objects([found((AT, 0.9, 0), (FAR, 0.9, 2))]), objects([there((AT, 0), (FAR, 1))])
    table = value(MeanAveragePrecision(table="per_class"), predictions, targets, c=3)
    np.testing.assert_allclose(table, [1, 0, math.nan], atol=1e-6)
    one = value(MeanAveragePrecision(table="per_class"), objects([found((AT, 0.9, 0))]), objects([there((AT, 0))]), c=1)
    assert one.tolist() == [1.0]


def test_averages_of_decisions() -> None:
    predictions = objects([found((AT, 0.9, 0), (FAR, 0.8, 0)), found((AT, 0.9, 1))])
    targets = objects([there((AT, 0)), there((AT, 1), (FAR, 1))])
    assert value(BoxPrecision(), predictions, targets) == pytest.approx(2 / 3)
    assert value(BoxPrecision(average="macro"), predictions, targets) == pytest.approx(3 / 4)
    assert value(BoxRecall(average="none"), predictions, targets).tolist() == [1.0, 0.5]
    assert value(BoxF1(), predictions, targets) == pytest.approx(2 / 3)


# --- against torchmetrics ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "c", "seed"), [(25, 3, 0), (12, 1, 1), (40, 10, 2)])
def test_values_and_resamples_are_torchmetrics(n: int, c: int, seed: int) -> None:
    predictions, targets = scene(n, c, seed)
    wanted = torchmetrics_says(predictions, targets)
    for key, metric in FIGURES.items():
        expected = float(wanted[key])
        assert value(metric, predictions, targets, c, parts=4) == pytest.approx(expected, abs=1e-6), key
        labels = tuple("abcdefghij"[:c])
        once = metric.resample(predictions, targets, np.ones((1, n), dtype=np.int64), output(BOXES, labels))
        assert once[0] == pytest.approx(expected, abs=1e-6), key
    table = value(MeanAveragePrecision(table="per_class"), predictions, targets, c)
    np.testing.assert_allclose(table, wanted["map_per_class"].reshape(-1).numpy(), atol=1e-6)


@pytest.mark.parametrize("key", [*FIGURES, *DECISIONS])
def test_resampled_scores_are_the_scores_of_repeated_images(key: str) -> None:
    metric = (FIGURES | DECISIONS)[key]
    predictions, targets = scene(15, 3, 4)
    counts = next(count_blocks(15, 4, seed=1))
    scores = metric.resample(predictions, targets, counts, output(BOXES, "abc"))
    anew = Metric.resample(metric, predictions, targets, counts, output(BOXES, "abc"))
    np.testing.assert_allclose(scores, anew, atol=1e-6)


def test_of_many_detections_the_most_confident_hundred_of_a_label_count() -> None:
    rng = np.random.default_rng(0)
    places = np.asarray([AT, *[FAR] * 250], dtype=np.float32)
    scores = np.concatenate([[0.5], rng.uniform(0.6, 0.9, 250)]).astype(np.float32)
    crowded = Detections(places, scores, np.asarray([0] * 251))
    targets = objects([there((AT, 0), (FAR, 0))])
    for metric in (FIGURES["map_50"], FIGURES["mar_100"]):
        beyond = value(metric, objects([crowded]), targets)
        once = metric.resample(objects([crowded]), targets, np.ones((1, 1), dtype=np.int64), output(BOXES, "ab"))
        assert once[0] == pytest.approx(float(beyond))
    assert value(FIGURES["mar_100"], objects([crowded]), targets) == pytest.approx(0.5)


# --- how it is computed -----------------------------------------------------------------------------------------------


def test_all_figures_of_a_split_share_one_evaluation_and_one_matching(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    evaluate, match = detection_curves._evaluate, match_at
    monkeypatch.setattr(detection_curves, "_evaluate", lambda *given: [done.append("evaluated"), evaluate(*given)][1])
    monkeypatch.setattr(detection_curves, "match_at", lambda *given: [done.append("matched"), match(*given)][1])
    predictions, targets = scene(12, 3, seed=11)
    for metric in FIGURES.values():
        value(metric, predictions, targets, 3)
        interval(metric, predictions, targets, output(BOXES, "abc"), Bootstrap(10))
    assert sorted(done) == ["evaluated", "matched"]
    for seed in range(30):
        value(FIGURES["map"], *scene(2, 3, seed), 3)
    assert len(detection_curves._recent) <= detection_curves.KEPT


def test_a_built_metric_is_pickled_reset_and_merged() -> None:
    predictions, targets = scene(10, 3, seed=5)
    whole = value(FIGURES["map"], predictions, targets, 3)
    one, other = (pickle.loads(pickle.dumps(FIGURES["map"].build(output(BOXES, "abc")))) for _ in range(2))
    one.update(list(predictions), list(targets))
    one.reset()
    for built, half in ((one, slice(0, 4)), (other, slice(4, None))):
        built.update(list(predictions[half]), list(targets[half]))
    one.merge_state(other)
    assert float(one.compute()) == pytest.approx(float(whole), abs=1e-12)
    half = value(FIGURES["map"], predictions[4:], targets[4:], 3)
    assert float(other.compute()) == pytest.approx(float(half), abs=1e-12)  # what was merged is left as it was


def test_many_resamples_are_computed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.tasks.detection import precision_recall

    predictions, targets = scene(12, 2, seed=6)
    counts = next(count_blocks(12, 9, seed=2))
    whole = FIGURES["map"].resample(predictions, targets, counts, output(BOXES, "ab"))
    monkeypatch.setattr(precision_recall, "BLOCK_CELLS", 30)
    detection_curves._recent.clear()
    np.testing.assert_allclose(
        FIGURES["map"].resample(predictions, targets, counts, output(BOXES, "ab")), whole, rtol=1e-12
    )


def test_keys_of_the_preset_say_overlap_and_size() -> None:
    options = yaml.safe_load((FOLDER / "detection.yaml").read_text())
    said = {key: value for key, value in options.items() if key != "defaults"}
    assert said == {
        "map50_95": {"iou": "50-95"}, "map50": {"iou": "50"}, "map75": {"iou": "75"}, "map_small": {"area": "small"},
        "map_medium": {"area": "medium"}, "map_large": {"area": "large"}, "map_per_class": {"table": "per_class"},
    }  # fmt: skip
