"""Layers by depth: train only the last ones, or give each depth its own learning rate."""

from __future__ import annotations

from torch import nn

from core.contracts import LoadedModel, ParamGroup
from core.errors import ConfigError, Problem
from core.runtime import unwrap
from plugins.methods.freezing import freeze_all_but

_COMPILED = "_orig_mod."


def layers_by_depth(model: LoadedModel) -> tuple[tuple[str, ...], ...]:
    """Return parameter names by depth, from the input to the head.

    These are the model's `layers`, except that a layer of norms alone is joined to the layer before it.

    Raises:
        ConfigError: The model does not declare its `layers`.
    """
    if len(model.layers) < 2:
        message = f"{type(model.module).__name__} does not declare which parameters are at which depth (`layers`)."
        raise ConfigError(Problem("method", message, "Use method=lora, or method=full without layer_decay."))
    sizes = {name: parameter.ndim for name, parameter in _parameters(model.module).items()}
    *body, last = model.layers
    found: list[tuple[str, ...]] = []
    for names in body:
        if found and all(sizes[name] <= 1 for name in names):
            found[-1] += names
        else:
            found.append(names)
    return (*found, last)


def freeze_before(model: LoadedModel, count: int) -> LoadedModel:
    """Freeze everything but the last layers and the head.

    Args:
        model: A model that declares `layers`.
        count: Number of layers to train besides the head's.

    Raises:
        ConfigError: The model has fewer layers.
    """
    *body, last = layers_by_depth(model)
    if count > len(body):
        message = f"{count} layers were requested, but the model has {len(body)} before its head."
        raise ConfigError(Problem("method.layers", message, f"Use at most {len(body)}, or method=full."))
    freeze_all_but(model.module, model.heads)
    parameters = _parameters(model.module)
    placed = {name for names in (*body, last) for name in names}
    strays = [name for name in parameters if name not in placed] if count == len(body) else []
    for name in [name for names in (*body[-count:], last) for name in names] + strays:
        parameters[name].requires_grad_(True)
    return model


def decayed_groups(model: LoadedModel, lr: float, decay: float) -> list[ParamGroup] | None:
    """Return the trained parameters by depth with their learning rates, or None if all have the same rate.

    The head has the rate `lr`. Each earlier layer has `decay` times the rate of the layer after it, as in ELECTRA
    (Clark et al. 2020, arXiv:2003.10555, appendix A), after Howard and Ruder's discriminative fine-tuning (2018,
    arXiv:1801.06146). Parameters in no layer are put into the first.

    Args:
        model: A model that declares `layers`.
        lr: Learning rate of the head.
        decay: Ratio of successive rates, above 0, at most 1.
    """
    if decay == 1:
        return None
    layers = layers_by_depth(model)
    distance = {name: len(layers) - 1 - depth for depth, names in enumerate(layers) for name in names}
    groups: dict[int, list[str]] = {}
    for name, parameter in unwrap(model.module).named_parameters():
        if parameter.requires_grad:
            groups.setdefault(distance.get(name.removeprefix(_COMPILED), len(layers) - 1), []).append(name)
    return [ParamGroup(groups[each], lr * decay**each) for each in sorted(groups)]


def _parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    return {name.removeprefix(_COMPILED): parameter for name, parameter in unwrap(module).named_parameters()}
