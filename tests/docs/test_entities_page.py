"""The page about entities: its code runs on a real model, and the pipeline of transformers finds Graft's entities."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "entities.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SMALL = (
    "train.max_steps=12",
    "train.learning_rate=0.02",
    "train.class_weights=auto",
    "train.bootstrap_resamples=0",
    "data.max_examples=60",
    "model.hidden_size=16",
    "model.layers=1",
    "model.attention_heads=2",
    "model.vocabulary=1000",
    "model.max_length=256",
)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real run; its tokenizer splits words as Graft does."""
    from core import run
    from core.config import resolve

    folder = tmp_path_factory.mktemp("entities") / "run"
    run(resolve(["task=ner", "model=bert", "model.init=scratch", *SMALL]), folder, quiet=True)
    return folder


def execute(code: str, folder: Path) -> dict[str, Any]:
    """Run code of the page, with the folder of a run in place of RUN; return its variables."""
    variables: dict[str, Any] = {}
    exec(code.replace("RUN", folder.as_posix()), variables)
    return variables


def test_the_pipeline_finds_the_entities_that_graft_finds(run_folder: Path) -> None:
    find = execute(CODE[0], run_folder)["find"]
    lines = [json.loads(line) for line in (run_folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len({entity["label"] for line in lines for entity in line["entities"]}) > 1
    for line in lines:
        others = [(each["start"], each["end"], each["entity_group"]) for each in find(line["text"])]
        assert others == [(each["start"], each["end"], each["label"]) for each in line["entities"]]


def test_simple_aggregation_cuts_words(run_folder: Path) -> None:
    find = execute(CODE[0].replace('"first"', '"simple"'), run_folder)["find"]
    text = "Marta Kowalska flew to Reykjavik with Zbigniew and Przemyslaw."
    borders = {at for match in re.finditer(r"\w+|\S", text) for at in match.span()}
    assert not {each[edge] for each in find(text) for edge in ("start", "end")} <= borders


def test_the_code_for_grafts_own_entities_runs(run_folder: Path) -> None:
    line = execute(CODE[1], run_folder)["line"]
    assert line["words"] == ["Marta", "flew", "to", "Lisbon", "on", "Monday", "."]
    assert all(line["text"][each["start"] : each["end"]] == each["text"] for each in line["entities"])


def test_the_metrics_on_the_page_are_those_of_the_preset() -> None:
    from core.config import resolve

    described = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`(?:entity|token)_[^|]+) \|", PAGE, re.MULTILINE)))
    assert described == list(resolve(["task=ner"]).metrics)


def test_commands_with_further_options_are_valid() -> None:
    """Options that the test of all pages does not read."""
    from core.config import resolve

    (added,) = re.findall(r"^ +(\+metric@.*)$", PAGE, re.MULTILINE)
    metric: Any = resolve(["task=ner", *added.split()]).metrics["entity_f1_partial"]
    assert metric.match == "partial"
    plain = resolve(
        ["task=token_classification", "data.path=x", *re.findall(r"metrics=plain_tags|task.primary=\w+", PAGE)]
    )
    assert plain.task.primary in plain.metrics


def test_the_columns_and_the_table_names_on_the_page_exist() -> None:
    from plugins.text.token_classification.writing import ENTITY_COLUMNS

    assert f"`{','.join(ENTITY_COLUMNS)}`" in PAGE


def test_the_plugin_is_installed_with_graft() -> None:
    entries = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    assert "token_classification" in entries["graft.plugins"]
