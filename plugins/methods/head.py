"""Training a head alone: the frozen backbone's features, computed once and kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.batching import evaluation_batches
from core.contracts import HasFeatures, LoadedModel, Plan, Prepared
from core.environment import Hardware
from core.errors import ConfigError, Problem

FEATURE_BATCH = 64


def freeze_all_but(module: nn.Module, heads: Sequence[str]) -> None:
    """Let only the named submodules train.

    Raises:
        ConfigError: None of them has a parameter.
    """
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    trained = [parameter for head in heads for parameter in module.get_submodule(head).parameters()]
    if not trained:
        raise ConfigError(Problem("method", f"the model declares no head with parameters (heads: {', '.join(heads)})."))
    for parameter in trained:
        parameter.requires_grad_(True)


def on_features(model: LoadedModel, plan: Plan) -> LoadedModel:
    """The model with everything frozen but its head, trained on features that are kept where they do not change."""
    freeze_all_but(model.module, model.heads)
    if plan.augmented or not isinstance(model, HasFeatures):
        return model
    return FeatureModel(model, Hardware(plan.device, plan.precision))


class Item(NamedTuple):
    """One example's features [...], and its target where it has one."""

    features: NDArray[np.float32]
    target: Any


class Features:
    """Prepared examples whose backbone has run already."""

    def __init__(self, features: NDArray[np.float32], targets: NDArray[Any] | None) -> None:
        self.features, self.targets = features, targets
        self.lengths = np.ones(len(features), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.features)

    def fetch(self, index: int, epoch: int, rng: np.random.Generator | None) -> Item:
        """The features and the target of one example."""
        return Item(self.features[index], None if self.targets is None else self.targets[index])


class HeadModule(nn.Module):
    """The network, run from features on; it holds all of it, so that names stay what they were."""

    def __init__(self, model: LoadedModel) -> None:
        super().__init__()
        self.network = model.module
        self._model = [model]

    def forward(self, features: Tensor) -> Tensor:
        """Logits from features."""
        model = self._model[0]
        assert isinstance(model, HasFeatures)
        return model.head(features)

    def train(self, mode: bool = True) -> HeadModule:
        """The backbone does not run; its mode is of no matter."""
        super().train(mode)
        return self


class FeatureModel(LoadedModel):
    """A model seen from its features on."""

    def __init__(self, inner: LoadedModel, hardware: Hardware) -> None:
        self.inner, self.hardware = inner, hardware
        self.module = HeadModule(inner)
        self.heads, self.adapter_targets = inner.heads, inner.adapter_targets
        self.provenance, self.defaults, self.findings = inner.provenance, inner.defaults, inner.findings

    def prepare(self, examples: Sequence[Any], train: bool) -> Prepared:
        """Run the frozen backbone over the examples, once."""
        prepared = self.inner.prepare(examples, train)
        assert isinstance(self.inner, HasFeatures)
        self.inner.module.to(self.hardware.device).eval()
        features: NDArray[np.float32] | None = None
        targets: NDArray[Any] | None = None
        with torch.inference_mode():
            for rows, tensors in evaluation_batches(self.inner, prepared, FEATURE_BATCH):
                batch = {name: value.to(self.hardware.device) for name, value in tensors.items()}
                with self.hardware.autocast():
                    made = self.inner.features(batch).float().cpu().numpy()
                if features is None:
                    features = np.empty((len(prepared), *made.shape[1:]), dtype=np.float32)
                features[rows] = made
                if "targets" in tensors:
                    truth = tensors["targets"].numpy()
                    if targets is None:
                        targets = np.empty((len(prepared), *truth.shape[1:]), dtype=truth.dtype)
                    targets[rows] = truth
        return Features(np.empty((0, 1), dtype=np.float32) if features is None else features, targets)

    def collate(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """Stack features and targets."""
        batch = {"features": torch.from_numpy(np.stack([item.features for item in items]))}
        if items[0].target is not None:
            batch["targets"] = torch.from_numpy(np.stack([item.target for item in items]))
        return batch

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """The head's loss of each example, float32 [b]."""
        assert isinstance(self.inner, HasFeatures)
        return self.inner.head_loss(self.module(batch["features"]), batch)

    def predict(self, batch: dict[str, Tensor]) -> Tensor:
        """Predictions from features."""
        assert isinstance(self.inner, HasFeatures)
        return self.inner.head_predict(self.module(batch["features"]))

    def plain(self) -> LoadedModel:
        """The whole network, run from its inputs on."""
        return self.inner

    def save(self, directory: Path) -> None:
        """The whole model, with the trained head."""
        self.inner.save(directory)
