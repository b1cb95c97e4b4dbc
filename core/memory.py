"""An estimate of a run's peak memory before anything is imported or fetched, from what the family declares.

Once data and model are there, `core.rehearsal` measures it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.environment import bf16_native, gpu_at_hand

if TYPE_CHECKING:
    from core.config import RunConfig

LIBRARIES_MB = 900.0
"""Resident memory of a process that has imported torch, transformers and peft and holds a small data set."""
_MIB = 2**20
_OVERHEAD = {4: 1.035, 8: 1.01}
"""What quantisation constants add, by bits: one byte for 64 weights, and constants of these; four bytes a row."""


@dataclass(frozen=True)
class Footprint:
    """What a family knows of a network before it is built. Numbers, not bytes.

    Attributes:
        parameters: All of them, without the head.
        linear: Those that quantisation packs: of the linear layers in the body.
        head: Those of the head.
        adapted: Inputs plus outputs of all the modules that an adapter wraps by default.
        layers: Blocks, one after the other.
        width: Numbers that a token has between blocks.
        kept: Numbers that the backward pass needs of a token in a block.
        pairs: Numbers that it needs of a pair of tokens in a block, where attention is written out; 0 in one kernel.
        tokens: Most tokens of an example.
        halves: Whether weights that do not train may lie in half precision.
    """

    parameters: int
    linear: int
    head: int
    adapted: int
    layers: int
    width: int
    kept: int
    pairs: int
    tokens: int
    halves: bool = False


def estimate(config: RunConfig, outputs: int, precision: str = "", device: str = "") -> dict[str, float]:
    """Peak memory of training, in MiB by part; empty where the family or the method does not say enough.

    It is of the worst case: a micro-batch of the longest examples.

    Args:
        config: The run's configuration.
        outputs: Outputs of the head; a guess does no harm.
        precision: As resolved; empty for what the configuration hints at.
        device: As resolved; empty likewise.

    Returns:
        `weights`, `gradients`, `optimizer`, `average`, `activations`, on a CPU also `libraries`, and their `total`.
    """
    train, method = config.train, config.method
    shape = config.model.footprint(config, outputs)
    trainable = None if shape is None else method.trainable(shape)
    if shape is None or trainable is None:
        return {}
    device = device or (train.device if train.device != "auto" else "cuda" if gpu_at_hand() else "cpu")
    halved = not device.startswith("cpu") or bf16_native("cpu")
    precision = precision or (train.precision if train.precision != "auto" else "bf16" if halved else "fp32")
    moments = 8 if train.optimizer == "adamw" else 2
    parts = {
        "weights": _weights(config, shape, precision, device),
        "gradients": 4.0 * trainable,
        "optimizer": float(moments * trainable),
        "average": 4.0 * trainable if train.ema else 0.0,
        "activations": _activations(config, shape, precision, shape.tokens, device),
    }
    if device == "cpu":
        parts["libraries"] = LIBRARIES_MB * _MIB
    parts["total"] = sum(parts.values())
    return {name: round(value / _MIB, 1) for name, value in parts.items()}


def _weights(config: RunConfig, shape: Footprint, precision: str, device: str) -> float:
    """Bytes of the weights: quantised, in half precision, or in float32; what is added to them counts as trainable."""
    plan = config.method.weights()
    if plan is not None:
        half = shape.halves and plan.compute_dtype != "float32" and precision != "fp32"
        packed = shape.linear * plan.bits / 8 * _OVERHEAD[plan.bits]
        return packed + (shape.parameters - shape.linear) * (2 if half else 4) + 4 * shape.head
    half = shape.halves and config.method.additive() and precision == "bf16" and device.startswith("cuda")
    return (2 if half else 4) * shape.parameters + 4.0 * shape.head


def _activations(config: RunConfig, shape: Footprint, precision: str, tokens: int, device: str) -> float:
    """Bytes that a step keeps for its backward pass, and one block's worth of gradients beside them."""
    train = config.train
    if config.method.frozen:
        return 0.0
    size = 4.0 if precision == "fp32" else 2.9  # mixed: products in half precision, what lies between them in float32
    pairs = shape.pairs * tokens * (4.0 if precision == "fp32" else 2.0) if device == "cpu" else 0.0
    block = shape.kept * size + pairs
    examples = min(train.micro_batch_size or train.batch_size, train.batch_size)
    kept = shape.layers * (4.0 * shape.width if train.gradient_checkpointing else block)
    return examples * tokens * (kept + block)


def sentence(parts: dict[str, float]) -> str:
    """An estimate in words."""
    if not parts:
        return "unknown: the checkpoint is not on this machine, or the family or the method does not say"
    named = ", ".join(f"{name} {value:,.0f}" for name, value in parts.items() if name != "total" and value >= 0.5)
    return f"about {parts['total']:,.0f} MiB at its peak, with the longest inputs ({named})"
