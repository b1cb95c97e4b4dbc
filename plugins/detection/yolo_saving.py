"""YOLO on disk: safetensors and YAML that Graft reads back, and an export that `ultralytics.YOLO` opens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml

from core import thresholds
from core.errors import Problem, WeightsError
from plugins.detection import network as parts
from plugins.detection.library import library
from plugins.detection.network import Architecture
from plugins.detection.views import GREY

if TYPE_CHECKING:
    from torch import Tensor, nn

    from plugins.detection.yolo import YoloModel

WEIGHTS, PLAN, CONFIG, EXPORT = "model.safetensors", "model.yaml", "config.json", "yolo.pt"


@dataclass(frozen=True)
class Saved:
    """What a folder holds that `save` wrote.

    Attributes:
        architecture: Of the network.
        labels: The labels' names, in order.
        side: The size of the squares that the network reads.
        state: Its weights.
    """

    architecture: Architecture
    labels: tuple[str, ...]
    side: int
    state: Mapping[str, Tensor]


def save(model: YoloModel, network: nn.Module, directory: Path) -> None:
    """Write a model to a folder.

    Args:
        model: What is known of it.
        network: Its network, unwrapped.
        directory: The folder, made if it is not there.
    """
    from safetensors.torch import save_file

    directory.mkdir(parents=True, exist_ok=True)
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    save_file(state, directory / WEIGHTS, {"format": "pt"})
    names = dict(enumerate(model.need.labels))
    plan = {**model.architecture.plan, "nc": len(names), "names": names}
    (directory / PLAN).write_text(yaml.safe_dump(plan, sort_keys=False, allow_unicode=True), encoding="utf-8")
    text = json.dumps(_configuration(model), indent=2, ensure_ascii=False)
    (directory / CONFIG).write_text(text + "\n", encoding="utf-8")
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
            "imgsz": model.side, "rect": False, "conf": options.least_score, "iou": options.nms_iou,
            "max_det": options.most_objects, "nms": not options.one_to_one,
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


def read(folder: Path) -> Saved:
    """What `save` wrote.

    Raises:
        WeightsError: The folder does not hold it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        plan = yaml.safe_load((folder / PLAN).read_text(encoding="utf-8"))
        architecture = Architecture(plan, int(config["made_for"]))
        labels = tuple(str(each) for each in config["label_names"])
        return Saved(architecture, labels, int(config["image_size"]), load_file(folder / WEIGHTS))
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        message = f"{folder} holds no YOLO as Graft saves it ({CONFIG}, {PLAN}, {WEIGHTS}): {reason}"
        cure = "Pass the model/ folder of a run of Graft's, or a .pt file of Ultralytics' with model.trust=true."
        raise WeightsError(Problem("model.checkpoint", message, cure)) from error
