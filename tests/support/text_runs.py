"""Command-line words that make a real encoder small, and tables for it to learn from."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

SIZES = (
    "model.hidden_size=16", "model.layers=1", "model.attention_heads=2", "model.vocabulary=300", "model.max_length=24",
)  # fmt: skip
ENCODER = ("model=encoder", "model.init=scratch", "model.architecture=bert", *SIZES)
TRAIN = (
    "train.batch_size=8", "train.bootstrap_resamples=20", "train.precision=fp32", "train.device=cpu",
    "train.max_steps=12", "train.baselines=false", "train.log_steps=2",
)  # fmt: skip
TEXTS = ("a fine and lovely thing", "a poor and broken thing", "it is what it is")
LABELS = ("good", "bad", "so so")


def rows(n: int = 60) -> list[tuple[str, str]]:
    """Texts and labels, none twice."""
    return [(f"{TEXTS[i % 3]} {'very ' * (i % 5)}number {i}", LABELS[i % 3]) for i in range(n)]


def table(path: Path, n: int = 60) -> Path:
    """A CSV file of them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows(n)])
    return path


def words(path: Path, *more: str) -> list[str]:
    """A command line that trains on a table, in about a second."""
    return ["task=text_classification", f"data.path={path}", *ENCODER, *TRAIN, *more]


def lines(text: str) -> list[dict[str, Any]]:
    """JSON Lines."""
    return [json.loads(line) for line in text.splitlines()]


def report(run: Path) -> dict[str, Any]:
    """A run's report."""
    found: dict[str, Any] = json.loads((run / "report.json").read_text(encoding="utf-8"))
    return found
