"""Training a head alone: the frozen backbone's features, computed once and kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.contracts import LoadedModel, PreparedDataset, SupportsFeatures, SupportsPreview, TrainingPlan, WrappedModel
from core.evaluation import predict_batches
from core.issues import DataIssue
from core.runtime import Hardware
from plugins.methods.freezing import freeze_all_but

FEATURE_BATCH = 64


def on_features(model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
    """The model with everything frozen but its head, trained on features that are kept where they do not change."""
    freeze_all_but(model.module, model.heads)
    if isinstance(model, SupportsFeatures) and not plan.augmented:
        return FeatureModel(model, Hardware(plan.device, plan.precision))
    why = "training examples change from epoch to epoch" if plan.augmented else "this model cannot run without its head"
    message = f"{why}, so the frozen backbone runs in every epoch; its features are not computed once."
    model.findings.append(DataIssue("features_each_epoch", message, 1, level="info"))
    return model


class FeatureRow(NamedTuple):
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

    def fetch(self, index: int, epoch: int, rng: np.random.Generator | None) -> FeatureRow:
        """The features and the target of one example."""
        return FeatureRow(self.features[index], None if self.targets is None else self.targets[index])


class HeadModule(nn.Module):
    """The network, run from features on; it holds all of it, so that names stay what they were."""

    def __init__(self, model: LoadedModel) -> None:
        super().__init__()
        self.network = model.module
        self._model = [model]

    def forward(self, features: Tensor) -> Tensor:
        """Logits from features."""
        model = self._model[0]
        assert isinstance(model, SupportsFeatures)
        return model.head(features)

    def train(self, mode: bool = True) -> HeadModule:
        """The backbone does not run; its mode is of no matter."""
        super().train(mode)
        return self


class Backbone:
    """What predicting needs of a model, with features in place of predictions."""

    def __init__(self, inner: LoadedModel) -> None:
        self.inner, self.module = inner, inner.module
        self.targets: Tensor | None = None

    def collate(self, items: Sequence[Any]) -> dict[str, Tensor]:
        """As the model does."""
        return self.inner.collate(items)

    def predict(self, batch: dict[str, Tensor]) -> Tensor:
        """Features [b, ...]; the targets of the batch are kept until the next."""
        assert isinstance(self.inner, SupportsFeatures)
        self.targets = batch.get("targets")
        return self.inner.features(batch).float()


class FeatureModel(WrappedModel):
    """A model seen from its features on."""

    withdrawn: ClassVar[tuple[type, ...]] = (SupportsFeatures, SupportsPreview)

    def __init__(self, inner: LoadedModel, hardware: Hardware) -> None:
        super().__init__(inner)
        self.hardware = hardware
        self._module: nn.Module = HeadModule(inner)
        self._shown: PreparedDataset | None = None
        if isinstance(inner, SupportsPreview):
            setattr(self, "preview", self._preview)  # not a method of the class: others have nothing to draw

    @property
    def module(self) -> nn.Module:
        """The network, run from features on; the inner model keeps the whole one."""
        return self._module

    @module.setter
    def module(self, module: nn.Module) -> None:
        self._module = module

    def prepare(self, examples: Sequence[Any], train: bool) -> PreparedDataset:
        """Run the frozen backbone over the examples, once."""
        prepared = self.inner.prepare(examples, train)
        if train and isinstance(self.inner, SupportsPreview):
            self._shown = prepared
        self.inner.module.to(self.hardware.device)
        backbone = Backbone(self.inner)
        features: NDArray[np.float32] | None = None
        targets: NDArray[Any] | None = None
        for rows, values in predict_batches(cast(LoadedModel, backbone), prepared, self.hardware, FEATURE_BATCH):
            assert isinstance(values, Tensor)
            features = _placed(features, rows, values, len(prepared))
            if backbone.targets is not None:
                targets = _placed(targets, rows, backbone.targets, len(prepared))
        return Features(np.empty((0, 1), dtype=np.float32) if features is None else features, targets)

    def _preview(self, examples: Sequence[Any], prepared: PreparedDataset, seed: int) -> Any:
        """As the inner model draws it, of its own prepared examples; they are let go afterwards."""
        assert isinstance(self.inner, SupportsPreview)
        shown, self._shown = self._shown or self.inner.prepare(examples, True), None
        return self.inner.preview(examples, shown, seed)

    def collate(self, items: Sequence[FeatureRow]) -> dict[str, Tensor]:
        """Stack features and targets."""
        batch = {"features": torch.from_numpy(np.stack([item.features for item in items]))}
        if items[0].target is not None:
            batch["targets"] = torch.from_numpy(np.stack([item.target for item in items]))
        return batch

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """The head's loss of each example, float32 [b]."""
        assert isinstance(self.inner, SupportsFeatures)
        return self.inner.head_loss(self.module(batch["features"]), batch)

    def predict(self, batch: dict[str, Tensor]) -> Tensor:
        """Predictions from features."""
        assert isinstance(self.inner, SupportsFeatures)
        return self.inner.head_predict(self.module(batch["features"]))

    def unwrapped(self) -> LoadedModel:
        """The whole network, run from its inputs on."""
        return self.inner


def _placed(store: NDArray[Any] | None, rows: NDArray[np.int64], values: Tensor, n: int) -> NDArray[Any]:
    """An array of n rows, those given filled in; made where there is none yet."""
    found = values.cpu().numpy()
    if store is None:
        store = np.empty((n, *found.shape[1:]), dtype=found.dtype)
    store[rows] = found
    return store
