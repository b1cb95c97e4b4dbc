"""FCOS for the training loop: torchvision's network and loss, and predictions in pixels of the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from core.contracts import LoadedModel, LoadRequest, PreparedDataset, Provenance
from core.issues import DataIssue
from core.runtime import unwrap
from core.tasks import BoxExample, Detections
from plugins.detection import dataset
from plugins.detection.dataset import ScaleTransform
from plugins.detection.defaults import not_cached
from plugins.detection.fcos import network as parts
from plugins.detection.fcos import saving
from plugins.detection.fcos.augmentation import JitteredScenes, Strength
from plugins.detection.fcos.network import MEAN, STD, FcosArchitecture, Network
from plugins.detection.fcos.options import FcosOptions
from plugins.detection.letterbox import Letterboxed, View, corners_in, margins

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image


class FcosModel(LoadedModel):
    """A detector from torchvision.

    Args:
        detector: A `torchvision.models.detection.FCOS` on its device; it computes the loss and the boxes.
        architecture: The architecture it was built from.
        options: The component that loaded it.
        request: The load request.
        provenance: Where the base weights came from.
        defaults: Options of `train` that suit this model.
        side: Long side of images, and side of the squares that the network reads, in pixels.
    """

    def __init__(
        self,
        detector: Any,
        architecture: FcosArchitecture,
        options: FcosOptions,
        request: LoadRequest,
        provenance: Provenance,
        defaults: Mapping[str, float],
        side: int,
    ) -> None:
        self.module: nn.Module = Network(detector)
        self.architecture, self.options, self.request, self.side = architecture, options, request, side
        self.provenance, self.defaults = provenance, defaults
        self.heads = parts.HEADS
        self.layers = parts.layers_of(self.module)
        self.adapter_targets = parts.adapter_targets_of(self.module)
        self.findings: list[DataIssue] = []
        self.augmented = options.augment
        self._detector = detector
        self._places = parts.places(detector, side, request.device)
        self._mean, self._std = (
            torch.tensor(each, device=request.device).view(1, 3, 1, 1) * 255 for each in (MEAN, STD)
        )

    def prepare(self, examples: Sequence[BoxExample], train: bool) -> PreparedDataset:
        """Decode the images, once if they fit the budget; training images will be augmented when fetched."""
        options = self.options
        found = dataset.prepare(examples, self._transform(), options.cache_mb * 2**20, self.request.fingerprint)
        if train and found.needs_workers:
            self.findings.append(not_cached(len(examples), options.cache_mb))
        if train and self.augmented:
            strength = Strength(options.scale, options.translate, options.fliplr, options.shade)
            return JitteredScenes(found, strength, ahead=not self.request.device.startswith("cpu"))
        return Letterboxed(found)

    def _transform(self) -> ScaleTransform:
        """Return a transform that resizes with Pillow, which averages pixels when it shrinks an image."""
        from PIL import Image
        from PIL import __version__ as version

        def resize(pixels: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
            return np.asarray(Image.fromarray(pixels).resize(shape, Image.Resampling.BILINEAR), dtype=np.uint8)

        return ScaleTransform(self.side, resize, f"pillow {version} bilinear")

    def collate(self, items: Sequence[View]) -> dict[str, Tensor]:
        """Stack images, and concatenate their boxes.

        Returns:
            `images`, uint8 [b, 3, S, S], channels last in memory; `sizes`, float32 [b, 2], widths and heights of the
            original images; `corners`, float32 [k, 4], in pixels of the squares; `labels`, int64 [k];
            `counts`, int64 [b], the number of boxes of each image.
        """
        return {
            "images": torch.from_numpy(np.stack([item.pixels for item in items])).permute(0, 3, 1, 2),
            "sizes": torch.tensor([item.size for item in items], dtype=torch.float32),
            "corners": torch.from_numpy(np.concatenate([corners_in(item) for item in items])),
            "labels": torch.from_numpy(np.concatenate([item.labels for item in items])),
            "counts": torch.tensor([len(item.labels) for item in items]),
        }

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Return torchvision's loss of a batch, float32 []: labels, boxes and centerness, over all objects."""
        raw = self._raw(batch)
        with torch.autocast(batch["images"].device.type, enabled=False):
            counts = batch["counts"].tolist()
            boxes, labels = torch.split(batch["corners"], counts), torch.split(batch["labels"], counts)
            targets = [{"boxes": one, "labels": other} for one, other in zip(boxes, labels, strict=True)]
            anchors = [torch.cat(self._places)] * len(counts)
            terms: dict[str, Tensor] = self._detector.compute_loss(targets, raw, anchors, self._per_level())
            return torch.stack(list(terms.values())).sum()

    def _per_level(self) -> list[int]:
        return [len(each) for each in self._places]

    def _raw(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the network's output, always in float32, because boxes in bfloat16 would be coarse."""
        said = self.module((batch["images"].float() - self._mean) / self._std)
        return {name: value.float() for name, value in said.items()}

    def predict(self, batch: dict[str, Tensor]) -> list[Detections]:
        """Return the objects in each image, most confident first, in pixels of the stored upright image."""
        raw = self._raw(batch)
        with torch.autocast(batch["images"].device.type, enabled=False):
            levels = {name: torch.split(value, self._per_level(), dim=1) for name, value in raw.items()}
            sizes = batch["sizes"].tolist()
            found = self._detector.postprocess_detections(
                levels, [self._places] * len(sizes), [(self.side, self.side)] * len(sizes)
            )
        return [self._detections(each, (int(w), int(h))) for each, (w, h) in zip(found, sizes, strict=True)]

    def _detections(self, found: Mapping[str, Tensor], size: tuple[int, int]) -> Detections:
        """Return objects in pixels of the image instead of the square, without those fully outside."""
        width, height = self._transform().shape(size)
        left, top = margins(width, height, self.side)
        ratios = np.asarray([size[0] / width, size[1] / height] * 2, dtype=np.float32)
        corners = (found["boxes"].cpu().numpy() - np.asarray([left, top] * 2, dtype=np.float32)) * ratios
        corners = np.clip(corners, 0, np.asarray([*size, *size], dtype=np.float32))
        kept = (corners[:, 2:] > corners[:, :2]).all(axis=1)
        scores, labels = found["scores"].cpu().numpy(), found["labels"].cpu().numpy()
        return Detections(corners[kept], scores[kept], labels[kept])

    def preview(self, examples: Sequence[BoxExample], prepared: PreparedDataset, seed: int) -> Image:
        """Return a sheet of training images with boxes, original and as in the first epochs."""
        from plugins.detection.preview import sheet

        return sheet(examples, prepared, self.request.labels, seed, varied=self.augmented)

    def save(self, directory: Path) -> None:
        """Write `model.safetensors`, with torchvision's names, and `config.json`."""
        saving.save(
            unwrap(self.module),
            directory,
            architecture=self.architecture,
            options=self.options,
            request=self.request,
            side=self.side,
            thresholds=self.thresholds,
        )
