"""Any detector on disk: weights as safetensors, and the configuration to rebuild it."""

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
"""A score for each label, from which on an object counts."""
A = TypeVar("A")
"""What a detector is built from."""


@dataclass(frozen=True)
class Saved(Generic[A]):
    """The contents of a folder that `write` wrote.

    Attributes:
        architecture: Of the network.
        labels: The labels' names, in order.
        side: The size of the squares that the network reads, in pixels.
        state: Its weights.
    """

    architecture: A
    labels: tuple[str, ...]
    side: int
    state: Mapping[str, Tensor]


def write(network: nn.Module, configuration: Mapping[str, Any], directory: Path) -> dict[str, Tensor]:
    """Write a detector to a folder; return its weights as written.

    Args:
        network: Unwrapped.
        configuration: Holds `label_names` and `image_size` among other things.
        directory: The folder, made if it is not there.
    """
    from safetensors.torch import save_file

    directory.mkdir(parents=True, exist_ok=True)
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    save_file(state, directory / WEIGHTS, {"format": "pt"})
    text = json.dumps(configuration, indent=2, ensure_ascii=False)
    (directory / CONFIG).write_text(text + "\n", encoding="utf-8")
    return state


def read(folder: Path, architecture: Callable[[Mapping[str, Any]], A], what: str, cure: str) -> Saved[A]:
    """Read what `write` wrote.

    Args:
        folder: Where to.
        architecture: From the configuration to what the network is built from.
        what: The folder's content in words, such as `YOLO as Graft saves it (…)`.
        cure: What to give instead.

    Raises:
        WeightsError: The folder does not hold it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        labels = tuple(str(each) for each in config["label_names"])
        return Saved(architecture(config), labels, int(config["image_size"]), load_file(folder / WEIGHTS))
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        message = f"{folder} holds no {what}: {reason}"
        raise WeightsError(Problem("model.checkpoint", message, cure)) from error
