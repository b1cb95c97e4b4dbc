"""A plain loop with timm's parts as a peer on images: with the defaults of timm's train.py, and tuned by hand."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.peers.measure import Result
from benchmarks.peers.program import Asked, Program, counted, device, main

if TYPE_CHECKING:
    from torch import Tensor, nn

MODULE = "benchmarks.peers.images_timm"
LOG_STEPS = 50


@dataclass(frozen=True)
class Settings:
    """The loop's settings; the defaults are those of timm's `train.py`, except AdamW, which all peers use.

    Attributes:
        amp: Whether matrix products are in bf16 if the hardware has it natively (`--amp --amp-dtype bfloat16`).
        channels_last: Whether network and images are channels-last.
        workers: Number of decoding processes; 0 for one per core.
        multi_epochs: Whether workers keep decoding across epochs (`--use-multi-epochs-loader`).
        fused: Whether AdamW is one kernel (`--opt-kwargs fused=True`).
        weight_decay: Weight decay of matrices.
        smoothing: Label smoothing.
        warmup: Share of all epochs for the warm-up; None for five epochs, in whole epochs.
        scale: Minimum and maximum share of the image's area in training crops.
        hflip: Share of the images that are mirrored.
        color_jitter: Maximum change of brightness, contrast and saturation.
        crop_pct: Share of the image in test crops; None for the network's default.
    """

    amp: bool = False
    channels_last: bool = False
    workers: int = 4
    multi_epochs: bool = False
    fused: bool = False
    weight_decay: float = 2e-5
    smoothing: float = 0.1
    warmup: float | None = None
    scale: tuple[float, float] = (0.08, 1.0)
    hflip: float = 0.5
    color_jitter: float = 0.4
    crop_pct: float | None = None


AS_TUNED = Settings(
    amp=True, channels_last=True, workers=0, multi_epochs=True, fused=True, weight_decay=0.01, smoothing=0.0,
    warmup=0.06, scale=(0.7, 1.0), hflip=0.0, color_jitter=0.15, crop_pct=1.0,
)  # fmt: skip
DEFAULTS = Program(
    "timm",
    "a plain timm loop with the defaults of timm's train.py (fp32, contiguous, 4 workers; crops of 8 to 100% of the "
    "area, mirrored, color jitter 0.4, label smoothing 0.1; an incomplete last batch is dropped)",
    MODULE,
    asdict(Settings()),
)
TUNED = Program(
    "timm-tuned",
    "the same loop with bf16 (if native), channels-last, one persistent worker per core, and fused AdamW; "
    "augmented as lightly as Graft (crops of 70 to 100%, not mirrored, color jitter 0.15)",
    MODULE,
    asdict(AS_TUNED),
)


@dataclass
class Trained:
    """The loop's measurements: total seconds, seconds spent waiting for batches, steps and examples."""

    seconds: float = 0.0
    waited: float = 0.0
    steps: int = 0
    examples: int = 0


@dataclass
class Loop:
    """The training of one network.

    Attributes:
        model: The network; trained in place.
        settings: The settings.
        device: The device.
        bf16: Whether matrix products are in bf16.
        done: The measurements so far.
    """

    model: nn.Module
    settings: Settings
    device: str
    bf16: bool
    done: Trained = field(default_factory=Trained)

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context for forward pass and loss."""
        import torch

        return torch.autocast(self.device, dtype=torch.bfloat16) if self.bf16 else nullcontext()

    def laid_out(self, images: Tensor) -> Tensor:
        """Return images [b, 3, h, w] in the network's memory layout."""
        import torch

        return images.contiguous(memory_format=torch.channels_last) if self.settings.channels_last else images

    def fit(self, loader: Any, loss: nn.Module, optimizer: Any, scheduler: Any, epochs: int, most: int) -> None:
        """Train.

        Args:
            loader: Yields the images and targets of an epoch.
            loss: The loss of logits and targets.
            optimizer: The optimizer of the network's parameters.
            scheduler: A scheduler of timm.
            epochs: Number of epochs.
            most: Maximum number of steps; 0 for no limit.
        """
        from timm.utils import AverageMeter

        started, losses = time.perf_counter(), AverageMeter()
        for epoch in range(epochs):
            self.model.train()
            for images, targets in self._waited_for(loader):
                with self.autocast():
                    value = loss(self.model(self.laid_out(images)), targets)
                value.backward()
                optimizer.step()
                optimizer.zero_grad()
                losses.update(value.item(), len(images))
                self.done.steps += 1
                self.done.examples += len(images)
                scheduler.step_update(num_updates=self.done.steps, metric=losses.avg)
                if self.done.steps % LOG_STEPS == 0:
                    sys.stderr.write(f"epoch {epoch + 1} step {self.done.steps} loss {losses.avg:.4f}\n")
                if self.done.steps == most:
                    self.done.seconds = time.perf_counter() - started
                    return
            scheduler.step(epoch + 1, losses.avg)
        self.done.seconds = time.perf_counter() - started

    def _waited_for(self, loader: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the loader's batches, and measure the waits for them."""
        ended = time.perf_counter()
        for batch in loader:
            self.done.waited += time.perf_counter() - ended
            yield batch
            ended = time.perf_counter()

    def accuracy(self, loader: Any) -> float:
        """Return the share of correctly classified images."""
        import torch

        right, seen = 0, 0
        self.model.eval()
        with torch.inference_mode():
            for images, targets in loader:
                with self.autocast():
                    logits = self.model(self.laid_out(images))
                right += int((logits.argmax(dim=1) == targets).sum())
                seen += len(targets)
        return right / seen


def work(asked: Asked) -> Result:
    """Train and test, and return the measurements."""
    import torch
    from timm.loss import LabelSmoothingCrossEntropy
    from timm.optim import create_optimizer_v2
    from timm.scheduler import create_scheduler_v2
    from timm.utils import random_seed

    from benchmarks.peers import images
    from core.runtime import bf16_native

    settings, train, where = Settings(**asked.settings), asked.config.train, device()
    random_seed(asked.config.seed, 0)
    model, _ = images.network(asked.config, len(asked.splits.labels))
    model.to(where)
    if settings.channels_last:
        model.to(memory_format=torch.channels_last)
    loader, test = _loaders(asked, settings, model, where)
    more = {"fused": True} if settings.fused else {}
    assert train.learning_rate is not None
    assert train.epochs is not None
    epochs, rate, decay = int(train.epochs), train.learning_rate, settings.weight_decay
    optimizer = create_optimizer_v2(model, opt="adamw", lr=rate, weight_decay=decay, **more)
    warmup = 5 if settings.warmup is None else settings.warmup * epochs
    scheduler, _ = create_scheduler_v2(
        optimizer, sched="cosine", num_epochs=epochs, warmup_epochs=warmup, warmup_lr=1e-5,
        step_on_epochs=settings.warmup is None, updates_per_epoch=len(loader),
    )  # fmt: skip
    smoothing = settings.smoothing
    loss = LabelSmoothingCrossEntropy(smoothing) if smoothing else torch.nn.CrossEntropyLoss()
    loop = Loop(model, settings, where, settings.amp and bf16_native(where))
    loop.fit(loader, loss, optimizer, scheduler, epochs, train.max_steps)
    return Result(
        train_seconds=round(loop.done.seconds, 4),
        examples=loop.done.examples,
        scores={"accuracy": loop.accuracy(test)},
        parameters=counted(model),
        precision="bf16" if loop.bf16 else "fp32",
        data_wait_seconds=round(loop.done.waited, 4),
        detail={"steps": loop.done.steps, "learning_rate": rate, "settings": dict(asked.settings)},
    )


def _loaders(asked: Asked, settings: Settings, model: Any, where: str) -> tuple[Any, Any]:
    """Return timm's loaders of the training and the test images."""
    import torch
    from timm.data import create_dataset, create_loader, resolve_data_config

    from benchmarks.peers import images

    options: Any = asked.config.model
    wanted = {"img_size": options.image_size} | ({"crop_pct": settings.crop_pct} if settings.crop_pct else {})
    config = resolve_data_config(wanted, model=model)
    root = str(images.link(asked.splits, asked.folder / "images"))
    same = {
        "input_size": config["input_size"], "batch_size": asked.config.train.batch_size, "mean": config["mean"],
        "std": config["std"], "num_workers": settings.workers or os.cpu_count() or 1, "device": torch.device(where),
    }  # fmt: skip
    train = create_loader(
        create_dataset("", root, split="train", is_training=True), is_training=True, scale=settings.scale,
        hflip=settings.hflip, color_jitter=settings.color_jitter, interpolation="random",
        use_multi_epochs_loader=settings.multi_epochs, **same,
    )  # fmt: skip
    test = create_loader(
        create_dataset("", root, split="test"),
        interpolation=config["interpolation"],
        crop_pct=config["crop_pct"],
        **same,
    )
    return train, test


if __name__ == "__main__":
    main(work)
