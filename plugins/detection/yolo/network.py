"""Build YOLO's network from an architecture of plain values, and name its parts."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from core.errors import Problem, WeightsError
from plugins.detection.yolo.ultralytics import library

_FILES = {"26": "26/yolo26.yaml", "12": "12/yolo12.yaml", "11": "11/yolo11.yaml", "8": "v8/yolov8.yaml"}
_ACTIVATION = re.compile(r"(torch\.)?nn\.[A-Z]\w*\([\w.=, -]*\)")
BRANCHES = ("cv3", "one2one_cv3")
"""The parts of the head that predict labels, one per object size."""


@dataclass(frozen=True)
class YoloArchitecture:
    """Everything that the shapes of the weights depend on, except the number of labels.

    Attributes:
        plan: Ultralytics' model YAML, as nested plain values.
        made_for: The base weights' number of labels, which the width of the head's hidden layers depends on.
    """

    plan: Mapping[str, Any]
    made_for: int

    @property
    def name(self) -> str:
        """The name, such as `yolo26n`."""
        return str(self.plan.get("graft_name", "yolo"))

    def with_heads(self, one_to_one: bool) -> YoloArchitecture:
        """Return a copy with or without the second head, which finds each object once."""
        return replace(self, plan={**self.plan, "end2end": one_to_one})


def architecture_for(
    version: str, size: str, depth: float | None, width: float | None, labels: int
) -> YoloArchitecture:
    """Return Ultralytics' architecture for a version and a size, optionally thinner or shallower."""
    import yaml

    with (library().models / _FILES[version]).open(encoding="utf-8") as file:
        plan = yaml.safe_load(file)
    scale = list(plan["scales"][size])
    scale = [scale[0] if depth is None else depth, scale[1] if width is None else width, scale[2]]
    changed = depth is not None or width is not None
    name = f"yolo{version}{size}" + ("-resized" if changed else "")
    return YoloArchitecture({**plan, "scales": {size: scale}, "scale": size, "graft_name": name}, labels)


def build(architecture: YoloArchitecture, labels: Sequence[str], seed: int) -> Any:
    """Return an `ultralytics.nn.tasks.DetectionModel` with a head for these labels and random weights from the seed.

    Raises:
        WeightsError: Ultralytics cannot build it.
    """
    plan = copy.deepcopy(dict(architecture.plan))
    _refuse_code(plan, architecture.name)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = library().tasks.DetectionModel(plan, nc=architecture.made_for, verbose=False)
            if len(labels) != architecture.made_for:
                _relabel(network, len(labels))
    except (RuntimeError, ValueError, KeyError, TypeError, ZeroDivisionError, AssertionError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        message = f"Ultralytics cannot build {architecture.name}: {reason}"
        raise WeightsError(Problem("model", message, "Check model.version, size, width and depth.")) from error
    network.names = dict(enumerate(labels))
    return network


def _refuse_code(plan: Mapping[str, Any], name: str) -> None:
    """Refuse an architecture that could run code: Ultralytics evaluates its activation as Python.

    Raises:
        WeightsError: It names something that is not a layer, or its activation is not a plain call of one.
    """
    activation = plan.get("activation")
    wrong = None if activation is None or _ACTIVATION.fullmatch(str(activation)) else activation
    for row in [*plan.get("backbone", ()), *plan.get("head", ())]:
        kind = str(row[2])
        place, _, last = kind.rpartition(".")
        found = getattr(nn if place == "nn" else library().tasks if not place else None, last, None)
        if not (isinstance(found, type) and issubclass(found, nn.Module)):
            wrong = kind
    if wrong is not None:
        message = f"the architecture of {name} names {wrong!r}, which is not a layer of a network."
        raise WeightsError(Problem("model.checkpoint", message, "Use a checkpoint whose source you trust."))


def _relabel(network: Any, labels: int) -> None:
    """Change the number of labels of the head. Its hidden layers keep their width."""
    head = network.model[-1]
    for branch in BRANCHES:
        for level in getattr(head, branch, None) or ():
            level[-1] = nn.Conv2d(level[-1].in_channels, labels, 1)
    head.nc, head.no = labels, labels + 4 * head.reg_max
    network.yaml["nc"] = labels
    head.bias_init()


def prepare_for_training(network: Any) -> None:
    """Prepare a network for Graft's loop: a constant becomes a buffer, and anchors are not cached between passes.

    The bins of the distances are a frozen parameter in Ultralytics; as a buffer, no method can unfreeze them. Anchors
    cached during evaluation are tensors of inference mode, which training cannot use.
    """
    head = network.model[-1]
    convolution = getattr(head.dfl, "conv", None)
    if convolution is not None:
        bins = convolution.weight.detach()
        del convolution.weight
        convolution.register_buffer("weight", bins)
    head.dynamic = True


def head_of(network: Any) -> str:
    """Return the name of the head."""
    return f"model.{len(network.model) - 1}"


def layers_of(network: Any) -> tuple[tuple[str, ...], ...]:
    """Return parameter names by depth, the head's last."""
    named = (
        tuple(f"model.{number}.{name}" for name, _ in block.named_parameters())
        for number, block in enumerate(network.model)
    )
    return tuple(names for names in named if names)


def adapter_targets_of(network: Any) -> tuple[str, ...]:
    """Return full names of ungrouped convolutions and linear layers outside the head, except the first convolution."""
    head = head_of(network) + "."

    def fits(name: str, layer: nn.Module) -> bool:
        adaptable = isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)
        return adaptable and not name.startswith((head, "model.0."))

    return tuple(name for name, layer in network.named_modules() if fits(name, layer))
