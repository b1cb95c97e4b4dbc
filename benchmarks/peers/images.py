"""The image work: images and a network, for Graft and for other libraries.

All peers start from the same random weights, so nothing is downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import arguments as benchmarks_arguments
from benchmarks.peers.text import DATA
from benchmarks.peers.work import Options, WorkDescription
from core.errors import ConfigError, Problem
from core.options import option
from core.tasks import ImageClassification, Task

if TYPE_CHECKING:
    from torch import nn

    from core.contracts import RunConfig, Splits
    from core.tasks import ImageExample

PHOTOGRAPHS = "sign_digits"
"""The folder of `$GRAFT_TEST_DATA` with class folders of photographs of hands that show digits."""
DIGITS = "digits"
"""The value of `data` for the bundled digits of 8×8 pixels."""
LEARNING_RATE = 1e-3
"""Graft's rate for networks from scratch; `Trainer`'s 5e-5 suits pretrained ones, timm's default large batches.

A transformer of twelve blocks learns nothing for many epochs at this rate and small batches, so it has another rate.
"""


@dataclass(frozen=True)
class Network:
    """A network of timm that all peers train from scratch.

    Attributes:
        preset: Graft's preset.
        architecture: timm's name.
        epochs: Enough epochs to learn from a few hundred images.
        learning_rate: The peak learning rate.
        arguments: Arguments of the architecture.
    """

    preset: str
    architecture: str
    epochs: int
    learning_rate: float = LEARNING_RATE
    arguments: dict[str, int] = field(default_factory=dict)


NETWORKS = {
    "resnet18": Network("resnet", "resnet18", 10),
    "vit_tiny": Network(
        "vit", "vit_tiny_patch16_224", 15, 3e-4, {"patch_size": 8, "embed_dim": 192, "depth": 12, "num_heads": 3}
    ),
}
"""ResNet-18, 11.2M parameters; the Vision Transformer of DeiT-tiny's size, 5.4M, with patches for small images."""


@dataclass(kw_only=True)
class ImageOptions(Options):
    """The options of the image work."""

    model: str = option("resnet18", "The network, from scratch.", choices=tuple(NETWORKS))
    epochs: int = option(0, "Number of passes over the training split; 0 for 10 (resnet18) or 15 (vit_tiny).", low=0)
    image_size: int = option(64, "Height and width of the network's input in pixels.", low=16)
    data: str = option(
        "",
        "A folder with one folder of images per class, or digits for the bundled ones. Empty: sign_digits of "
        "GRAFT_TEST_DATA.",
    )


def describe(options: ImageOptions, folder: Path) -> WorkDescription:
    """Return the work as Graft's command line, which the other peers read too.

    Raises:
        ConfigError: The images do not exist.
    """
    place = _digits(folder / DIGITS) if options.data == DIGITS else _place(options.data)
    network = NETWORKS[options.model]
    epochs = options.epochs or network.epochs
    given = ",".join(f"{key}:{value}" for key, value in network.arguments.items())
    overrides = [
        "task=image_classification", "data=image_folder", f"data.path={benchmarks_arguments.quoted(place)}",
        f"model={network.preset}", "model.init=scratch", f"model.scratch={network.architecture}",
        *([f"model.scratch_args={{{given}}}"] if given else []), f"model.image_size={options.image_size}",
        f"train.epochs={epochs}", f"train.batch_size={options.batch_size}",
        f"train.learning_rate={network.learning_rate}",
    ]  # fmt: skip
    overrides += [f"data.max_examples={options.examples}"] if options.examples else []
    overrides += [f"train.max_steps={options.max_steps}"] if options.max_steps else []
    config = {
        "data": place.name, "most examples of a split": options.examples or "all", "model": options.model,
        "image size": options.image_size, "epochs": epochs, "batch size": options.batch_size,
        "learning rate": network.learning_rate, "max_steps": options.max_steps,
        "the same for all": "files and their split, random weights at the start, AdamW and its peak learning rate",
    }  # fmt: skip
    return WorkDescription(overrides, config, options.model)


def _digits(folder: Path) -> Path:
    """Write the bundled digits as class folders, which every library reads, and return their folder."""
    from plugins.data.adapters.images import Digits

    splits = Digits().load(Task(type=ImageClassification.name), 0)
    for number, example in enumerate([*splits.train, *splits.val, *splits.test]):
        place = folder / splits.labels[example.target]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:06}.png").write_bytes(example.image)
    return folder.absolute()


def _place(given: str) -> Path:
    place = Path(given) if given else Path(os.environ[DATA]) / PHOTOGRAPHS if os.environ.get(DATA) else None
    if place is None or not place.is_dir():
        cure = (
            f"Set data=DIR, a folder with one folder per class, or set {DATA} to a folder that contains {PHOTOGRAPHS}."
        )
        raise ConfigError(Problem("data", f"there is no folder {given}." if given else "there are no images.", cure))
    return place.absolute()


# --- shared by the other libraries' programs --------------------------------------------------------------------------


def network(config: RunConfig, labels: int) -> tuple[nn.Module, dict[str, Any]]:
    """Return the network with the same random weights as Graft's, and the arguments of its architecture.

    Args:
        config: Gives the architecture, its arguments and the seed.
        labels: Number of classes.
    """
    import timm
    import torch

    options: Any = config.model
    known = timm.get_pretrained_cfg(options.scratch)
    size = {"img_size": options.image_size} if known is not None and known.fixed_input_size else {}
    given = dict(options.scratch_args) | size
    torch.manual_seed(config.seed)
    return timm.create_model(options.scratch, num_classes=labels, **given), given


def link(splits: Splits, folder: Path) -> Path:
    """Link the images into folders `train` and `test` with one folder per class, and return their folder."""
    for name, examples in (("train", splits.train), ("test", splits.test)):
        _link(examples, splits.labels, folder / name)
    return folder


def _link(examples: Sequence[ImageExample], labels: Sequence[str], folder: Path) -> None:
    for number, example in enumerate(examples):
        assert isinstance(example.image, Path)
        assert isinstance(example.target, int)
        place = folder / labels[example.target] / f"{number:06}{example.image.suffix.lower()}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(example.image.absolute())
