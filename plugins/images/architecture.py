"""Facts about timm's models: head, layers by depth, adapter targets, whether backbone and head run separately."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.errors import ConfigError, Problem


def heads(module: Any) -> tuple[str, ...]:
    """Return the name or names of the classifier, as timm declares them."""
    named = module.pretrained_cfg["classifier"]
    return (named,) if isinstance(named, str) else tuple(named)


def layers(module: Any, heads: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return parameter names by depth, as in timm's layer-wise decay, the head last; empty if timm cannot tell."""
    from timm.models._manipulate import group_with_matcher

    try:
        grouped = group_with_matcher(module.named_parameters(), module.group_matcher(coarse=True))
    except (AttributeError, AssertionError):  # a few architectures do not declare them
        return ()
    head = tuple(name for name, _ in module.named_parameters() if name.startswith(tuple(f"{each}." for each in heads)))
    body = [tuple(name for name in grouped[depth] if name not in head) for depth in sorted(grouped)]
    return (*(names for names in body if names), head)


def adapter_targets(module: Any, layers: tuple[tuple[str, ...], ...], heads: tuple[str, ...]) -> tuple[str, ...]:
    """Return the full names of linear layers and ungrouped convolutions between stem and head."""
    first = module.pretrained_cfg.get("first_conv") or ()
    stem = {name.rpartition(".")[0] for name in layers[0]} if layers else set(np.atleast_1d(first).tolist())

    def fits(name: str, layer: nn.Module) -> bool:
        adaptable = isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)
        return adaptable and name not in stem and not name.startswith(heads)

    return tuple(name for name, layer in module.named_modules() if fits(name, layer))


def fuse_attention(module: nn.Module, fused: bool) -> None:
    """Choose between fused and plain attention in modules where timm offers both."""
    layer: Any
    for layer in module.modules():
        if isinstance(getattr(layer, "fused_attn", None), bool):
            layer.fused_attn = fused and hasattr(nn.functional, "scaled_dot_product_attention")


def runs_separately(module: Any, side: int, device: str) -> bool:
    """Return whether the classifier on timm's pooled features gives the network's output.

    Raises:
        ConfigError: The network cannot read images of this size.
    """
    probe = torch.linspace(-1, 1, 3 * side * side, device=device).view(1, 3, side, side)
    was = module.training
    module.eval()
    try:
        with torch.inference_mode():
            whole = _full_output(module, probe)
            features = module.forward_head(module.forward_features(probe), pre_logits=True)
            logits = module.get_classifier()(features)
    except (AttributeError, TypeError, RuntimeError, NotImplementedError):
        return False
    finally:
        module.train(was)
    return isinstance(whole, Tensor) and logits.shape == whole.shape and torch.allclose(logits, whole, atol=1e-5)


def _full_output(module: nn.Module, probe: Tensor) -> Any:
    try:
        return module(probe)
    except (RuntimeError, AssertionError, ValueError) as error:
        side, reason = probe.shape[-1], " ".join(str(error).split())[:200]
        cure = "Choose another model.image_size, such as a multiple of 32; 0 lets Graft choose."
        raise ConfigError(
            Problem("model.image_size", f"the model cannot read {side}×{side}: {reason}", cure)
        ) from error
