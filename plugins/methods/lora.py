"""LoRA through peft: wrapping a loaded model, saving its adapter so that it opens anywhere, opening it again."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from core.contracts import LoadedModel, ModelLoader, Need, Prepared
from core.environment import unwrap
from core.errors import ConfigError, Problem

ADAPTER = "adapter"
"""The folder inside a saved model that holds the adapter alone, where the family's format cannot hold adapters."""
BASE = "base"
"""The folder inside a saved adapter that holds its base, where the base exists nowhere else (scratch weights)."""


def wrap(model: LoadedModel, rank: int, alpha: float, dropout: float, targets: Sequence[str]) -> LoadedModel:
    """The model with its module wrapped in peft's LoRA.

    Raises:
        ConfigError: No module bears one of the target names.
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=list(targets),
        modules_to_save=list(model.heads),
    )
    try:
        model.module = get_peft_model(model.module, config)
    except ValueError as error:
        cure = f"The family's own targets are: {', '.join(model.adapter_targets) or 'none'}."
        raise ConfigError(Problem("method.targets", str(error).partition("\n")[0], cure)) from error
    return AdaptedModel(model)


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
    """A loaded model whose module is a `PeftModel`: it differs in what is saved."""

    def __init__(self, inner: LoadedModel) -> None:
        self.inner = inner
        self.heads, self.adapter_targets = inner.heads, inner.adapter_targets
        self.provenance, self.defaults, self.findings = inner.provenance, inner.defaults, inner.findings

    @property
    def module(self) -> Any:
        """The wrapped module; the inner model's, so that its `loss` and `predict` go through it."""
        return self.inner.module

    @module.setter
    def module(self, module: Any) -> None:
        self.inner.module = module

    def prepare(self, examples: Sequence[Any], train: bool) -> Prepared:
        """As the inner model does."""
        return self.inner.prepare(examples, train)

    def collate(self, items: Sequence[Any]) -> dict[str, Tensor]:
        """As the inner model does."""
        return self.inner.collate(items)

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """As the inner model does."""
        return self.inner.loss(batch)

    def predict(self, batch: dict[str, Tensor]) -> Tensor:
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
        wrapped.save_pretrained(str(directory / ADAPTER))
