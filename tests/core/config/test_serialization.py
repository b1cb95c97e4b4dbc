"""Write a configuration to `config.yaml` and read it back.

Covers: core/config/yaml.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.config.compose import resolve
from core.config.serialization import config_text, difference, from_plain, read_config, to_plain
from core.config.yaml import from_yaml, to_yaml
from core.errors import ConfigError, GraftError, RunError


def test_a_configuration_survives_a_round_trip(tmp_path: Path) -> None:
    config = resolve(
        [
            "task=text_multilabel", "model=minilm", "method=lora", "method.targets=[query,value]",
            "method.dropout=0.1", "data.path=/x/reviews.csv", "data.label_columns=[a,b]", "train.learning_rate=1e-5",
            "train.given_class_weights={a: 1.0, b: 2.5}", "train.class_weights=given", "seed=7", "task.labels=[a,b]",
        ]
    )  # fmt: skip
    path = tmp_path / "config.yaml"
    path.write_text(config_text(config), encoding="utf-8")
    again = read_config(path)
    assert again == config
    assert to_plain(again) == to_plain(config)
    assert type(again.method).__name__ == "Lora"
    assert again.train.learning_rate == 1e-5


def test_each_component_is_named() -> None:
    plain = to_plain(resolve(["method=lora"]))
    assert [plain[group]["component"] for group in ("data", "model", "method")] == ["reviews", "encoder", "lora"]
    assert plain["metrics"]["f1_macro"]["component"] == "f1"


def test_local_paths_are_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    plain = to_plain(resolve(["task=text_classification", "data.path=here/reviews.csv"]))
    assert plain["data"]["path"] == str(tmp_path / "here" / "reviews.csv")
    assert plain["data"]["train"] == ""


def test_a_local_checkpoint_is_found_from_another_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    plain = to_plain(resolve(["model=encoder", "model.checkpoint=./mine"]))
    assert plain["model"]["checkpoint"] == str(tmp_path / "mine")
    assert to_plain(resolve([]))["model"]["checkpoint"] == "FacebookAI/roberta-base"


def edited(change: Any) -> dict[str, Any]:
    plain = to_plain(resolve(["method=lora"]))
    change(plain)
    return from_yaml(to_yaml(plain))


def test_a_file_edited_by_hand_is_checked_as_strictly_as_a_command_line() -> None:
    def change(plain: dict[str, Any]) -> None:
        plain["train"]["epoch"] = 3
        plain["method"]["rnak"] = 4
        plain["method"]["dropout"] = "much"
        del plain["model"]["component"]

    with pytest.raises(ConfigError) as caught:
        from_plain(edited(change), "runs/x/config.yaml")
    text = caught.value.report()
    assert "train.epoch: is not an option. (from runs/x/config.yaml)\n    Did you mean 'epochs'?" in text
    assert "Did you mean 'rank'?" in text
    assert "method.dropout: Value 'much' of type 'str' could not be converted to Float" in text
    assert "model: does not name its component" in text


def test_an_unknown_component_is_reported_with_the_nearest_name() -> None:
    with pytest.raises(GraftError, match=r"there is no method 'loar'.*\n.*Did you mean 'lora'"):
        from_plain(edited(lambda plain: plain["method"].update(component="loar")), "config.yaml")


@pytest.mark.parametrize("text", ["a: [", "just words", "- 1\n- 2\n"])
def test_values_that_are_not_a_mapping_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        read_config(path)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"config\.yaml: does not exist"):
        read_config(tmp_path / "config.yaml")


def test_differences_are_listed_by_leaf() -> None:
    before = {"train": {"epochs": 3.0, "ema": 0.0}, "metrics": {"f1": {"average": "macro"}}, "seed": 0}
    after = {"train": {"epochs": 5.0, "ema": 0.0}, "metrics": {}, "seed": 0}
    assert difference(before, after) == ["train.epochs: 3.0 -> 5.0", "metrics.f1: {'average': 'macro'} -> None"]
    assert difference(before, before) == []
