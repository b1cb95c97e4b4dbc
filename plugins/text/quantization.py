"""Quantize base weights with bitsandbytes while loading: which layers, and how much memory they take."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.contracts import LoadRequest, QuantizationConfig
from core.errors import Problem, WeightsError
from core.issues import DataIssue

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
BLOCK, ROWS = 64, 32
"""4-bit kernels need inputs in multiples of `BLOCK` and outputs in multiples of `ROWS`."""
_SHOWN = 5

logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # transformers imports it; it warns about missing kernels


def compute_dtype(plan: QuantizationConfig, precision: str) -> torch.dtype:
    """Return the dtype of matrix products: the plan's, or with `auto` the run's."""
    if plan.compute_dtype != "auto":
        return DTYPES[plan.compute_dtype]
    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)


def unquantized_layers(network: Any, config: Any, heads: tuple[str, ...], bits: int) -> tuple[list[str], list[str]]:
    """Return the names of the linear layers that are not quantized.

    Args:
        network: A class of transformers.
        config: Its configuration.
        heads: Names of the submodules that form the head.
        bits: 4 or 8.

    Returns:
        The heads, and the layers whose sizes the 4-bit kernels do not support.

    Raises:
        WeightsError: Nothing would be quantized.
    """
    with torch.device("meta"):
        empty = network(config)
    inside = tuple(f"{head}." for head in heads)
    layers = {name: layer for name, layer in empty.named_modules() if is_linear(layer)}
    body = {name: layer for name, layer in layers.items() if not f"{name}.".startswith(inside)}
    odd = [name for name, layer in body.items() if bits == 4 and not _fits(layer)]
    if len(odd) == len(body):
        shape = "none" if not body else " x ".join(map(str, _shape(next(iter(body.values())))))
        message = (
            f"nothing in this model can be quantized: 4-bit layers need inputs in multiples of {BLOCK} and outputs in "
            f"multiples of {ROWS} (the first layer: {shape})."
        )
        raise WeightsError(Problem("method", message, "Use method=lora, or a model of other sizes (width 64, 128, …)."))
    return [*heads], odd


def is_linear(layer: nn.Module) -> bool:
    """Return whether a layer is linear: torch's class, or GPT-2's, whose weights are transposed."""
    from transformers.pytorch_utils import Conv1D

    return isinstance(layer, nn.Linear | Conv1D)


def _shape(layer: Any) -> tuple[int, int]:
    """Return the numbers of inputs and outputs."""
    rows, columns = layer.weight.shape
    return (columns, rows) if isinstance(layer, nn.Linear) else (rows, columns)


def _fits(layer: Any) -> bool:
    inputs, outputs = _shape(layer)
    return inputs % BLOCK == 0 and outputs % ROWS == 0


def options(plan: QuantizationConfig, request: LoadRequest, apart: Iterable[str]) -> dict[str, Any]:
    """Return the arguments of `from_pretrained`."""
    from transformers import BitsAndBytesConfig

    skipped = list(apart)
    if plan.bits == 8:
        config = BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=skipped)
    else:
        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=plan.quant_type,
            bnb_4bit_use_double_quant=plan.double_quant,
            bnb_4bit_compute_dtype=compute_dtype(plan, request.precision),
            llm_int8_skip_modules=skipped,
        )
    return {"quantization_config": config, "device_map": {"": request.device}}


def prevent_permanent_changes(module: nn.Module, dtype: torch.dtype) -> None:
    """Prevent two permanent changes that a forward pass makes to quantized layers.

    bitsandbytes casts biases to the dtype of the input. Rounding them to the dtype of the products first keeps their
    values, also when the model is reloaded. On processors with AVX512-BF16, the first evaluation pass repacks 4-bit
    weights for inference. Later training steps then have wrong or missing gradients, with only a warning.
    """
    for layer in module.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            setattr(layer, "support_avx512bf16_for_cpu", False)
        bias = layer.bias if isinstance(layer, nn.Linear) and hasattr(layer.weight, "SCB") else None
        if bias is not None:
            bias.data = bias.data.to(dtype).to(bias.dtype)


def unquantized_issue(odd: Sequence[str]) -> list[DataIssue]:
    """Return the issue about layers that are not quantized, if there are any."""
    if not odd:
        return []
    message = (
        f"{len(odd)} layers are not quantized: their sizes are not multiples of {BLOCK} (inputs) and {ROWS} (outputs)."
    )
    return [DataIssue("not_quantised", message, len(odd), tuple(odd[:_SHOWN]), level="info")]


def is_quantized(module: nn.Module) -> bool:
    """Return whether any weights of a network are quantized."""
    return any(hasattr(parameter, "quant_state") or hasattr(parameter, "SCB") for parameter in module.parameters())


def coarsest_precision(module: nn.Module) -> str:
    """Return the coarsest precision of a network's weights and of the products of its quantized layers."""
    dtypes = {parameter.dtype for parameter in module.parameters()}
    dtypes |= {getattr(layer, "compute_dtype", torch.float32) for layer in module.modules()}
    return "bf16" if torch.bfloat16 in dtypes else "fp16" if torch.float16 in dtypes else "fp32"


def elements(parameter: Any) -> int:
    """Return the number of weights in a parameter; a byte holds two 4-bit weights."""
    state = getattr(parameter, "quant_state", None)
    return int(parameter.numel() if state is None else state.shape.numel())


def stored_bytes(parameter: Any) -> int:
    """Return the bytes of a parameter, including its quantization constants."""
    state, rows = getattr(parameter, "quant_state", None), getattr(parameter, "SCB", None)
    constants = [rows] if rows is not None else []
    while state is not None:  # constants may be quantized too, and then have another state
        constants.append(state.absmax)
        state = state.state2
    return sum(each.numel() * each.element_size() for each in (parameter, *constants))


def share(module: nn.Module, parameter: Tensor, data: Tensor) -> None:
    """Make a parameter use memory that another model holds.

    bitsandbytes also keeps 8-bit weights in an attribute `CB`, and restores the parameter's data from it in each pass.

    Args:
        module: The network that the parameter belongs to.
        parameter: Its data is replaced.
        data: The other model's tensor, equal to the parameter's own.
    """
    before = parameter.data_ptr()
    parameter.data = data
    if not hasattr(parameter, "SCB"):
        return
    for layer in module.modules():
        for holder in (getattr(layer, "state", None), getattr(layer, "weight", None)):
            codes = getattr(holder, "CB", None)
            if isinstance(codes, Tensor) and codes.data_ptr() == before:
                setattr(holder, "CB", data)


def memory_usage(module: nn.Module) -> dict[str, float]:
    """Return the bytes of a network's weights in memory, and what they would take in bf16."""
    kept: dict[str, float] = {"bytes": 0, "bf16_bytes": 0, "quantised_bytes": 0, "quantised_bf16_bytes": 0}
    for layer in module.modules():
        for parameter in layer.parameters(recurse=False):
            state, rows = getattr(parameter, "quant_state", None), getattr(parameter, "SCB", None)
            size = parameter.untyped_storage().nbytes()
            plain = 2 * elements(parameter)
            if state is not None:
                size += sum(tensor.untyped_storage().nbytes() for tensor in _constants(state))
            if rows is not None:
                size += rows.untyped_storage().nbytes()
            kept["bytes"] += size
            kept["bf16_bytes"] += plain
            if state is not None or rows is not None:
                kept["quantised_bytes"] += size
                kept["quantised_bf16_bytes"] += plain
    kept["ratio"] = round(kept["bytes"] / kept["bf16_bytes"], 4)
    if kept["quantised_bf16_bytes"]:
        kept["quantised_ratio"] = round(kept["quantised_bytes"] / kept["quantised_bf16_bytes"], 4)
    return kept


def _constants(state: Any) -> list[torch.Tensor]:
    """Return the quantization constants of a 4-bit weight, including those of double quantization."""
    nested = [] if state.state2 is None else _constants(state.state2)
    more = [tensor for tensor in (state.absmax, state.code, state.offset) if isinstance(tensor, torch.Tensor)]
    return more + nested


class StoredBase:
    """A copy on disk of a network built from scratch; reopening an adapter quantizes the copy again."""

    def __init__(self, module: Any, tokenizer: Any) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="graft-")
        self.path = Path(self._folder.name)
        module.save_pretrained(str(self.path))
        tokenizer.save_pretrained(str(self.path))

    def copy(self, directory: Path) -> None:
        """Copy the network into a folder."""
        shutil.copytree(self.path, directory, dirs_exist_ok=True)

    def __deepcopy__(self, memo: Mapping[int, Any]) -> StoredBase:
        return self
