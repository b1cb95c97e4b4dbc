"""Train only the head, on features of the frozen backbone that are computed once and cached."""

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
from core.runtime import Hardware, cache_directory
from core.tasks import objects
from plugins.methods.feature_file import FeatureFile, exceeds_memory
from plugins.methods.freezing import freeze_all_but

FEATURE_BATCH = 64


def train_on_features(model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
    """Freeze everything but the head, and return a model that trains on cached features if they do not change."""
    freeze_all_but(model.module, model.heads)
    if isinstance(model, SupportsFeatures) and not plan.augmented:
        return FeatureModel(model, Hardware(plan.device, plan.precision))
    why = "training examples change from epoch to epoch" if plan.augmented else "this model cannot run without its head"
    message = f"{why}, so the frozen backbone runs in every epoch; its features are not computed once."
    model.findings.append(DataIssue("features_each_epoch", message, 1, level="info"))
    return model


class FeatureRow(NamedTuple):
    """One example's features [...], and its target or None; with `in_rows`, features [k, ...] and k targets."""

    features: NDArray[np.float32]
    target: Any
    in_rows: bool = False


class Features:
    """The cached features of a split; a `core.PreparedDataset`.

    Attributes:
        features: float32 [n, ...]; or object [n], an array [k, ...] for each example, if features are in rows.
        targets: [n, ...], or object [n] like the features; None if unknown.
    """

    def __init__(self, features: NDArray[Any], targets: NDArray[Any] | None) -> None:
        self.features, self.targets = features, targets
        self.in_rows = features.dtype == object
        lengths = [max(1, len(each)) for each in features] if self.in_rows else np.ones(len(features))
        self.lengths = np.asarray(lengths, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.features)

    def fetch(self, index: int, epoch: int, rng: np.random.Generator | None) -> FeatureRow:
        """Return the features and the target of one example."""
        target = None if self.targets is None else self.targets[index]
        return FeatureRow(self.features[index], target, self.in_rows)


class HeadModule(nn.Module):
    """Runs a network's head on features. It holds the whole network, so parameter names keep their endings."""

    def __init__(self, model: LoadedModel) -> None:
        super().__init__()
        self.network = model.module
        self._model = [model]

    def forward(self, features: Tensor) -> Tensor:
        """Return logits from features."""
        model = self._model[0]
        assert isinstance(model, SupportsFeatures)
        return model.head(features)

    def train(self, mode: bool = True) -> HeadModule:
        """Set the mode. The backbone does not run, so its mode has no effect."""
        super().train(mode)
        return self


class Backbone:
    """The part of a model's interface that prediction needs, returning features as predictions."""

    def __init__(self, inner: LoadedModel) -> None:
        self.inner, self.module = inner, inner.module
        self.targets: NDArray[Any] | None = None

    def collate(self, items: Sequence[Any]) -> dict[str, Tensor]:
        """Stack examples as the model does."""
        return self.inner.collate(items)

    def predict(self, batch: dict[str, Tensor]) -> Tensor | list[NDArray[np.float32]]:
        """Return features [b, ...], or b arrays [k, ...]; store the batch's targets until the next call."""
        assert isinstance(self.inner, SupportsFeatures)
        targets, found = batch.get("targets"), self.inner.features(batch)
        self.targets = None if targets is None else targets.cpu().numpy()
        if isinstance(found, Tensor):
            return found.float()
        if self.targets is not None:
            ends = np.cumsum([len(each) for each in found])
            self.targets = objects(np.split(self.targets, ends[:-1]))
        return [each.float().cpu().numpy() for each in found]


class FeatureModel(WrappedModel):
    """A model that trains and predicts from cached features."""

    withdrawn: ClassVar[tuple[type, ...]] = (SupportsFeatures, SupportsPreview)

    def __init__(self, inner: LoadedModel, hardware: Hardware) -> None:
        super().__init__(inner)
        self.hardware = hardware
        self._module: nn.Module = HeadModule(inner)
        self._shown: PreparedDataset | None = None
        if isinstance(inner, SupportsPreview):
            setattr(
                self, "preview", self._preview
            )  # on the instance, because models without a preview must not seem to have one

    @property
    def module(self) -> nn.Module:
        """The network that starts from features; the inner model keeps the whole network."""
        return self._module

    @module.setter
    def module(self, module: nn.Module) -> None:
        self._module = module

    def prepare(self, examples: Sequence[Any], train: bool) -> PreparedDataset:
        """Run the frozen backbone once over the examples, and return their features."""
        prepared = self.inner.prepare(examples, train)
        if train and isinstance(self.inner, SupportsPreview):
            self._shown = prepared
        self.inner.module.to(self.hardware.device)
        backbone = Backbone(self.inner)
        features: NDArray[Any] | None = None
        targets: NDArray[Any] | None = None
        file: FeatureFile | None = None
        for rows, values in predict_batches(cast(LoadedModel, backbone), prepared, self.hardware, FEATURE_BATCH):
            found: NDArray[Any] = values.cpu().numpy() if isinstance(values, Tensor) else objects(values)
            if features is None and file is None and found.dtype == object:
                file = self._file_for(prepared, rows, found)
            if file is not None:
                file.add(rows, found)
            else:
                features = _filled(features, rows, found, len(prepared))
            if backbone.targets is not None:
                targets = _filled(targets, rows, backbone.targets, len(prepared))
        if file is not None:
            features = file.arrays()
        return Features(np.empty((0, 1), dtype=np.float32) if features is None else features, targets)

    def _file_for(self, prepared: PreparedDataset, rows: NDArray[np.int64], values: NDArray[Any]) -> FeatureFile | None:
        """Return a file for features in rows if they are too large for memory, and report it; else None.

        Their size is estimated from the first batch: the rows of an example are about as many as its length.
        """
        share = prepared.lengths[rows].sum() / prepared.lengths.sum()
        needed = sum(each.nbytes for each in values) / share
        if not exceeds_memory(needed):
            return None
        folder = cache_directory()
        message = (
            f"the features of {len(prepared):,} examples take about {needed / 2**30:.1f} GiB, more than half of the "
            f"free memory, so they are in a temporary file in {folder}."
        )
        self.findings.append(DataIssue("features_on_disk", message, len(prepared), level="info"))
        return FeatureFile(len(prepared), folder)

    def _preview(self, examples: Sequence[Any], prepared: PreparedDataset, seed: int) -> Any:
        """Return the inner model's preview of its own prepared examples, and release them."""
        assert isinstance(self.inner, SupportsPreview)
        shown, self._shown = self._shown or self.inner.prepare(examples, True), None
        return self.inner.preview(examples, shown, seed)

    def collate(self, items: Sequence[FeatureRow]) -> dict[str, Tensor]:
        """Stack features and targets; concatenate those that are in rows, with the number of each example's rows."""
        in_rows, known = items[0].in_rows, items[0].target is not None
        stacked = np.concatenate if in_rows else np.stack
        batch = {"features": torch.from_numpy(stacked([item.features for item in items]))}
        if in_rows:
            batch["lengths"] = torch.tensor([len(item.features) for item in items])
        if known:
            batch["targets"] = torch.from_numpy(stacked([item.target for item in items]))
        return batch

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the head's loss of each example, float32 [b]."""
        assert isinstance(self.inner, SupportsFeatures)
        return self.inner.head_loss(self.module(batch["features"]), batch)

    def predict(self, batch: dict[str, Tensor]) -> Tensor | Sequence[Any]:
        """Return predictions from features."""
        assert isinstance(self.inner, SupportsFeatures)
        return self.inner.head_predict(self.module(batch["features"]), batch)

    def unwrapped(self) -> LoadedModel:
        """Return the inner model, which starts from inputs."""
        return self.inner


def _filled(store: NDArray[Any] | None, rows: NDArray[np.int64], found: NDArray[Any], n: int) -> NDArray[Any]:
    """Write values into the given rows of an array and return it; create it with n rows if it is None."""
    if store is None:
        store = np.empty((n, *found.shape[1:]), dtype=found.dtype)
    store[rows] = found
    return store
