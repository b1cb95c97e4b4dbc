"""Full, head, freeze and LoRA for each target type: they train, save, and predict the same when reopened.

Covers: plugins/methods/freezing.py
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.contracts.components import AdapterMethod, Metric, RunConfig
from core.contracts.train_config import TrainConfig
from core.inference.predictor import Predictor
from core.runs.run import run
from core.tasks.task import Task
from core.tasks.text import TextExample
from plugins.data.adapters.text import Table
from plugins.methods.lora import Lora
from plugins.methods.selective import Freeze, Full, Head
from plugins.metrics.classification import F1
from plugins.metrics.regression import Mae
from plugins.text.plugin import Encoder

TARGETS = {
    "single": (F1(), [["bad"], ["good"]]),
    "multi": (F1(), [["cold", "wet"], ["dry"], ["cold"]]),
    "regression": (Mae(), [[120.0], [80.5], [99.0]]),
}


def rows(target: str) -> list[dict[str, object]]:
    values = TARGETS[target][1]
    found = []
    for number in range(60):
        value = values[number % len(values)]
        label: object = value if target == "multi" else value[0]
        found.append({"text": f"word{number % len(values)} and number {number}", "label": label})
    return found


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "method", [Full(layer_decay=0.9), Head(), Freeze(layer_decay=0.9), Lora(rank=2)], ids=lambda method: method.name
)
def test_a_method_serves_a_target(target: str, method: AdapterMethod, tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows(target)), encoding="utf-8")
    metric: Metric = TARGETS[target][0]
    tiny = Encoder(
        init="auto", architecture="bert", checkpoint="nobody/nowhere", hidden_size=16, layers=1, vocabulary=300
    )
    config = RunConfig(
        task=Task(name="tiny", target=target, primary="score"),
        data=Table(path=str(source)),
        model=tiny,
        method=method,
        metrics={"score": metric},
        train=TrainConfig(epochs=1, batch_size=8, bootstrap_resamples=20),
    )
    value = run(config, tmp_path / "run", quiet=True)
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["status"] == "completed"
    assert report["self_test"]["passed"]
    assert value == report["scores"]["val"]["score"]["value"]
    trained, total = report["model"]["parameters"]["trainable"], report["model"]["parameters"]["total"]
    assert trained == total if method.name == "full" else trained < total
    written = [json.loads(line) for line in (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()]
    texts = [TextExample(row["text"]) for row in written]
    again = list(Predictor.open(tmp_path / "run").predict(texts))
    key = "value" if target == "regression" else "probabilities"
    for before, after in zip(written, again, strict=True):
        assert after[key] == pytest.approx(before[key], abs=2e-2, rel=2e-2)  # bf16, in batches of other shapes
