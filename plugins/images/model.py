"""An image classifier from timm, for the training loop."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from core.contracts import LoadedModel, LoadRequest, PreparedDataset, Provenance
from core.errors import ConfigError, Problem
from core.issues import DataIssue
from core.runtime import unwrap
from core.tasks import ImageExample
from core.training import per_example_loss, to_predictions
from plugins.images import augmentation
from plugins.images.augmentation import Policy
from plugins.images.dataset import ImageDataset, ImageTransform, MixedView, View, prepare
from plugins.images.options import TimmOptions

if TYPE_CHECKING:
    from PIL.Image import Image


ROOM = 1.25
"""Ratio of a stored training image's side to the model's input, so that zooming in loses no detail."""
_SHAPED = ("interpolation", "crop_pct", "crop_mode", "mean", "std", "input_size")


class ImageModel(LoadedModel):
    """An image classifier from timm. `FeaturedImageModel` adds `features` if backbone and head can run separately.

    Args:
        module: A classifier of timm.
        options: The component that loaded it.
        request: The load request.
        provenance: Where the base weights came from.
        heads: Names of the submodules that form the head.
        layers: Parameter names by depth.
        adapter_targets: Names of the modules that an adapter may wrap.
        defaults: Options of `train` that suit this model.
        arguments: Arguments that the architecture was built with.
        preprocessing: timm's data configuration: `input_size`, `interpolation`, `mean`, `std`, `crop_pct`, `crop_mode`.
    """

    def __init__(
        self,
        module: nn.Module,
        options: TimmOptions,
        request: LoadRequest,
        provenance: Provenance,
        heads: tuple[str, ...],
        layers: tuple[tuple[str, ...], ...],
        adapter_targets: tuple[str, ...],
        defaults: Mapping[str, float],
        arguments: Mapping[str, Any],
        preprocessing: Mapping[str, Any],
    ) -> None:
        self.module = module
        self.request = request
        self.provenance = provenance
        self.heads, self.layers, self.adapter_targets = heads, layers, adapter_targets
        self.defaults = defaults
        self.preprocessing = preprocessing
        self.findings: list[DataIssue] = []
        self.policy = policy_of(options, request.frozen)
        self.augmented = self.policy != Policy()
        self._budget = options.cache_mb * 2**20
        self._arguments = arguments

    @property
    def side(self) -> int:
        """Height and width of the input, in pixels."""
        return int(self.preprocessing["input_size"][-1])

    def prepare(self, examples: Sequence[ImageExample], train: bool) -> PreparedDataset:
        """Decode the images, once if they fit the budget; training images will be augmented when fetched."""
        targets = [example.target for example in examples]
        known = bool(targets) and all(each is not None for each in targets)
        encoded = self.request.output.stack(targets) if known else None
        transform = self._training() if train and self.augmented else self._evaluation()
        prepared = prepare(examples, transform, self._budget, self.request.fingerprint, encoded)
        if train and prepared.needs_workers and not (self.request.frozen and not self.augmented):
            message = (
                f"{len(examples)} decoded images need more than model.cache_mb={self._budget >> 20}, "
                "so they are decoded again in every epoch."
            )
            self.findings.append(DataIssue("images_not_cached", message, len(examples), level="info"))
        return prepared

    def _evaluation(self) -> ImageTransform:
        """Return timm's own evaluation transform for this model."""
        return ImageTransform(self.side, _shaper(self.preprocessing), f"timm {self._shaped()}")

    def _training(self) -> ImageTransform:
        """Return a transform that squeezes the whole image into a square with room to zoom in."""
        from PIL import Image

        side = round(self.side * ROOM)

        def squeeze(image: Image.Image) -> Image.Image:
            return image.resize((side, side), Image.Resampling.BICUBIC, reducing_gap=3.0)

        return ImageTransform(side, squeeze, "squeezed", float(self.preprocessing["crop_pct"]), self.policy)

    def _shaped(self) -> str:
        return json.dumps({key: self.preprocessing.get(key) for key in _SHAPED}, sort_keys=True)

    def collate(self, items: Sequence[MixedView]) -> dict[str, Tensor]:
        """Stack images and their random augmentation.

        Returns:
            `images`, uint8 [b + k, S, S, 3], the k partners of mixed examples last; with augmentation also `affine`,
            `shade` and `erase` of each image; with partners also `rows` (int64 [k], the example of each partner),
            `share`, `paste` and `partner_targets`; and `targets`, if known.
        """
        mixed = [(row, item) for row, item in enumerate(items) if item.partner is not None]
        views: list[View] = [*(item.view for item in items), *(item.partner for _, item in mixed if item.partner)]
        batch = {"images": _stack([view.pixels for view in views])}
        variations = [view.variation for view in views if view.variation is not None]
        if variations:
            batch |= {name: _stack([getattr(each, name) for each in variations]) for name in variations[0]._fields}
        if mixed:
            mixings = [item.mixing for _, item in mixed if item.mixing is not None]
            batch["rows"] = torch.tensor([row for row, _ in mixed])
            batch["share"] = torch.tensor([each.share for each in mixings], dtype=torch.float32)
            batch["paste"] = _stack([each.paste for each in mixings])
        if items[0].view.target is not None:
            batch["targets"] = _stack([item.view.target for item in items])
            if mixed:
                batch["partner_targets"] = _stack([item.partner.target for _, item in mixed if item.partner])
        return batch

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of each example, float32 [b]; for mixed examples, the weighted mean over both targets."""
        return self.head_loss(self.module(self._inputs(batch)), batch)

    def predict(self, batch: dict[str, Tensor]) -> Tensor:
        """Return predictions as the target type defines them, such as probabilities, float32 [b, c]."""
        return self.head_predict(self.module(self._inputs(batch)), batch)

    def head_loss(self, logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of each example from logits [b, c], float32 [b]."""
        request = self.request

        def of(rows: Tensor, targets: Tensor) -> Tensor:
            return per_example_loss(rows, targets, request.output, request.class_weights, request.label_smoothing)

        losses = of(logits, batch["targets"])
        if "rows" not in batch:
            return losses
        rows, share = batch["rows"], batch["share"]
        both = share * losses[rows] + (1 - share) * of(logits[rows], batch["partner_targets"])
        return losses.index_copy(0, rows, both)

    def head_predict(self, logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Return predictions from logits [b, c]."""
        return to_predictions(logits, self.request.output)

    def _inputs(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the network's input: float32 [b, 3, h, w], normalized."""
        seen = self.seen(batch)
        mean, std = (
            torch.tensor(self.preprocessing[name], device=seen.device).view(1, 3, 1, 1) for name in ("mean", "std")
        )
        return (seen - mean) / std

    @torch.no_grad()
    def seen(self, batch: dict[str, Tensor]) -> Tensor:
        """Return a batch of augmented and mixed images, float32 [b, 3, h, w], from 0 to 1."""
        images = batch["images"].permute(0, 3, 1, 2).float() / 255
        if "affine" not in batch:
            return images
        with torch.autocast(images.device.type, enabled=False):
            images = augmentation.warp(images, batch["affine"], self.side)
            images = augmentation.apply_shade(images, batch["shade"])
            blank = augmentation.inside(batch["erase"], self.side)
            images = torch.where(blank, images.mean(dim=(2, 3), keepdim=True), images)
            if "rows" not in batch:
                return images
            rows = batch["rows"]
            first, partners = images[: len(images) - len(rows)], images[len(images) - len(rows) :]
            mixed = augmentation.blend(first[rows], partners, batch["share"], batch["paste"])
            return first.index_copy(0, rows, mixed)

    def preview(self, examples: Sequence[ImageExample], prepared: PreparedDataset, seed: int) -> Image:
        """Return a sheet of training images, as in evaluation and as in the first epochs."""
        from plugins.images.preview import sheet

        assert isinstance(prepared, ImageDataset)
        return sheet(
            examples,
            prepared,
            self.request.output,
            seed,
            show=lambda items: self.seen(self.collate(items)),
            varied=self.augmented,
        )

    def enable_gradient_checkpointing(self) -> None:
        """Recompute each stage's activations in the backward pass.

        Raises:
            ConfigError: timm does not support it for this network.
        """
        module: Any = self.module
        try:
            module.set_grad_checkpointing(True)
        except (AttributeError, AssertionError) as error:
            message = f"timm does not support gradient checkpointing for {type(module).__name__}."
            raise ConfigError(Problem("train.gradient_checkpointing", message, "Leave it out.")) from error

    def save(self, directory: Path) -> None:
        """Write `model.safetensors` and `config.json` in the format of timm, with labels and preprocessing."""
        from safetensors.torch import save_file

        directory.mkdir(parents=True, exist_ok=True)
        module: Any = unwrap(self.module)
        weights = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
        save_file(weights, directory / "model.safetensors", {"format": "pt"})
        text = json.dumps(self._configuration(module), indent=2, ensure_ascii=False)
        (directory / "config.json").write_text(text + "\n", encoding="utf-8")

    def _configuration(self, module: Any) -> dict[str, Any]:
        known = module.pretrained_cfg
        kept = {
            name: known[name] for name in ("fixed_input_size", "first_conv", "classifier", "license") if known.get(name)
        }
        outputs, labels = self.request.output.width, self.request.labels
        one_each = outputs == len(labels)
        config = {
            "architecture": known["architecture"],
            "num_classes": outputs,
            "num_features": module.num_features,
            "label_names": list(labels) if one_each else [f"output_{number}" for number in range(outputs)],
            "pretrained_cfg": {
                **kept,
                **self.preprocessing,
                "num_classes": outputs,
                "pool_size": None,
                "custom_load": False,
            },
            "model_args": dict(self._arguments),
            "graft": {"target": self.request.task.target} | ({} if one_each else {"labels": list(labels)}),
        }
        if self.thresholds is not None:
            config["graft"]["thresholds"] = self.request.output.name_thresholds(self.thresholds)
        return config


class FeaturedImageModel(ImageModel):
    """A classifier whose backbone and head can run separately; see `core.SupportsFeatures`."""

    def features(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the pooled features, the input of the classifier, [b, d]."""
        module: Any = unwrap(self.module)
        found: Tensor = module.forward_head(module.forward_features(self._inputs(batch)), pre_logits=True)
        return found

    def head(self, features: Tensor) -> Tensor:
        """Return logits [b, c] from features."""
        module: Any = unwrap(self.module)
        logits: Tensor = module.get_classifier()(features)
        return logits


def policy_of(options: TimmOptions, frozen: bool) -> Policy:
    """Return the policy of `augment`, with explicitly configured shares of mixup and cutmix."""
    asked = options.augment if options.augment != "auto" else "none" if frozen else "light"
    policy = augmentation.POLICIES[asked]
    shares = {name: value for name in ("mixup", "cutmix") if (value := getattr(options, name)) is not None}
    if asked == "none" and not any(shares.values()):
        return policy
    return replace(policy, flip=options.flip and asked != "none", **shares)


def _shaper(preprocessing: Mapping[str, Any]) -> Callable[[Image], Image]:
    """Return timm's evaluation transform without the conversion to a tensor."""
    from timm.data import create_transform

    wanted = {name: preprocessing[name] for name in _SHAPED if preprocessing.get(name) is not None}
    steps = create_transform(**wanted, is_training=False).transforms
    shaping = [step for step in steps if type(step).__name__ not in ("ToTensor", "MaybeToTensor", "Normalize")]

    def shape(image: Image) -> Image:
        for step in shaping:
            image = step(image)
        return image

    return shape


def _stack(arrays: Sequence[Any]) -> Tensor:
    return torch.from_numpy(np.stack([np.asarray(each) for each in arrays]))
