"""The text work: sentences and a model, for Graft and for other libraries."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.work import Options, WorkDescription
from core.errors import ConfigError, Problem
from core.options import option

DATA = "GRAFT_TEST_DATA"
FILES = {"train": "train.tsv", "val": "dev.tsv", "test": "test.tsv"}
"""The files of the Stanford Sentiment Treebank in `$GRAFT_TEST_DATA/sst2`: text, tab, 0 or 1."""


@dataclass(kw_only=True)
class TextOptions(Options):
    """The options of the text work."""

    epochs: float = option(1.0, "Number of passes over the training split.", above=0)
    data: str = option("auto", "The sentences. auto: SST-2 if it is available.", choices=("auto", "sst2", "reviews"))
    model: str = option("minilm", "A text model with pretrained weights on this machine.")


def describe(options: TextOptions, folder: Path) -> WorkDescription:
    """Write the work's files into `folder`, and return the work."""
    name, sizes = write(options.data, folder, options.examples)
    config = {
        "data": name, **{f"{split} examples": size for split, size in sizes.items()}, "model": options.model,
        "epochs": options.epochs, "batch size": options.batch_size, "max_steps": options.max_steps,
    }  # fmt: skip
    return WorkDescription(
        overrides(folder, options.model, options.epochs, options.batch_size, options.max_steps), config
    )


def write(source: str, folder: Path, examples: int) -> tuple[str, dict[str, int]]:
    """Write `train.tsv`, `val.tsv` and `test.tsv` for all peers; return the name of the data and the splits' sizes.

    Args:
        source: `sst2`, `reviews`, or `auto` for SST-2 if it is available.
        folder: The folder to write into.
        examples: Maximum number of examples per split, drawn with a fixed seed; 0 for all.

    Raises:
        ConfigError: The source is `sst2`, which is not available.
    """
    place = Path(os.environ[DATA]) / "sst2" if os.environ.get(DATA) else None
    there = place is not None and all((place / name).is_file() for name in FILES.values())
    if source == "sst2" and not there:
        cure = f"Set {DATA} to a folder that contains sst2/{{{','.join(FILES.values())}}}, or use data=reviews."
        raise ConfigError(Problem("data", "SST-2 is not available.", cure))
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
    """Return the bundled reviews, split as Graft splits them."""
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
    """Return the work as Graft's command line, which the other peers read too."""
    data = [f"data.{split}={folder / split}.tsv" for split in FILES]
    form = ["data.text=0", "data.label=1", "data.header=absent", "data.quoting=none", "data.separator=tab"]
    train = [f"train.epochs={epochs:g}", f"train.batch_size={batch_size}"]
    if max_steps:
        train.append(f"train.max_steps={max_steps}")
    return ["task=text_classification", "data=table", *data, *form, f"model={model}", *train]
