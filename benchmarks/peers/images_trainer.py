"""transformers' `Trainer` with timm's networks as a peer on images: at its defaults, and tuned by hand."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.peers.measure import Result
from benchmarks.peers.program import Asked, Program, main

if TYPE_CHECKING:
    from torch import Tensor

MODULE = "benchmarks.peers.images_trainer"
LIKE_GRAFT = {"weight_decay": 0.01, "warmup_steps": 0.06}
DEFAULTS = Program(
    "trainer",
    "transformers' Trainer with its timm wrapper, at its defaults, and the transforms of its example (fp32, "
    "contiguous, images decoded in the main process; crops of 8 to 100% of the area, mirrored)",
    MODULE,
    {"bf16": False, "channels_last": False, "workers": False, "scale": [0.08, 1.0], "hflip": 0.5, "arguments": {}},
)
TUNED = Program(
    "trainer-tuned",
    "the same with bf16=True (if native), channels-last, and one persistent worker per core; augmented as "
    "lightly as Graft (crops of 70 to 100%, not mirrored)",
    MODULE,
    {"bf16": True, "channels_last": True, "workers": True, "scale": [0.7, 1.0], "hflip": 0.0, "arguments": LIKE_GRAFT},
)


def work(asked: Asked) -> Result:
    """Train and test, and return the measurements."""
    import torch
    from datasets import load_dataset
    from transformers import Trainer, set_seed

    from benchmarks.peers import hub, images

    set_seed(asked.config.seed)
    model = _wrapped(asked)
    if asked.settings["channels_last"]:
        model.to(memory_format=torch.channels_last)
    folder = str(images.link(asked.splits, asked.folder / "images"))
    data = load_dataset("imagefolder", data_dir=folder, cache_dir=str(asked.folder / "datasets"))
    for split, seen in zip(("train", "test"), _transforms(asked, model), strict=True):
        data[split].set_transform(_decoded(seen))
    more: dict[str, Any] = {"remove_unused_columns": False, "learning_rate": asked.config.train.learning_rate}
    if asked.settings["workers"]:
        more |= {"dataloader_num_workers": os.cpu_count() or 1, "dataloader_persistent_workers": True}
    trainer = Trainer(
        model=model,
        args=hub.arguments(asked, more),
        train_dataset=data["train"],
        data_collator=Stacked(asked.settings["channels_last"]),
    )
    return hub.trained(asked, trainer, len(data["train"]), data["test"])


def _wrapped(asked: Asked) -> Any:
    """Return timm's network in transformers' wrapper, with the random weights of all peers."""
    from transformers import TimmWrapperConfig, TimmWrapperForImageClassification

    from benchmarks.peers import images

    options: Any = asked.config.model
    network, given = images.network(asked.config, len(asked.splits.labels))
    config = TimmWrapperConfig(architecture=options.scratch, model_args=given, num_labels=len(asked.splits.labels))
    model = TimmWrapperForImageClassification(config)
    model.timm_model.load_state_dict(network.state_dict())
    return model


def _transforms(asked: Asked, model: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return the transforms from an image to the network's input, for training and for testing."""
    from timm.data import resolve_model_data_config
    from torchvision import transforms

    options: Any = asked.config.model
    known, side = resolve_model_data_config(model.timm_model), options.image_size
    numbers = [transforms.ToTensor(), transforms.Normalize(mean=known["mean"], std=known["std"])]
    crop = transforms.RandomResizedCrop(side, scale=tuple(asked.settings["scale"]))
    flip = [transforms.RandomHorizontalFlip(asked.settings["hflip"])] if asked.settings["hflip"] else []
    train = transforms.Compose([crop, *flip, *numbers])
    test = transforms.Compose([transforms.Resize(side), transforms.CenterCrop(side), *numbers])
    return train, test


def _decoded(seen: Callable[[Any], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return a transform that `datasets` applies to the requested rows."""

    def transform(rows: dict[str, Any]) -> dict[str, Any]:
        return {"pixel_values": [seen(image.convert("RGB")) for image in rows["image"]], "labels": rows["label"]}

    return transform


class Stacked:
    """Collates examples into a batch, channels-last or not."""

    def __init__(self, channels_last: bool) -> None:
        self.channels_last = channels_last

    def __call__(self, examples: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """Return `pixel_values`, float32 [b, 3, h, w], and `labels`, int64 [b]."""
        import torch

        pixels = torch.stack([each["pixel_values"] for each in examples])
        if self.channels_last:
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        return {"pixel_values": pixels, "labels": torch.tensor([each["labels"] for each in examples])}


if __name__ == "__main__":
    main(work)
