"""Build the request for a model loader: for a training, or for a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.contracts.model import LoadRequest
from core.registry.registry import load_registry
from core.training.class_weights import class_weights

if TYPE_CHECKING:
    from core.contracts.components import RunConfig
    from core.contracts.splits import Splits
    from core.runtime.hardware import Hardware
    from core.tasks.output import OutputSpec


def request_for(config: RunConfig, splits: Splits, hardware: Hardware) -> LoadRequest:
    """Return the request that loads the base weights for a training."""
    output = load_registry().output(config.task, splits.labels)
    return LoadRequest(
        output=output,
        train=splits.train,
        fingerprint=splits.fingerprint,
        device=hardware.device,
        precision=hardware.precision,
        seed=config.seed,
        weights=config.method.weights(),
        class_weights=class_weights(config, splits, output),
        label_smoothing=config.train.label_smoothing,
        additive=config.method.additive(),
        frozen=config.method.frozen,
    )


def request_for_saved(
    config: RunConfig, hardware: Hardware, saved: Path, output: OutputSpec, fingerprint: str, merged: bool = False
) -> LoadRequest:
    """Return the request that loads a saved model for prediction.

    Args:
        config: The configuration of the run that trained it.
        hardware: Device and precision.
        saved: The folder that `LoadedModel.save` wrote.
        output: What the model predicts.
        fingerprint: The fingerprint of the splits that it was trained on.
        merged: Whether the folder has complete weights, with the adapter merged into them.
    """
    return LoadRequest(
        output=output,
        fingerprint=fingerprint,
        device=hardware.device,
        precision=hardware.precision,
        seed=config.seed,
        weights=None if merged else config.method.weights(),
        additive=not merged and config.method.additive(),
        saved=saved,
    )
