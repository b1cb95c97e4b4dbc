"""Save and read a detector: weights as safetensors, and the configuration to rebuild it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import yaml

from core.errors import Problem, WeightsError

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS, CONFIG = "model.safetensors", "config.json"
Thresholds = tuple[float, ...] | None
"""The minimum score of an object, for each label."""
A = TypeVar("A")
"""The type of a detector's architecture."""


@dataclass(frozen=True)
class SavedDetector(Generic[A]):
    """The contents of a folder that `write` wrote.

    Attributes:
        architecture: The network's architecture.
        labels: Label names, in order.
        side: Side of the squares that the network reads, in pixels.
        state: The network's weights.
    """

    architecture: A
    labels: tuple[str, ...]
    side: int
    state: Mapping[str, Tensor]


def write(network: nn.Module, configuration: Mapping[str, Any], directory: Path) -> dict[str, Tensor]:
    """Write a detector to a folder; return its weights as written.

    Args:
        network: The unwrapped network.
        configuration: The contents of config.json, including `label_names` and `image_size`.
        directory: The folder, created if missing.
    """
    from safetensors.torch import save_file

    directory.mkdir(parents=True, exist_ok=True)
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    save_file(state, directory / WEIGHTS, {"format": "pt"})
    text = json.dumps(configuration, indent=2, ensure_ascii=False)
    (directory / CONFIG).write_text(text + "\n", encoding="utf-8")
    return state


def read(folder: Path, architecture: Callable[[Mapping[str, Any]], A], what: str, cure: str) -> SavedDetector[A]:
    """Read a folder that `write` wrote.

    Args:
        folder: The folder.
        architecture: Maps the configuration to an architecture.
        what: The folder's content in words, such as `YOLO as Graft saves it (…)`.
        cure: What to pass instead.

    Raises:
        WeightsError: The folder does not contain such a detector.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        labels = tuple(str(each) for each in config["label_names"])
        return SavedDetector(architecture(config), labels, int(config["image_size"]), load_file(folder / WEIGHTS))
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        message = f"{folder} does not contain {what}: {reason}"
        raise WeightsError(Problem("model.checkpoint", message, cure)) from error
