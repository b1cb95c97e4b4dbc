"""FCOS on disk: safetensors with torchvision's names, and a configuration from which its network is built again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import thresholds
from core.errors import Problem, WeightsError
from plugins.detection.fcos_network import Architecture
from plugins.detection.views import GREY

if TYPE_CHECKING:
    from torch import Tensor, nn

    from plugins.detection.fcos import FcosModel

WEIGHTS, CONFIG = "model.safetensors", "config.json"


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


def save(model: FcosModel, network: nn.Module, directory: Path) -> None:
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
    text = json.dumps(_configuration(model), indent=2, ensure_ascii=False)
    (directory / CONFIG).write_text(text + "\n", encoding="utf-8")


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
            "score_thresh": options.least_score, "nms_thresh": options.nms_iou,
            "detections_per_img": options.most_objects,
        },
        "graft": {"target": task.target, "thresholds": chosen},
    }  # fmt: skip


def read(folder: Path) -> Saved:
    """What `save` wrote.

    Raises:
        WeightsError: The folder does not hold it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        architecture = Architecture(**config["network"])
        labels = tuple(str(each) for each in config["label_names"])
        return Saved(architecture, labels, int(config["image_size"]), load_file(folder / WEIGHTS))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        message = f"{folder} holds no FCOS as Graft saves it ({CONFIG}, {WEIGHTS}): {reason}"
        cure = "Pass the model/ folder of a run with this model, or a .pth file of torchvision's."
        raise WeightsError(Problem("model.checkpoint", message, cure)) from error
