"""LoRA through peft: wrapping a loaded model, saving its adapter so that it opens anywhere, opening it again."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from core.contracts import LoadedModel, ModelLoader, Need, Plan, Prepared
from core.environment import unwrap
from core.errors import ConfigError, Problem
from core.kinds import Detections
from plugins.methods.targets import chosen, ends

ADAPTER = "adapter"
"""The folder inside a saved model that holds the adapter alone, where the family's format cannot hold adapters."""
BASE = "base"
"""The folder inside a saved adapter that holds its base, where the base exists nowhere else (scratch weights)."""
PASSED_ON = ("picture", "use_fast_dropout")
"""What a model may have beyond `LoadedModel` that stays right when an adapter is put on it."""


def wrap(model: LoadedModel, rank: int, alpha: float, dropout: float, targets: Sequence[str] | None) -> LoadedModel:
    """The model with its module wrapped in peft's LoRA.

    Args:
        model: Its linear layers and convolutions are adapted alike.
        rank: Of the update of each.
        alpha: The update is scaled by `alpha / rank`.
        dropout: On the input of the update.
        targets: Ends of the names of the modules to adapt; None for the family's own.

    Raises:
        ConfigError: A target names nothing, or something that cannot be adapted; or the head's name is ambiguous.
    """
    from peft import LoraConfig, get_peft_model

    _refuse_ambiguous(model.module, model.heads)
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=chosen(model, targets),
        modules_to_save=list(model.heads),
    )
    try:
        model.module = get_peft_model(model.module, config)
    except ValueError as error:
        cure = f"The family's own targets: {', '.join(ends(model.adapter_targets)) or 'none'}."
        raise ConfigError(
            Problem("method.targets", str(error).partition(" Currently")[0].partition("\n")[0], cure)
        ) from error
    return AdaptedModel(model)


def _refuse_ambiguous(module: nn.Module, heads: Sequence[str]) -> None:
    """Refuse a head whose name ends others too: peft would copy and train those modules whole as well."""
    within = tuple(f"{head}." for head in heads)
    for name, _ in module.named_modules():
        if name.endswith(tuple(heads)) and not f"{name}.".startswith(within):
            message = f"peft takes the head's name for the end of a name, and would train {name} whole too."
            raise ConfigError(Problem("method", message, "Use method=freeze or method=full with this model."))


def reopen(loader: ModelLoader, need: Need) -> LoadedModel:
    """Load the base (beside the adapter, or wherever it came from) and put the saved adapter on it."""
    from peft import PeftModel

    assert need.saved is not None
    if not (need.saved / "adapter_config.json").is_file():
        return loader.reopen(need)  # merged weights
    base = need.saved / BASE
    model = loader.load(replace(need, saved=base if base.is_dir() else None))
    model.module = PeftModel.from_pretrained(model.module, str(need.saved))
    return AdaptedModel(model)


class AdaptedModel(LoadedModel):
    """A loaded model whose module is a `PeftModel`: it differs in what is saved, and is the inner one in all else."""

    def __init__(self, inner: LoadedModel) -> None:
        self.inner = inner
        self.heads, self.adapter_targets, self.layers = inner.heads, inner.adapter_targets, inner.layers
        self.provenance, self.defaults, self.findings = inner.provenance, inner.defaults, inner.findings
        self.augmented = inner.augmented
        for name in PASSED_ON:
            if hasattr(inner, name):
                setattr(self, name, getattr(inner, name))

    @property
    def module(self) -> Any:
        """The wrapped module; the inner model's, so that its `loss` and `predict` go through it."""
        return self.inner.module

    @module.setter
    def module(self, module: Any) -> None:
        self.inner.module = module

    @property
    def thresholds(self) -> tuple[float, ...] | None:
        """The inner model's, which is what is saved."""
        return self.inner.thresholds

    @thresholds.setter
    def thresholds(self, thresholds: tuple[float, ...] | None) -> None:
        self.inner.thresholds = thresholds

    def planned(self, plan: Plan) -> None:
        """As the inner model does."""
        self.inner.planned(plan)

    def prepare(self, examples: Sequence[Any], train: bool) -> Prepared:
        """As the inner model does."""
        return self.inner.prepare(examples, train)

    def collate(self, items: Sequence[Any]) -> dict[str, Tensor]:
        """As the inner model does."""
        return self.inner.collate(items)

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """As the inner model does."""
        return self.inner.loss(batch)

    def predict(self, batch: dict[str, Tensor]) -> Tensor | Sequence[Detections]:
        """As the inner model does."""
        return self.inner.predict(batch)

    def save(self, directory: Path) -> None:
        """The adapter and the head; and the base, where it exists nowhere else."""
        wrapped: Any = unwrap(self.inner.module)
        if not hasattr(wrapped.get_base_model(), "save_pretrained"):
            self._save_merged(directory, wrapped)
            return
        if self.provenance.init == "scratch":
            wrapped.peft_config["default"].base_model_name_or_path = str((directory / BASE).absolute())
            self.inner.module = copy.deepcopy(wrapped).unload()
            self.inner.save(directory / BASE)
            self.inner.module = wrapped
        self.inner.save(directory)

    def _save_merged(self, directory: Path, wrapped: Any) -> None:
        """Merged weights as the family writes them, and the small adapter beside them."""
        self.inner.module = copy.deepcopy(wrapped).merge_and_unload()
        try:
            self.inner.save(directory)
        finally:
            self.inner.module = wrapped
        if self.provenance.init == "pretrained":
            wrapped.peft_config["default"].base_model_name_or_path = self.provenance.checkpoint
        wrapped.save_pretrained(str(directory / ADAPTER), save_embedding_layers=False)  # "auto" may ask the Hub
