"""Functions on torch modules: unwrapping, training mode, trainable weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def unwrap(module: nn.Module) -> nn.Module:
    """Return the module without wrappers: DDP, FSDP, `torch.compile`, accelerate's precision wrapper."""
    if not hasattr(module, "module") and not hasattr(module, "_orig_mod") and not hasattr(module, "_original_forward"):
        return module
    from accelerate.utils import extract_model_from_parallel

    unwrapped: nn.Module = extract_model_from_parallel(module, keep_fp32_wrapper=False)
    return unwrapped


def training_mode(module: nn.Module) -> None:
    """Put a module into training mode, except batch norms whose weights are frozen.

    Otherwise their running statistics would drift from the pretrained ones.
    """
    module.train()
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            parameters = list(layer.parameters(recurse=False))
            if parameters and not any(parameter.requires_grad for parameter in parameters):
                layer.eval()


def trainable_state(module: nn.Module) -> dict[str, Tensor]:
    """Return all tensors that training changes, by name: trainable parameters, and buffers such as running means."""
    state = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
    return state | {name: buffer.detach() for name, buffer in module.named_buffers()}


def load_trainable(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy tensors that `trainable_state` returned into the module, in place."""
    tensors = trainable_state(module)
    with torch.no_grad():
        for name, value in state.items():
            tensors[name].copy_(value)
