"""Which modules an adapter is put on: the given ones or the family default, and none that peft would get wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import nn
from torch.nn.modules.conv import _ConvNd

from core.contracts import LoadedModel
from core.errors import ConfigError, Problem, nearest
from plugins.methods.layer_kinds import CONVOLUTION, NOTHING, TRANSPOSED

_PLAIN = (nn.Conv1d.forward, nn.Conv2d.forward, nn.Conv3d.forward)
_SHOWN = 5
_UPDATES = (".lora_B.", ".lora_E.", ".ia3_l.", ".vera_lambda_b.", ".oft_R.", ".hada_w1_a.", ".lokr_w1")
"""One parameter of each update of peft's, as it is called in the middle of a name."""
_CALLED = {CONVOLUTION: "is a convolution", TRANSPOSED: "is a linear layer whose weights lie transposed"}
_OWN = {CONVOLUTION: "convolutions", TRANSPOSED: "linear layers whose weights lie transposed"}


def chosen(model: LoadedModel, asked: Sequence[str] | None, unfit: Mapping[str, str] = NOTHING) -> list[str]:
    """Return name endings of the modules to adapt.

    Args:
        model: Not wrapped yet.
        asked: Ends of names that a person gave; None for the family's own, less what cannot be adapted.
        unfit: Kinds of layers that the method cannot adapt, each with the reason as a clause.

    Raises:
        ConfigError: A name fits nothing, or something that cannot be adapted; or the family has nothing to adapt.
    """
    modules = dict(model.module.named_modules())
    if asked is not None:
        problems = [problem for end in asked if (problem := _problem(model, modules, end, unfit)) is not None]
        if problems or not asked:
            raise ConfigError(*(problems or [_empty("names no module to adapt.")]))
        return list(asked)
    own = [name for end in model.adapter_targets for name in matching(modules, end)]
    fit = [name for name in own if not unsuited(modules, name, unfit)]
    for kind, reason in unfit.items():
        if not fit and any(_kind(modules[name]) == kind for name in own):
            message = f"{reason}, and this model's own targets are {_OWN[kind]}."
            cure = "Use method=lora method.init=default, which adapts them too."
            raise ConfigError(Problem("method", message, cure))
    if not fit:
        raise ConfigError(_empty("is null, and this model has no modules of its own to adapt."))
    return list(model.adapter_targets) if len(fit) == len(own) else fit


def _kind(layer: nn.Module) -> str:
    """Return the kind of a layer that only some methods adapt; empty for a plain linear layer."""
    if isinstance(layer, _ConvNd):
        return CONVOLUTION
    return TRANSPOSED if type(layer).__name__ == "Conv1D" else ""  # transformers', for GPT-2


def unsuited(modules: dict[str, nn.Module], name: str, unfit: Mapping[str, str] = NOTHING) -> str:
    """Return why peft's update of a module would be wrong or not mergeable, as a clause; empty if it is fine."""
    layer = modules[name]
    if isinstance(modules.get(name.rpartition(".")[0]), nn.MultiheadAttention):
        return "is computed inside torch's MultiheadAttention, which would pass an update by"
    if reason := unfit.get(_kind(layer)):
        return f"{_CALLED[_kind(layer)]}, and {reason}"
    if not isinstance(layer, _ConvNd):
        return ""
    if layer.groups > 1:
        what = "depthwise" if layer.groups == layer.in_channels else "grouped"
        return f"is a {what} convolution ({layer.groups} groups), whose update could not be merged"
    if any(step != 1 for step in layer.dilation) or layer.padding_mode != "zeros":
        return "is a convolution with dilation or padding that peft's update does not repeat"
    if type(layer).forward not in _PLAIN:
        return f"is a {type(layer).__name__}, which makes its weights or its padding anew in each pass"
    return ""


def matching(modules: Iterable[str], end: str) -> list[str]:
    """Return the names that peft takes an ending to mean."""
    return [name for name in modules if name == end or name.endswith(f".{end}")]


def _problem(model: LoadedModel, modules: dict[str, nn.Module], end: str, unfit: Mapping[str, str]) -> Problem | None:
    """Return what is wrong with one given target."""
    heads = tuple(f"{head}." for head in model.heads)
    found = [name for name in matching(modules, end) if not f"{name}.".startswith(heads)]
    own = ends(model.adapter_targets)
    cure = f"The family's own targets: {', '.join(own)}." if own else ""
    if not found:
        what = f"{end!r} names no module outside the head."
        close = nearest(end, own)
        return Problem("method.targets", what, (f"Did you mean {close!r}? " if close else "") + cure)
    for name in found:
        if reason := unsuited(modules, name, unfit):
            return Problem("method.targets", f"{end!r} names {name}, which {reason}.", cure)
    return None


def ends(names: Iterable[str]) -> list[str]:
    """Names without what is before the last number in them, each once: `blocks.3.attn.qkv` is `attn.qkv`."""
    found: dict[str, None] = {}
    for name in names:
        parts = name.split(".")
        numbers = [place for place, part in enumerate(parts[:-1]) if part.isdigit()]
        found.setdefault(".".join(parts[numbers[-1] + 1 if numbers else 0 :]))
    return list(found)


def refuse_unused(parameters: Iterable[tuple[str, nn.Parameter]]) -> None:
    """Refuse updates of modules that the network never calls: it computes with their weights in its own way.

    Such an update gets no gradient. An end of which any module got one passes: experts and dropped layers wait their
    turn.

    Args:
        parameters: Named, between the first backward pass and the clearing of gradients.

    Raises:
        ConfigError: There are such updates.
    """
    used: dict[str, bool] = {}
    for name, parameter in parameters:
        module = next((name.partition(mark)[0] for mark in _UPDATES if mark in name), "")
        if module:
            (end,) = ends([module.removeprefix("_orig_mod.").removeprefix("base_model.model.")])
            used[end] = used.get(end, False) or parameter.grad is not None
    idle, working = ([end for end in used if used[end] == wanted] for wanted in (False, True))
    if idle:
        message = (
            f"the network never calls {', '.join(idle[:_SHOWN])} by itself, so that updates of it would do nothing."
        )
        raise ConfigError(
            Problem("method.targets", message, f"method.targets=[{','.join(working)}]" if working else "Name others.")
        )


def _empty(message: str) -> Problem:
    return Problem("method.targets", message, "Name some: method.targets=[attn.qkv,attn.proj].")
