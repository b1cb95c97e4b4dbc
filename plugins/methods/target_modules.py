"""Choose the modules to adapt: the given ones or the family's defaults, without those that peft would get wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import nn
from torch.nn.modules.conv import _ConvNd
from transformers.pytorch_utils import Conv1D

from core.contracts import LoadedModel
from core.errors import ConfigError, Problem, nearest
from plugins.methods.layer_kinds import CONVOLUTION, NOTHING, TRANSPOSED

_PLAIN = (nn.Conv1d.forward, nn.Conv2d.forward, nn.Conv3d.forward)
_SHOWN = 5
_UPDATES = (".lora_B.", ".lora_E.", ".ia3_l.", ".vera_lambda_b.", ".oft_R.", ".hada_w1_a.", ".lokr_w1")
"""One parameter of each of peft's updates, as it appears in the middle of a parameter's name."""
_SINGULAR = {CONVOLUTION: "is a convolution", TRANSPOSED: "is a linear layer with transposed weights"}
_PLURAL = {CONVOLUTION: "convolutions", TRANSPOSED: "linear layers with transposed weights"}


def choose_targets(model: LoadedModel, asked: Sequence[str] | None, unfit: Mapping[str, str] = NOTHING) -> list[str]:
    """Return the name endings of the modules to adapt.

    Args:
        model: Not wrapped yet.
        asked: The configured name endings; None for the family's defaults, without what cannot be adapted.
        unfit: Types of layers that the method cannot adapt, each with the reason as a clause.

    Raises:
        ConfigError: An ending matches no module, or one that cannot be adapted; or the family has none to adapt.
    """
    modules = dict(model.module.named_modules())
    if asked is not None:
        problems = [problem for end in asked if (problem := _problem(model, modules, end, unfit)) is not None]
        if problems or not asked:
            raise ConfigError(*(problems or [_empty("names no module to adapt.")]))
        return list(asked)
    own = [name for end in model.adapter_targets for name in matching_modules(modules, end)]
    fit = [name for name in own if not why_unsuitable(modules, name, unfit)]
    for kind, reason in unfit.items():
        if not fit and any(_layer_type(modules[name]) == kind for name in own):
            message = f"{reason}, but this model's default targets are {_PLURAL[kind]}."
            cure = "Use method=lora method.init=default, which adapts them too."
            raise ConfigError(Problem("method", message, cure))
    if not fit:
        raise ConfigError(_empty("is null, and this model declares no modules to adapt."))
    return list(model.adapter_targets) if len(fit) == len(own) else fit


def _layer_type(layer: nn.Module) -> str:
    """Return the type of a layer that only some methods adapt, or an empty string."""
    if isinstance(layer, _ConvNd):
        return CONVOLUTION
    return TRANSPOSED if isinstance(layer, Conv1D) else ""


def why_unsuitable(modules: dict[str, nn.Module], name: str, unfit: Mapping[str, str] = NOTHING) -> str:
    """Return why peft's update of a module would be wrong or not mergeable, as a clause; empty if it works."""
    layer = modules[name]
    if isinstance(modules.get(name.rpartition(".")[0]), nn.MultiheadAttention):
        return "is computed inside torch's MultiheadAttention, which would ignore an update"
    if reason := unfit.get(_layer_type(layer)):
        return f"{_SINGULAR[_layer_type(layer)]}, and {reason}"
    if not isinstance(layer, _ConvNd):
        return ""
    if layer.groups > 1:
        what = "depthwise" if layer.groups == layer.in_channels else "grouped"
        return f"is a {what} convolution ({layer.groups} groups), whose update could not be merged"
    if any(step != 1 for step in layer.dilation) or layer.padding_mode != "zeros":
        return "is a convolution with dilation or padding that peft's update does not repeat"
    if type(layer).forward not in _PLAIN:
        return f"is a {type(layer).__name__}, which recomputes its weights or its padding in each pass"
    return ""


def matching_modules(modules: Iterable[str], end: str) -> list[str]:
    """Return the names that peft matches with an ending."""
    return [name for name in modules if name == end or name.endswith(f".{end}")]


def _problem(model: LoadedModel, modules: dict[str, nn.Module], end: str, unfit: Mapping[str, str]) -> Problem | None:
    """Return what is wrong with one given target."""
    heads = tuple(f"{head}." for head in model.heads)
    found = [name for name in matching_modules(modules, end) if not f"{name}.".startswith(heads)]
    own = name_endings(model.adapter_targets)
    cure = f"The family's default targets: {', '.join(own)}." if own else ""
    if not found:
        what = f"{end!r} matches no module outside the head."
        close = nearest(end, own)
        return Problem("method.targets", what, (f"Did you mean {close!r}? " if close else "") + cure)
    for name in found:
        if reason := why_unsuitable(modules, name, unfit):
            return Problem("method.targets", f"{end!r} matches {name}, which {reason}.", cure)
    return None


def name_endings(names: Iterable[str]) -> list[str]:
    """Return the distinct parts of names after their last number: `blocks.3.attn.qkv` gives `attn.qkv`."""
    found: dict[str, None] = {}
    for name in names:
        parts = name.split(".")
        numbers = [place for place, part in enumerate(parts[:-1]) if part.isdigit()]
        found.setdefault(".".join(parts[numbers[-1] + 1 if numbers else 0 :]))
    return list(found)


def refuse_unused(parameters: Iterable[tuple[str, nn.Parameter]]) -> None:
    """Refuse updates of modules that the network never calls, because it uses their weights directly.

    Such an update gets no gradient. One module with a gradient is enough for its name ending: experts and dropped
    layers are not used in every step.

    Args:
        parameters: Named parameters, after the first backward pass and before gradients are cleared.

    Raises:
        ConfigError: There are such updates.
    """
    used: dict[str, bool] = {}
    for name, parameter in parameters:
        module = next((name.partition(mark)[0] for mark in _UPDATES if mark in name), "")
        if module:
            (end,) = name_endings([module.removeprefix("_orig_mod.").removeprefix("base_model.model.")])
            used[end] = used.get(end, False) or parameter.grad is not None
    idle, working = ([end for end in used if used[end] == wanted] for wanted in (False, True))
    if idle:
        message = (
            f"the network never calls {', '.join(idle[:_SHOWN])}, so updates of these modules would have no effect."
        )
        raise ConfigError(
            Problem("method.targets", message, f"method.targets=[{','.join(working)}]" if working else "Choose others.")
        )


def _empty(message: str) -> Problem:
    return Problem("method.targets", message, "Choose some: method.targets=[attn.qkv,attn.proj].")
