"""What a model loader is told, built in one place: for a run, and for a model that was saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.contracts import Need
from core.weighting import class_weights

if TYPE_CHECKING:
    from core.config import RunConfig
    from core.contracts import Splits
    from core.environment import Hardware


def need_for(config: RunConfig, splits: Splits, hardware: Hardware) -> Need:
    """Return the request that loads base weights for a training."""
    return Need(
        task=config.task,
        labels=splits.labels,
        train=splits.train,
        fingerprint=splits.fingerprint,
        device=hardware.device,
        precision=hardware.precision,
        seed=config.seed,
        weights=config.method.weights(),
        class_weights=class_weights(config, splits),
        label_smoothing=config.train.label_smoothing,
        additive=config.method.additive(),
        frozen=config.method.frozen,
    )


def need_for_saved(
    config: RunConfig, hardware: Hardware, saved: Path, labels: tuple[str, ...], fingerprint: str, merged: bool = False
) -> Need:
    """Return the request that opens a saved model for prediction.

    Args:
        config: Of the run that trained it.
        hardware: Where it will compute.
        saved: The folder that `LoadedModel.save` wrote.
        labels: Label names, in the order of the outputs.
        fingerprint: Of the splits that it was trained on.
        merged: Whether the folder holds whole weights of the family, with what the method trained merged into them.
    """
    return Need(
        task=config.task,
        labels=labels,
        fingerprint=fingerprint,
        device=hardware.device,
        precision=hardware.precision,
        seed=config.seed,
        weights=None if merged else config.method.weights(),
        additive=not merged and config.method.additive(),
        saved=saved,
    )
