"""YOLO for the training loop: Ultralytics' network and loss, and predictions in pixels of the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from core.contracts import LoadedModel, LoadRequest, PreparedDataset, Provenance, TrainingPlan
from core.issues import DataIssue
from core.runtime import unwrap
from core.tasks import BoxExample, Detections
from plugins.detection import dataset
from plugins.detection.dataset import ScaleTransform
from plugins.detection.defaults import not_cached
from plugins.detection.letterbox import Letterboxed, Schedule, View
from plugins.detection.yolo import network as parts
from plugins.detection.yolo import saving
from plugins.detection.yolo.augmentation import MosaicScenes
from plugins.detection.yolo.network import YoloArchitecture
from plugins.detection.yolo.options import YoloOptions
from plugins.detection.yolo.ultralytics import library, one_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image


MANY_FIRST, MANY_LAST = 0.8, 0.1
"""With two heads: weight of the one-to-many head's loss at the start and at the end of training."""
_FOREVER = 1e9


class YoloModel(LoadedModel):
    """A detector from Ultralytics.

    Args:
        network: An `ultralytics.nn.tasks.DetectionModel` on its device.
        architecture: The architecture it was built from.
        options: The component that loaded it.
        request: The load request.
        provenance: Where the base weights came from.
        defaults: Options of `train` that suit this model.
        side: Long side of images, and side of the squares that the network reads, in pixels.
    """

    def __init__(
        self,
        network: Any,
        architecture: YoloArchitecture,
        options: YoloOptions,
        request: LoadRequest,
        provenance: Provenance,
        defaults: Mapping[str, float],
        side: int,
    ) -> None:
        parts.prepare_for_training(network)
        self.module: nn.Module = network
        self.architecture, self.options, self.request, self.side = architecture, options, request, side
        self.provenance, self.defaults = provenance, defaults
        self.heads = (parts.head_of(network),)
        self.layers = parts.layers_of(network)
        self.adapter_targets = parts.adapter_targets_of(network)
        self.findings: list[DataIssue] = []
        self.augmented = options.augment
        self.schedule = Schedule(closing=options.close_mosaic)
        self.two_heads = getattr(network.model[-1], "one2one_cv2", None) is not None
        self._detect = network.model[-1]
        network.args = SimpleNamespace(box=options.box, cls=options.cls, dfl=options.dfl, epochs=1)
        self._criterion = network.init_criterion()

    def on_train_start(self, plan: TrainingPlan) -> None:
        """Store the number of epochs, which determines when mosaics stop and how the two heads are weighted."""
        self.schedule.epochs = plan.epochs

    def prepare(self, examples: Sequence[BoxExample], train: bool) -> PreparedDataset:
        """Decode the images, once if they fit the budget; training images will be augmented when fetched."""
        budget = self.options.cache_mb * 2**20
        with one_thread():
            found = dataset.prepare(examples, self._transform(), budget, self.request.fingerprint)
        if train and found.needs_workers:
            self.findings.append(not_cached(len(examples), self.options.cache_mb))
        if train and self.augmented:
            return MosaicScenes(found, self.options, self.schedule, ahead=not self.request.device.startswith("cpu"))
        return Letterboxed(found)

    def _transform(self) -> ScaleTransform:
        """Return a transform that resizes as Ultralytics' letterbox does."""
        cv2 = library().cv2

        def resize(pixels: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
            scaled: NDArray[np.uint8] = cv2.resize(pixels, shape, interpolation=cv2.INTER_LINEAR)
            return scaled

        return ScaleTransform(self.side, resize, f"cv2 {cv2.__version__} linear")

    def collate(self, items: Sequence[View]) -> dict[str, Tensor]:
        """Stack images, and concatenate their boxes.

        Returns:
            `img`, uint8 [b, 3, S, S], channels last in memory; `sizes`, float32 [b, 2], widths and heights of the
            original images; `bboxes`, float32 [k, 4], center, width and height as shares of S; `cls`, float32
            [k, 1]; `batch_idx`, float32 [k], the image of each box; `done`, float32 [], the share of training done.
        """
        images = torch.from_numpy(np.stack([item.pixels for item in items]))
        counts = [len(item.labels) for item in items]
        return {
            "img": images.permute(0, 3, 1, 2),
            "sizes": torch.tensor([item.size for item in items], dtype=torch.float32),
            "bboxes": torch.from_numpy(np.concatenate([item.boxes for item in items])),
            "cls": torch.from_numpy(np.concatenate([item.labels for item in items]).astype(np.float32)).view(-1, 1),
            "batch_idx": torch.repeat_interleave(torch.tensor(counts)).float(),
            "done": torch.tensor(self.schedule.share(items[0].epoch), dtype=torch.float32),
        }

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Return Ultralytics' loss of a batch, float32 []: boxes, labels and distances, each weighted."""
        raw = self._raw(batch)
        with torch.autocast(batch["img"].device.type, enabled=False):
            if not self.two_heads:
                return self._of_head(self._criterion, raw, batch)
            many = MANY_FIRST + (MANY_LAST - MANY_FIRST) * batch["done"]
            often = self._of_head(self._criterion.one2many, raw["one2many"], batch)
            once = self._of_head(self._criterion.one2one, raw["one2one"], batch)
            return many * often + (1 - many) * once

    def _of_head(self, criterion: Any, raw: Mapping[str, Any], batch: dict[str, Tensor]) -> Tensor:
        """Return one head's loss, float32 []. Ultralytics multiplies it by the number of images."""
        terms: Tensor = criterion.loss(_in_full(raw), batch)[0]
        return terms.sum() / len(batch["img"])

    def _raw(self, batch: dict[str, Tensor]) -> Any:
        """Return raw outputs before boxes are decoded: a dictionary, or one for each of two heads."""
        said = self.module(batch["img"].float() / 255)
        return said[1] if isinstance(said, tuple) else said

    def predict(self, batch: dict[str, Tensor]) -> list[Detections]:
        """Return the objects in each image, most confident first, in pixels of the stored upright image.

        Boxes are always decoded in float32, because bfloat16 resolves pixels only to about one in 256.
        """
        raw = self._raw(batch)
        with torch.autocast(batch["img"].device.type, enabled=False):
            if self.two_heads and self.options.one_to_one:
                found = self._most_confident(self._decoded(_in_full(raw["one2one"]), corners=True))
            else:
                found = self._suppressed(self._decoded(_in_full(raw["one2many"] if self.two_heads else raw)))
        return [self._detections(each, size) for each, size in zip(found, batch["sizes"].tolist(), strict=True)]

    def _decoded(self, raw: Mapping[str, Any], corners: bool = False) -> Tensor:
        """Return boxes in pixels of the square, and the scores of all labels: float32 [b, 4 + c, anchors]."""
        head, tal = self._detect, library().tal
        anchors, strides = tal.make_anchors(raw["feats"], head.stride.to(raw["boxes"].device), 0.5)
        boxes = tal.dist2bbox(head.dfl(raw["boxes"]), anchors.T.unsqueeze(0), xywh=not corners, dim=1) * strides.T
        return torch.cat([boxes, raw["scores"].sigmoid()], dim=1)

    def _suppressed(self, decoded: Tensor) -> list[Tensor]:
        """Return boxes after Ultralytics' NMS on each box's best label, without its time limit, [k, 6] per image."""
        options = self.options
        found: list[Tensor] = library().nms.non_max_suppression(
            decoded,
            options.score_threshold,
            options.nms_threshold,
            max_det=options.max_detections,
            max_time_img=_FOREVER,
        )
        return found

    def _most_confident(self, decoded: Tensor) -> list[Tensor]:
        """Return the most confident pairs of box and label from the one-to-one head, [k, 6] per image."""
        boxes, scores = decoded[:, :4].transpose(1, 2), decoded[:, 4:].transpose(1, 2).flatten(1)
        labels = decoded.shape[1] - 4
        best, index = scores.topk(min(self.options.max_detections, scores.shape[1]), dim=1)
        places = boxes.gather(1, (index // labels).unsqueeze(-1).expand(-1, -1, 4))
        rows = torch.cat([places, best.unsqueeze(-1), (index % labels).unsqueeze(-1).float()], dim=-1)
        return [row[row[:, 4] > self.options.score_threshold] for row in rows]

    def _detections(self, found: Tensor, size: Sequence[float]) -> Detections:
        """Return objects in pixels of the image instead of the square, without those fully outside."""
        rows = found.float().cpu()
        shape = (int(size[1]), int(size[0]))
        corners = library().ops.scale_boxes((self.side, self.side), rows[:, :4].clone(), shape).numpy()
        kept = (corners[:, 2:] > corners[:, :2]).all(axis=1)
        scores, labels = rows[:, 4].numpy(), rows[:, 5].numpy().astype(np.int64)
        return Detections(corners[kept], scores[kept], labels[kept])

    def preview(self, examples: Sequence[BoxExample], prepared: PreparedDataset, seed: int) -> Image:
        """Return a sheet of training images with boxes, original and as in the first epochs."""
        from plugins.detection.preview import sheet

        return sheet(examples, prepared, self.request.labels, seed, varied=self.augmented)

    def save(self, directory: Path) -> None:
        """Write `model.safetensors`, `model.yaml` and `config.json`, and `yolo.pt` for `ultralytics.YOLO`."""
        saving.save(
            unwrap(self.module),
            directory,
            architecture=self.architecture,
            options=self.options,
            request=self.request,
            side=self.side,
            thresholds=self.thresholds,
        )


def _in_full(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return raw predictions in float32, with feature maps replaced by empty ones of the same shape."""
    blank = raw["boxes"].new_zeros((), dtype=torch.float32)
    features = [blank.expand(each.shape) for each in raw["feats"]]
    return {"boxes": raw["boxes"].float(), "scores": raw["scores"].float(), "feats": features}
