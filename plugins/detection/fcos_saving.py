"""FCOS on disk: safetensors with torchvision's names, and a configuration from which its network is built again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import thresholds
from plugins.detection import saved
from plugins.detection.fcos_network import Architecture
from plugins.detection.saved import CONFIG, WEIGHTS, Saved, write
from plugins.detection.views import GREY

if TYPE_CHECKING:
    from torch import nn

    from plugins.detection.fcos import FcosModel


def save(model: FcosModel, network: nn.Module, directory: Path) -> None:
    """Write a model to a folder.

    Args:
        model: What is known of it.
        network: Its network, unwrapped.
        directory: The folder, made if it is not there.
    """
    write(network, _configuration(model), directory)


def _configuration(model: FcosModel) -> dict[str, Any]:
    from torchvision import __version__ as version

    from plugins.detection.fcos import MEAN, STD

    options, task = model.options, model.need.task
    chosen = thresholds.to_json(model.thresholds, model.need.labels, task.target)
    return {
        "architecture": model.architecture.name,
        "network": asdict(model.architecture),
        "library": f"torchvision {version}",
        "label_names": list(model.need.labels),
        "image_size": model.side,
        "preprocessing": {
            "letterbox": "square, centred", "padding": GREY, "interpolation": "bilinear", "mean": MEAN, "std": STD,
        },
        "predict": {
            "score_thresh": options.score_threshold, "nms_thresh": options.nms_threshold,
            "detections_per_img": options.max_detections,
        },
        "graft": {"target": task.target, "thresholds": chosen},
    }  # fmt: skip


def read(folder: Path) -> Saved[Architecture]:
    """What `save` wrote.

    Raises:
        WeightsError: The folder does not hold it.
    """
    what = f"FCOS as Graft saves it ({CONFIG}, {WEIGHTS})"
    cure = "Pass the model/ folder of a run with this model, or a .pth file of torchvision's."
    return saved.read(folder, lambda config: Architecture(**config["network"]), what, cure)
