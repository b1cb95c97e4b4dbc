"""Save and read YOLO: safetensors and YAML for Graft, and an export for `ultralytics.YOLO`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml

from core.contracts import LoadRequest
from plugins.detection import saving
from plugins.detection.letterbox import GRAY
from plugins.detection.saving import CONFIG, WEIGHTS, SavedDetector, Thresholds, write
from plugins.detection.yolo import network as parts
from plugins.detection.yolo.network import YoloArchitecture
from plugins.detection.yolo.options import YoloOptions
from plugins.detection.yolo.ultralytics import library

if TYPE_CHECKING:
    from torch import nn

PLAN, EXPORT = "model.yaml", "yolo.pt"


def save(
    network: nn.Module,
    directory: Path,
    *,
    architecture: YoloArchitecture,
    options: YoloOptions,
    request: LoadRequest,
    side: int,
    thresholds: Thresholds,
) -> None:
    """Write a model to a folder.

    Args:
        network: The unwrapped network.
        directory: The folder, created if missing.
        architecture: The architecture it was built from.
        options: The component that loaded it.
        request: The load request, with task and labels.
        side: Side of the squares that the network reads, in pixels.
        thresholds: Thresholds chosen on validation, or None.
    """
    chosen = request.output.name_thresholds(thresholds)
    configuration = {
        "architecture": architecture.name,
        "made_for": architecture.made_for,
        "library": f"ultralytics {library().version}",
        "label_names": list(request.labels),
        "image_size": side,
        "preprocessing": {
            "letterbox": "square, centered", "padding": GRAY, "interpolation": "linear", "scale": 1 / 255,
        },
        "predict": {
            "imgsz": side, "rect": False, "conf": options.score_threshold, "iou": options.nms_threshold,
            "max_det": options.max_detections, "nms": not options.one_to_one,
        },
        "graft": {"target": request.task.target, "thresholds": chosen},
    }  # fmt: skip
    state = write(network, configuration, directory)
    names = dict(enumerate(request.labels))
    plan = {**architecture.plan, "nc": len(names), "names": names}
    (directory / PLAN).write_text(yaml.safe_dump(plan, sort_keys=False, allow_unicode=True), encoding="utf-8")
    exported = parts.build(architecture, request.labels, seed=0)
    exported.load_state_dict(state)
    _export(exported, side, options.one_to_one, directory / EXPORT)


def _export(exported: Any, side: int, one_to_one: bool, path: Path) -> None:
    """Write a checkpoint in Ultralytics' format, in float32, so that its predictions equal Graft's."""
    arguments = {"task": "detect", "mode": "train", "imgsz": side, "rect": False, "model": PLAN, "data": None}
    exported.args, exported.task = arguments, "detect"
    exported.end2end = one_to_one
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


def read(folder: Path) -> SavedDetector[YoloArchitecture]:
    """Read a folder that `save` wrote.

    Raises:
        WeightsError: The folder does not contain such a model.
    """

    def architecture(config: Mapping[str, Any]) -> YoloArchitecture:
        plan = yaml.safe_load((folder / PLAN).read_text(encoding="utf-8"))
        return YoloArchitecture(plan, int(config["made_for"]))

    what = f"YOLO as Graft saves it ({CONFIG}, {PLAN}, {WEIGHTS})"
    cure = "Pass the model/ folder of a run of Graft, or a .pt file from Ultralytics with model.trust=true."
    return saving.read(folder, architecture, what, cure)
