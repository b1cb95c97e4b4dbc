"""Freeze all parameters except the head's or the biases."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from core.contracts import LoadedModel
from core.errors import ConfigError, Problem


def freeze_all_but(module: nn.Module, heads: Sequence[str]) -> None:
    """Freeze all parameters outside the named submodules.

    Raises:
        ConfigError: The submodules have no parameters.
    """
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    trained = [parameter for head in heads for parameter in module.get_submodule(head).parameters()]
    if not trained:
        raise ConfigError(Problem("method", f"the model declares no head with parameters (heads: {', '.join(heads)})."))
    for parameter in trained:
        parameter.requires_grad_(True)


def free_biases(model: LoadedModel) -> LoadedModel:
    """Freeze everything but the head and the biases, and return the model.

    Raises:
        ConfigError: No module outside the head has a bias.
    """
    freeze_all_but(model.module, model.heads)
    within = tuple(f"{head}." for head in model.heads)
    named = [(name, each) for name, each in model.module.named_parameters() if name.rpartition(".")[2] == "bias"]
    if all(name.startswith(within) for name, _ in named):
        raise ConfigError(Problem("method", "no module of this model outside its head has a bias.", "Use method=lora."))
    for _, bias in named:
        bias.requires_grad_(True)
    return model
