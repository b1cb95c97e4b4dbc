"""The text work: which sentences, and how both Graft and other libraries are told of it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.work import Options, Told
from core.errors import ConfigError, Problem
from core.options import option

DATA = "GRAFT_TEST_DATA"
FILES = {"train": "train.tsv", "val": "dev.tsv", "test": "test.tsv"}
"""The files of the Stanford Sentiment Treebank in `$GRAFT_TEST_DATA/sst2`: text, tab, 0 or 1."""


@dataclass(kw_only=True)
class TextOptions(Options):
    """What can be asked of the text work."""

    epochs: float = option(1.0, "Passes over the training split.", above=0)
    data: str = option("auto", "auto takes SST-2 where it is.", choices=("auto", "sst2", "reviews"))
    model: str = option("minilm", "A text model with pretrained weights on this machine.")


def tell(options: TextOptions, folder: Path) -> Told:
    """The work, with its files written into `folder`."""
    name, sizes = write(options.data, folder, options.examples)
    config = {
        "data": name, **{f"{split} examples": size for split, size in sizes.items()}, "model": options.model,
        "epochs": options.epochs, "batch size": options.batch_size, "max_steps": options.max_steps,
    }  # fmt: skip
    return Told(overrides(folder, options.model, options.epochs, options.batch_size, options.max_steps), config)


def write(source: str, folder: Path, examples: int) -> tuple[str, dict[str, int]]:
    """Write `train.tsv`, `val.tsv` and `test.tsv` for all peers to read; returns what they hold and their sizes.

    Args:
        source: `sst2`, `reviews`, or `auto` for the first where it is there.
        folder: Where to.
        examples: Most examples of each split, drawn by a fixed seed; 0 for all.

    Raises:
        ConfigError: `sst2` was asked for and is not there.
    """
    place = Path(os.environ[DATA]) / "sst2" if os.environ.get(DATA) else None
    there = place is not None and all((place / name).is_file() for name in FILES.values())
    if source == "sst2" and not there:
        cure = f"Set {DATA} to a folder that holds sst2/{{{','.join(FILES.values())}}}, or take data=reviews."
        raise ConfigError(Problem("data", "SST-2 is not here.", cure))
    name = "sst2" if source != "reviews" and there else "reviews"
    lines = _sst2(place) if name == "sst2" and place else _reviews()
    sizes = {}
    for split, rows in lines.items():
        kept = sorted(random.Random(0).sample(range(len(rows)), min(examples or len(rows), len(rows))))
        (folder / f"{split}.tsv").write_text("".join(rows[at] + "\n" for at in kept), encoding="utf-8")
        sizes[split] = len(kept)
    return name, sizes


def _sst2(place: Path) -> dict[str, list[str]]:
    return {split: (place / name).read_text(encoding="utf-8").splitlines() for split, name in FILES.items()}


def _reviews() -> dict[str, list[str]]:
    """The embedded reviews, cut as Graft cuts them."""
    from core.config import resolve

    config = resolve(["task=sentiment", "data=reviews"])
    splits = config.data.load(config.task, 0)
    named = {"train": splits.train, "val": splits.val, "test": splits.test}
    return {split: list(_lines(examples, splits.labels)) for split, examples in named.items()}


def _lines(examples: Iterable[object], labels: tuple[str, ...]) -> Iterable[str]:
    for each in examples:
        text, target = getattr(each, "text"), getattr(each, "target")
        yield f"{' '.join(text.split())}\t{labels[int(target)]}"


def overrides(folder: Path, model: str, epochs: float, batch_size: int, max_steps: int) -> list[str]:
    """The work as Graft's command line; the other peers read the same words."""
    data = [f"data.{split}={folder / split}.tsv" for split in FILES]
    form = ["data.text=0", "data.label=1", "data.header=absent", "data.quoting=none", "data.separator=tab"]
    train = [f"train.epochs={epochs:g}", f"train.batch_size={batch_size}"]
    if max_steps:
        train.append(f"train.max_steps={max_steps}")
    return ["task=text_classification", "data=table", *data, *form, f"model={model}", *train]
