"""Find torchvision's published weights in torch's cache, or download them into it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.errors import Problem, WeightsError
from core.pretrained import sha256_of, unreachable
from plugins.detection.fcos.options import COCO

NAMES = {
    (COCO, "resnet50"): "FCOS_ResNet50_FPN_Weights.COCO_V1",
    ("imagenet", "resnet18"): "ResNet18_Weights.IMAGENET1K_V1",
    ("imagenet", "resnet34"): "ResNet34_Weights.IMAGENET1K_V1",
    ("imagenet", "resnet50"): "ResNet50_Weights.IMAGENET1K_V1",
}
"""torchvision's file names, by the requested weights and the residual network."""
_PREFIX = re.compile(r"-([0-9a-f]{8,})\.pth$")
"""The first digits of a file's SHA-256, which its name contains."""


@dataclass(frozen=True)
class PublishedWeights:
    """A weights file, or the reason why there is none.

    Attributes:
        path: The file; None if it is not available.
        source: Where it was found.
        why: Why it is not available.
        cure: How to make it available.
    """

    path: Path | None
    source: str = ""
    why: str = ""
    cure: str = ""


def find(asked: str, variant: str, sha256: str = "") -> PublishedWeights:
    """Find weights on this machine, or download them.

    Args:
        asked: `coco` or `imagenet`.
        variant: The residual network.
        sha256: Required SHA-256 of the file; if empty, the one in its name.

    Raises:
        WeightsError: The download failed, or the file's hash differs.
    """
    import torch
    from torchvision.models import get_weight

    address = str(get_weight(NAMES[asked, variant]).url)
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlsplit(address).path).name
    if path.is_file():
        _check_name(path)
        return PublishedWeights(path, "torch's cache")
    server = "{0.scheme}://{0.netloc}".format(urlsplit(address))
    if reason := unreachable(server, "torchvision's server"):
        cure = f"On a machine with a network, download {address}; then copy it into {path.parent}, or pass its path as "
        cure += "model.checkpoint. Without pretrained weights: model.init=scratch."
        return PublishedWeights(
            None, why=f"{path.name} is not in torch's cache ({path.parent}), and {reason}.", cure=cure
        )
    return PublishedWeights(_fetched(address, path, sha256), server)


def _fetched(address: str, path: Path, sha256: str) -> Path:
    import torch

    found = _PREFIX.search(path.name)
    prefix = sha256 or (found.group(1) if found else None)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(address, str(path), hash_prefix=prefix, progress=False)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        message = f"{address} could not be downloaded: {reason}"
        raise WeightsError(Problem("model.checkpoint", message, "Try again, or model.init=scratch.")) from error
    return path


def _check_name(path: Path) -> None:
    """Refuse a file whose hash differs from the one in its name, such as a truncated file."""
    found = _PREFIX.search(path.name)
    if found and not sha256_of(path).startswith(found.group(1)):
        message = f"{path} is damaged: its SHA-256 does not begin with {found.group(1)}, which its name requires."
        raise WeightsError(Problem("model.checkpoint", message, "Delete it, so that it is downloaded again."))


def read(path: Path) -> Mapping[str, Any]:
    """Return the weights in a file by name. Only tensors are unpickled, so no code in the file runs.

    Raises:
        WeightsError: The file contains anything else, or is damaged.
    """
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling can raise any error
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        message = f"{path} cannot be read as torchvision weights: {reason}"
        raise WeightsError(Problem("model.checkpoint", message, "Check that the file is complete.")) from error
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        message = f"{path} does not contain weights by name (a `state_dict`)."
        raise WeightsError(Problem("model.checkpoint", message, "Use one of torchvision's weights files."))
    return state
