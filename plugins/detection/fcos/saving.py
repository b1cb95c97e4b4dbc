"""Save and read FCOS: safetensors with torchvision's names, and a configuration to rebuild the network."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from core.contracts import LoadRequest
from plugins.detection import saving
from plugins.detection.fcos.network import MEAN, STD, FcosArchitecture
from plugins.detection.fcos.options import FcosOptions
from plugins.detection.letterbox import GRAY
from plugins.detection.saving import CONFIG, WEIGHTS, SavedDetector, Thresholds, write

if TYPE_CHECKING:
    from torch import nn


def save(
    network: nn.Module,
    directory: Path,
    *,
    architecture: FcosArchitecture,
    options: FcosOptions,
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
    from torchvision import __version__ as version

    chosen = request.output.name_thresholds(thresholds)
    configuration = {
        "architecture": architecture.name,
        "network": asdict(architecture),
        "library": f"torchvision {version}",
        "label_names": list(request.labels),
        "image_size": side,
        "preprocessing": {
            "letterbox": "square, centered", "padding": GRAY, "interpolation": "bilinear", "mean": MEAN, "std": STD,
        },
        "predict": {
            "score_thresh": options.score_threshold, "nms_thresh": options.nms_threshold,
            "detections_per_img": options.max_detections,
        },
        "graft": {"target": request.task.target, "thresholds": chosen},
    }  # fmt: skip
    write(network, configuration, directory)


def read(folder: Path) -> SavedDetector[FcosArchitecture]:
    """Read a folder that `save` wrote.

    Raises:
        WeightsError: The folder does not contain such a model.
    """
    what = f"FCOS as Graft saves it ({CONFIG}, {WEIGHTS})"
    cure = "Pass the model/ folder of a run with this model, or a .pth file from torchvision."
    return saving.read(folder, lambda config: FcosArchitecture(**config["network"]), what, cure)
