"""Adapters through peft: wrap a loaded model, save the adapter, reopen it, merge it."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from core.contracts import (
    LoadedModel,
    LoadRequest,
    ModelLoader,
    ParamGroup,
    SupportsFeatures,
    SupportsVirtualTokens,
    WrappedModel,
)
from core.errors import ConfigError, Problem
from core.runtime import unwrap
from plugins.methods.layer_kinds import NOTHING
from plugins.methods.target_modules import choose_targets, name_endings

ADAPTER = "adapter"
"""The folder of the adapter inside a saved model of a family whose format cannot hold adapters."""
BASE = "base"
"""The folder of the base inside a saved adapter whose base exists nowhere else (scratch weights)."""

logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # peft imports it; it warns about missing kernels

Saving = Callable[[Any, bool], AbstractContextManager[None]]
"""Temporarily puts a wrapped module into its saved form; takes the module and whether its base is saved too."""


def wrap_with_peft(
    model: LoadedModel,
    targets: Sequence[str] | None,
    config: Callable[[list[str], list[str]], Any],
    unfit: Mapping[str, str] = NOTHING,
) -> AdaptedModel:
    """Wrap the model's module with peft, and return the wrapped model.

    Args:
        model: Not wrapped yet.
        targets: Name endings of the modules to adapt; None for the family's defaults.
        config: Maps (name endings of modules, names of the heads) to a configuration of peft.
        unfit: Types of layers that the method cannot adapt, each with the reason as a clause.

    Raises:
        ConfigError: A target matches no module, or one that cannot be adapted; or the head's name is ambiguous.
    """
    from peft import get_peft_model

    refuse_ambiguous(model.module, model.heads)
    wanted = config(choose_targets(model, targets, unfit), list(model.heads))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")  # a bug of peft
            model.module = get_peft_model(model.module, wanted)
    except (TypeError, ValueError) as error:
        cure = f"The family's default targets: {', '.join(name_endings(model.adapter_targets)) or 'none'}."
        raise ConfigError(
            Problem("method.targets", str(error).partition(" Currently")[0].partition("\n")[0], cure)
        ) from error
    return AdaptedModel(model)


def refuse_ambiguous(module: nn.Module, heads: Sequence[str]) -> None:
    """Refuse a head whose name is the ending of other names too: peft would fully train those modules as well."""
    within = tuple(f"{head}." for head in heads)
    for name, _ in module.named_modules():
        if name.endswith(tuple(heads)) and not f"{name}.".startswith(within):
            message = f"peft matches the head's name as a name ending, and would also train all of {name}."
            raise ConfigError(Problem("method", message, "Use method=freeze or method=full with this model."))


def loraplus_groups(model: LoadedModel, lr: float, ratio: float) -> list[ParamGroup] | None:
    """Return the groups of LoRA+ (Hayou et al. 2024, arXiv:2402.12354), or None if `ratio` is 1.

    The B matrices have `ratio` times the learning rate of all other parameters.
    """
    if ratio == 1:
        return None
    names = [name for name, each in unwrap(model.module).named_parameters() if each.requires_grad]
    fast = [name for name in names if ".lora_B." in name]
    return [ParamGroup([name for name in names if name not in fast], lr), ParamGroup(fast, lr * ratio)]


def reopen(loader: ModelLoader, request: LoadRequest) -> LoadedModel:
    """Return the base model (saved beside the adapter, else from its origin) with the saved adapter."""
    from peft import PeftModel

    assert request.saved is not None
    if not (request.saved / "adapter_config.json").is_file():
        return loader.reopen(request)  # merged weights
    base = request.saved / BASE
    model = loader.load(replace(request, saved=base if base.is_dir() else None))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about AdaLoRA's ranks, which are applied, and adjusted block sizes
        wrapped: Any = PeftModel.from_pretrained(model.module, str(request.saved))
    model.module = wrapped
    config = wrapped.peft_config["default"]
    if isinstance(model, SupportsVirtualTokens) and config.is_prompt_learning:
        model.reserve(config.num_virtual_tokens)
    return AdaptedModel(model)


def merged(model: LoadedModel) -> LoadedModel:
    """Return the inner model with the updates added to its float32 weights; the adapter is consumed."""
    plain = model.unwrapped()
    if not isinstance(plain, AdaptedModel):
        return plain  # its family saves merged weights
    plain.inner.module = _without_peft(unwrap(plain.module).float(), merge=True)
    return plain.inner


class AdaptedModel(WrappedModel):
    """A loaded model whose module is a `PeftModel`; only the adapter is saved.

    Attributes:
        saving: Puts the module into its saved form, if that differs from the trained one.
        penalty: Returns a term, a tensor [], that is added to the loss of each example; None adds nothing.
    """

    withdrawn: ClassVar[tuple[type, ...]] = (SupportsFeatures, SupportsVirtualTokens)

    def __init__(self, inner: LoadedModel) -> None:
        super().__init__(inner)
        self.saving: Saving = lambda wrapped, with_base: nullcontext()
        self.penalty: Callable[[], Tensor] | None = None

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of each example, float32 [b], with the method's penalty."""
        losses = self.inner.loss(batch)
        return losses if self.penalty is None else losses + self.penalty()

    def save(self, directory: Path) -> None:
        """Write the adapter and the head, and the base if it exists nowhere else."""
        wrapped: Any = unwrap(self.inner.module)
        if not hasattr(wrapped.get_base_model(), "save_pretrained"):
            self._save_merged(directory, wrapped)
            return
        with_base = self.provenance.init == "scratch"
        if with_base:
            wrapped.peft_config["default"].base_model_name_or_path = str((directory / BASE).absolute())
            self.inner.module = _without_peft(copy.deepcopy(wrapped), merge=False)
            self.inner.save(directory / BASE)
            self.inner.module = wrapped
        elif self.provenance.revision:  # a Hub revision, which peft finds from any machine
            wrapped.peft_config["default"].base_model_name_or_path = self.provenance.checkpoint
            wrapped.peft_config["default"].revision = self.provenance.revision
        with self.saving(wrapped, with_base):
            self.inner.save(directory)

    def _save_merged(self, directory: Path, wrapped: Any) -> None:
        """Write merged weights in the family's format, and the small adapter beside them."""
        self.inner.module = _without_peft(copy.deepcopy(wrapped), merge=True)
        try:
            self.inner.save(directory)
        finally:
            self.inner.module = wrapped
        if self.provenance.init == "pretrained":
            wrapped.peft_config["default"].base_model_name_or_path = self.provenance.checkpoint
        with self.saving(wrapped, False):
            wrapped.save_pretrained(str(directory / ADAPTER), save_embedding_layers=False)  # "auto" may ask the Hub


def _without_peft(wrapped: Any, merge: bool) -> nn.Module:
    """Return the network without peft: with merged updates and trained heads, or the original. Consumes `wrapped`.

    Heads are restored first, because peft's own code expects every head to be a single layer with a weight.
    """
    base: nn.Module = wrapped.get_base_model()
    for name, module in list(base.named_modules()):
        if hasattr(module, "modules_to_save"):
            base.set_submodule(name, module.modules_to_save["default"] if merge else module.original_module)
    if wrapped.peft_config["default"].is_prompt_learning:
        return base
    plain: nn.Module = wrapped.merge_and_unload(safe_merge=True) if merge else wrapped.unload()
    return plain
