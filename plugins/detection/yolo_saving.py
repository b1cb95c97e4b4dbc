"""YOLO on disk: safetensors and YAML that Graft reads back, and an export that `ultralytics.YOLO` opens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml

from core import thresholds
from plugins.detection import network as parts
from plugins.detection import saved
from plugins.detection.library import library
from plugins.detection.network import Architecture
from plugins.detection.saved import CONFIG, WEIGHTS, Saved, write
from plugins.detection.views import GREY

if TYPE_CHECKING:
    from torch import Tensor, nn

    from plugins.detection.yolo import YoloModel

PLAN, EXPORT = "model.yaml", "yolo.pt"


def save(model: YoloModel, network: nn.Module, directory: Path) -> None:
    """Write a model to a folder.

    Args:
        model: What is known of it.
        network: Its network, unwrapped.
        directory: The folder, made if it is not there.
    """
    state = write(network, _configuration(model), directory)
    names = dict(enumerate(model.need.labels))
    plan = {**model.architecture.plan, "nc": len(names), "names": names}
    (directory / PLAN).write_text(yaml.safe_dump(plan, sort_keys=False, allow_unicode=True), encoding="utf-8")
    _export(model, state, directory / EXPORT)


def _configuration(model: YoloModel) -> dict[str, Any]:
    options, task = model.options, model.need.task
    chosen = thresholds.to_json(model.thresholds, model.need.labels, task.target)
    return {
        "architecture": model.architecture.name,
        "made_for": model.architecture.made_for,
        "library": f"ultralytics {library().version}",
        "label_names": list(model.need.labels),
        "image_size": model.side,
        "preprocessing": {"letterbox": "square, centred", "padding": GREY, "interpolation": "linear", "scale": 1 / 255},
        "predict": {
            "imgsz": model.side, "rect": False, "conf": options.score_threshold, "iou": options.nms_threshold,
            "max_det": options.max_detections, "nms": not options.one_to_one,
        },
        "graft": {"target": task.target, "thresholds": chosen},
    }  # fmt: skip


def _export(model: YoloModel, state: Mapping[str, Tensor], path: Path) -> None:
    """A checkpoint as Ultralytics' trainer writes them, in float32, so that it predicts what Graft does."""
    exported = parts.build(model.architecture, model.need.labels, seed=0)
    exported.load_state_dict(state)
    arguments = {"task": "detect", "mode": "train", "imgsz": model.side, "rect": False, "model": PLAN, "data": None}
    exported.args, exported.task = arguments, "detect"
    exported.end2end = model.options.one_to_one
    exported.eval().requires_grad_(False)
    checkpoint = {
        "epoch": -1,
        "best_fitness": None,
        "model": exported,
        "ema": None,
        "updates": None,
        "optimizer": None,
        "train_args": arguments,
        "version": library().version,
        "license": "AGPL-3.0 (https://ultralytics.com/license)",
    }
    torch.save(checkpoint, path)


def read(folder: Path) -> Saved[Architecture]:
    """What `save` wrote.

    Raises:
        WeightsError: The folder does not hold it.
    """

    def architecture(config: Mapping[str, Any]) -> Architecture:
        plan = yaml.safe_load((folder / PLAN).read_text(encoding="utf-8"))
        return Architecture(plan, int(config["made_for"]))

    what = f"YOLO as Graft saves it ({CONFIG}, {PLAN}, {WEIGHTS})"
    cure = "Pass the model/ folder of a run of Graft's, or a .pt file of Ultralytics' with model.trust=true."
    return saved.read(folder, architecture, what, cure)
