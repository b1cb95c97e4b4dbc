"""Ultralytics' trainer as a peer on detection: at its defaults, and tuned by hand."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers.measure import Result
from benchmarks.peers.program import Asked, Program, device, main

MODULE = "benchmarks.peers.detection_ultralytics"
DEFAULTS = Program(
    "ultralytics",
    "Ultralytics' trainer at its defaults (fp32 on a CPU, images decoded each time, at most 8 workers), "
    "without its plots",
    MODULE,
    {"bf16": False, "arguments": {}},
)
TUNED = Program(
    "ultralytics-tuned",
    "the same with cache=ram and one worker per core; on a GPU also amp=bf16, which it refuses on a CPU",
    MODULE,
    {"bf16": True, "arguments": {"cache": "ram"}},
)


@dataclass
class Clock:
    """Measures the time of training, without validation and saving, and the waits for batches in it.

    Attributes:
        seconds: Seconds in training.
        waited: Seconds of these spent waiting for batches.
        steps: Number of batches.
        most: Maximum number of batches; 0 for no limit.
    """

    most: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    steps: int = 0
    _epoch: float = field(default=0.0, repr=False)
    _asked: float = field(default=0.0, repr=False)

    def epoch_started(self, trainer: Any) -> None:
        """Record the start of an epoch."""
        self._epoch = self._asked = time.perf_counter()

    def batch_started(self, trainer: Any) -> None:
        """Record the arrival of a batch."""
        self.waited += time.perf_counter() - self._asked

    def batch_ended(self, trainer: Any) -> None:
        """Record the end of a step.

        Raises:
            EnoughError: The maximum number of batches has been reached.
        """
        self.steps += 1
        self._asked = time.perf_counter()
        if self.steps == self.most:
            self.epoch_ended(trainer)
            raise EnoughError

    def epoch_ended(self, trainer: Any) -> None:
        """Record the end of an epoch's training."""
        self.seconds += time.perf_counter() - self._epoch

    def listen(self, model: Any) -> None:
        """Register as Ultralytics' callbacks."""
        for event, action in (
            ("on_train_epoch_start", self.epoch_started), ("on_train_batch_start", self.batch_started),
            ("on_train_batch_end", self.batch_ended), ("on_train_epoch_end", self.epoch_ended),
        ):  # fmt: skip
            model.add_callback(event, action)


class EnoughError(Exception):
    """The maximum number of batches has been reached; Ultralytics has no option for it."""


def work(asked: Asked) -> Result:
    """Train and test, and return the measurements."""
    from plugins.detection.yolo.ultralytics import library

    library()  # keeps it offline, and its settings in Graft's cache
    from ultralytics import YOLO

    from core.runtime import bf16_native

    train, options = asked.config.train, _options(asked)
    where = device()
    half = where == "cuda" and bool(asked.settings["bf16"]) and bf16_native(where)
    model = YOLO(str(_architecture(asked)), task="detect")
    clock = Clock(train.max_steps)
    clock.listen(model)
    more = {"workers": os.cpu_count() or 1} if asked.settings["bf16"] else {}
    given: dict[str, Any] = {
        "data": options["data"], "epochs": int(train.epochs or 1), "batch": train.batch_size, "imgsz": options["side"],
        "seed": asked.config.seed, "device": "0" if where == "cuda" else "cpu", "project": str(asked.folder),
        "name": "trained", "plots": False, "amp": "bf16" if half else False,
    }  # fmt: skip
    try:
        model.train(**given, **more, **asked.settings["arguments"])
    except EnoughError:
        return _result(asked, clock, {}, half, model.trainer.model, {"steps": clock.steps})
    best = YOLO(str(asked.folder / "trained" / "weights" / "best.pt"))
    theirs = best.val(
        data=options["data"], split="test", imgsz=options["side"], plots=False, device=given["device"],
        project=str(asked.folder), name="tested", batch=train.batch_size,
    )  # fmt: skip
    detail = {"steps": clock.steps, "by its own measure": {"map50": theirs.box.map50, "map50_95": theirs.box.map}}
    return _result(asked, clock, _scores(asked, best, options["side"]), half, best.model, detail)


def _options(asked: Asked) -> dict[str, Any]:
    model: Any = asked.config.model
    data: Any = asked.config.data
    return {"side": model.image_size, "data": str(data.path)}


def _architecture(asked: Asked) -> Path:
    """Return the path of the architecture's YAML as Graft builds it, with only the one-to-many head."""
    import yaml

    from plugins.detection.yolo.network import architecture_for

    options: Any = asked.config.model
    labels = len(asked.splits.labels)
    plan = dict(architecture_for(options.version, options.size, options.depth, options.width, labels).plan)
    plan.pop("graft_name")
    path = asked.folder / f"yolo{options.version}{options.size}.yaml"
    path.write_text(yaml.safe_dump(plan | {"nc": labels, "end2end": False}), encoding="utf-8")
    return path


def _result(
    asked: Asked, clock: Clock, scores: dict[str, float], half: bool, network: Any, detail: dict[str, Any]
) -> Result:
    """Return the measurements; only complete trainings have scores."""
    batch = asked.config.train.batch_size
    parameters = [each for name, each in network.named_parameters() if ".dfl." not in name]
    total = sum(each.numel() for each in parameters)
    return Result(
        train_seconds=round(clock.seconds, 4),
        examples=_seen(clock.steps, batch, len(asked.splits.train)),
        scores=scores,
        parameters={"total": total, "trainable": total},
        precision="bf16" if half else "fp32",
        data_wait_seconds=round(clock.waited, 4),
        detail=detail | {"settings": dict(asked.settings)},
    )


def _seen(steps: int, batch: int, examples: int) -> int:
    """Return the number of training examples in these steps; the last batch of an epoch may be smaller."""
    epochs, rest = divmod(steps, -(-examples // batch))
    return epochs * examples + min(rest * batch, examples)


def _scores(asked: Asked, model: Any, side: int) -> dict[str, float]:
    """Return Graft's scores of the test split, from boxes that Ultralytics predicts with Graft's limits."""
    import numpy as np

    from core.images import open_image
    from core.registry import load_registry
    from core.tasks import Detections
    from plugins.metrics.detection import MeanAveragePrecision

    options: Any = asked.config.model
    test: Sequence[Any] = asked.splits.test
    found = []
    for example in test:
        pixels = np.ascontiguousarray(np.asarray(open_image(example.image))[..., ::-1])
        (each,) = model.predict(
            pixels, imgsz=side, rect=False, conf=options.score_threshold, iou=options.nms_threshold,
            max_det=options.max_detections, verbose=False, save=False,
        )  # fmt: skip
        rows = each.boxes.data.cpu().numpy().astype(np.float32)
        found.append(Detections(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64)))
    scores, output = {}, load_registry().output(asked.config.task, asked.splits.labels)
    for key, overlaps in (("map50", "50"), ("map50_95", "50-95")):
        metric = MeanAveragePrecision(iou=overlaps).build(output)
        metric.update(found, [example.target for example in test])
        scores[key] = float(metric.compute())
    return scores


if __name__ == "__main__":
    main(work)
