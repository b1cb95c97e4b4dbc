"""Estimate the peak memory of training from the sizes that a model family declares.

This estimate needs no heavy import and no download. `core.training.memory_profile` computes the same parts after data
and model are loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from core.registry.registry import load_registry
from core.runtime.hardware import bf16_native, gpu_at_hand

if TYPE_CHECKING:
    from core.contracts.components import RunConfig
    from core.contracts.footprint import Footprint
    from core.contracts.train_config import TrainConfig

LIBRARIES_MB = 900.0
"""Resident memory, in MiB, of a process that has imported torch, transformers and peft and loaded a small data set."""
MIB = 2**20


@dataclass(frozen=True)
class TrainingMemory:
    """Peak memory of training by part, in bytes, for a micro-batch of the longest examples.

    Attributes:
        weights: The parameters, with their quantization constants.
        gradients: The gradients of the trainable parameters.
        optimizer: The state of the optimizer.
        average: The moving average of the trainable parameters.
        activations: The rest of the peak of a forward and backward pass.
        libraries: The rest of the process, on a CPU; None on a GPU.
    """

    weights: float
    gradients: float
    optimizer: float
    average: float
    activations: float
    libraries: float | None = None

    @classmethod
    def of(
        cls, train: TrainConfig, weights: float, trainable: float, activations: float, libraries: float | None
    ) -> TrainingMemory:
        """Return all parts; those of gradients, optimizer and average follow from the trainable parameters.

        Args:
            train: Names the optimizer, and says whether there is a moving average.
            weights: Bytes of all parameters.
            trainable: Bytes of the trainable parameters, which are float32.
            activations: Bytes of a forward and backward pass at its peak.
            libraries: Bytes of the rest of the process, on a CPU; else None.
        """
        state = load_registry().optimizer(train.optimizer).state_bytes / 4
        return cls(weights, trainable, state * trainable, trainable if train.ema else 0.0, activations, libraries)

    def in_mib(self) -> dict[str, float]:
        """Return the parts and their `total` in MiB, rounded to 0.1; without `libraries` if that is None."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        parts = {name: float(value) for name, value in values.items() if value is not None}
        return {name: round(value / MIB, 1) for name, value in (parts | {"total": sum(parts.values())}).items()}


def estimate(config: RunConfig, outputs: int, precision: str = "", device: str = "") -> dict[str, float]:
    """Return an estimate of the peak memory of training, from the sizes that the family declares.

    Args:
        config: The run's configuration.
        outputs: Number of outputs of the head; it matters little.
        precision: The resolved precision; empty to guess it from the configuration.
        device: The resolved device; empty to guess it from the configuration.

    Returns:
        The parts of `TrainingMemory` in MiB; empty if the family or the method does not declare its sizes.
    """
    train, method = config.train, config.method
    shape = config.model.footprint(config, outputs)
    trainable = None if shape is None else method.trainable(shape)
    if shape is None or trainable is None:
        return {}
    device = device or (train.device if train.device != "auto" else "cuda" if gpu_at_hand() else "cpu")
    halved = not device.startswith("cpu") or bf16_native("cpu")
    precision = precision or (train.precision if train.precision != "auto" else "bf16" if halved else "fp32")
    return TrainingMemory.of(
        train,
        weights=_weights(config, shape, precision, device),
        trainable=4.0 * trainable,
        activations=_activations(config, shape, precision, shape.tokens, device),
        libraries=LIBRARIES_MB * MIB if device == "cpu" else None,
    ).in_mib()


def _weights(config: RunConfig, shape: Footprint, precision: str, device: str) -> float:
    """Return the bytes of the base weights and the head: quantized, in half precision, or in float32."""
    plan = config.method.weights()
    if plan is not None:
        half = shape.halves and plan.compute_dtype != "float32" and precision != "fp32"
        packed = shape.linear * plan.bits / 8 * plan.overhead
        return packed + (shape.parameters - shape.linear) * (2 if half else 4) + 4 * shape.head
    half = shape.halves and config.method.additive() and precision == "bf16" and device.startswith("cuda")
    return (2 if half else 4) * shape.parameters + 4.0 * shape.head


def _activations(config: RunConfig, shape: Footprint, precision: str, tokens: int, device: str) -> float:
    """Return the bytes stored for the backward pass, and those of the gradients of one block's activations."""
    train = config.train
    if config.method.frozen:
        return 0.0
    size = 4.0 if precision == "fp32" else 2.9  # mixed: matrix products in half precision, the rest in float32
    pairs = shape.pairs * tokens * (4.0 if precision == "fp32" else 2.0) if device == "cpu" else 0.0
    block = shape.kept * size + pairs
    examples = min(train.micro_batch_size or train.batch_size, train.batch_size)
    kept = shape.layers * (4.0 * shape.width if train.gradient_checkpointing else block)
    return examples * tokens * (kept + block)


def sentence(parts: dict[str, float]) -> str:
    """Return an estimate as text, for a message."""
    if not parts:
        return "unknown: the checkpoint is not on this machine, or the family or the method does not declare its sizes"
    named = ", ".join(f"{name} {value:,.0f}" for name, value in parts.items() if name != "total" and value >= 0.5)
    return f"about {parts['total']:,.0f} MiB at its peak, with the longest inputs ({named})"
