"""The commands of the command line.

Covers: core/cli/main.py, core/cli/commands/check.py, core/cli/commands/list.py, core/cli/commands/plugins.py,
core/cli/commands/show.py
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import text_runs

from core.cli.main import split_flags
from core.config import presets
from core.registry import hookspecs
from core.registry.preset_files import Preset
from core.registry.registry import EXTENSION_POINTS, load_registry

Graft = Callable[..., tuple[int, str, str]]


def test_no_arguments_prints_a_short_help(graft: Graft) -> None:
    code, out, err = graft()
    assert (code, err) == (0, "")
    assert out == graft("--help")[1] == graft("-h")[1] == graft("help")[1]
    for command in ("list", "show", "plugins", "check", "resume", "evaluate", "predict", "export", "--debug", "-m"):
        assert command in out
    assert len(out.splitlines()) < 30
    assert max(map(len, out.splitlines())) <= 110


def test_version(graft: Graft) -> None:
    from core import __version__

    assert graft("--version") == (0, f"graft {__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["lst"], "there is no command 'lst'. Did you mean 'list'?"),
        (["evalute", "runs/x", "data=table"], "there is no command 'evalute'. Did you mean 'evaluate'?"),
        (["qqq"], "Arguments of a training run are key=value"),
        (["list", "modle"], "there is no group 'modle'.\n    Did you mean 'model'?"),
        (["show", "model/robeta"], "there is no model 'robeta'.\n    Did you mean 'roberta'?"),
        (["show", "modle/roberta"], "there is no group 'modle'"),
        (["resume", "nowhere"], "nowhere: is not a run's folder"),
        (["predict", "nowhere", "text"], "nowhere: is not a run's folder"),
        (["evaluate", "nowhere"], "nowhere: is not a run's folder"),
        (["export", "nowhere"], "nowhere: is not a run's folder"),
        (["check", "train.epoch=1"], "Did you mean train.epochs?"),
    ],
)
def test_an_unknown_name_is_reported_with_the_nearest(graft: Graft, words: list[str], hint: str) -> None:
    code, out, err = graft(*words)
    assert (code, out) == (2, "")
    assert hint in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["list", "show", "plugins", "check", "resume", "evaluate", "predict", "export"])
def test_each_command_has_a_help(graft: Graft, command: str) -> None:
    code, out, _ = graft(command, "--help")
    assert code == 0
    assert f"usage: graft {command}" in out


def test_list_shows_every_component_and_preset(graft: Graft) -> None:
    code, out, _ = graft("list")
    assert code == 0
    for group, components in load_registry().components.items():
        for name in components:
            assert f"  {name}" in out, group
    for preset in presets.every():
        assert preset.summary in out
    assert "task=" in out
    everything = json.loads(graft("list", "--json")[1])
    assert {"group": "method", "name": "lora", "owner": "methods", "form": "component"}.items() <= next(
        entry for entry in everything if entry["name"] == "lora"
    ).items()
    assert all(entry["summary"] for entry in everything)


def test_list_of_one_group(graft: Graft) -> None:
    for word in ("model", "models"):
        code, out, _ = graft("list", word)
        assert code == 0
        assert "roberta" in out
        assert "lora" not in out


def test_show_prints_every_option_with_its_default_and_help(graft: Graft) -> None:
    code, out, _ = graft("show", "method/lora")
    assert code == 0
    assert "  method.rank=8  (int)\n      Rank of each matrix's update.\n" in out
    code, out, _ = graft("show", "train")
    assert "train.schedule=" in out
    assert "One of: linear, cosine, constant." in out
    code, out, _ = graft("show", "model/roberta")
    assert "checkpoint: FacebookAI/roberta-base" in out
    assert "model.max_length=256" in out
    shown = json.loads(graft("show", "model/roberta", "--json")[1])
    assert {option["name"] for option in shown["options"]} >= {"checkpoint", "init", "max_length"}


@pytest.mark.parametrize("preset", presets.every(), ids=lambda preset: f"{preset.group}/{preset.name}")
def test_every_preset_can_be_shown(graft: Graft, preset: Preset) -> None:
    code, out, _ = graft("show", f"{preset.group}/{preset.name}")
    assert code == 0
    assert preset.summary in out


def test_a_preset_that_extends_a_preset_is_shown_with_the_options_of_its_component(
    graft: Graft, tmp_path: Path
) -> None:
    (tmp_path / "mine" / "model").mkdir(parents=True)
    for name, base in {"long": "roberta", "longer": "long", "round": "around", "around": "round"}.items():
        text = f"# A {name} one.\ndefaults:\n  - {base}  # what it extends\n  - _self_\n"
        (tmp_path / "mine" / "model" / f"{name}.yaml").write_text(text)
    expected = json.loads(graft("show", "model/encoder", "--json")[1])["options"]
    for name in ("long", "longer"):
        code, out, _ = graft("--config-dir", "mine", "show", f"model/{name}", "--json")
        assert code == 0
        assert json.loads(out)["options"] == expected
    assert json.loads(graft("--config-dir", "mine", "show", "model/round", "--json")[1])["options"] == []
    assert "model/long" not in graft("list", "models")[1]
    assert "there is no model 'long'" in graft("show", "model/long")[2]


def test_an_empty_choice_is_shown_as_quotes(graft: Graft) -> None:
    assert "One of: '', llama." in graft("show", "model/decoder")[1]
    assert "It is one of: '', llama." in graft("model=decoder", "model.architecture=lama", "model.init=scratch")[2]


@pytest.mark.usefixtures("toy")
def test_list_shows_the_plugin_of_a_component_unless_it_is_built_in(graft: Graft) -> None:
    lines = {line.split()[0]: line for line in graft("list", "models")[1].splitlines()[1:]}
    assert lines["toy"].endswith("[graft_toy]")
    assert not lines["encoder"].endswith("]")
    assert not lines["roberta"].endswith("]")


@pytest.mark.parametrize("group", list(EXTENSION_POINTS))
def test_every_component_can_be_shown(graft: Graft, group: str) -> None:
    for name in load_registry().components[group]:
        code, out, _ = graft("show", f"{group}/{name}")
        assert code == 0
        assert out.startswith(f"{group}/{name}: ")


def test_plugins_prints_what_is_installed(graft: Graft) -> None:
    code, out, _ = graft("plugins")
    assert code == 0
    assert "methods (graft-tune" in out
    assert "  method: adalora, bitfit, freeze, full, head" in out
    found = json.loads(graft("plugins", "--json")[1])
    assert {"data", "text", "methods", "metrics"} <= {entry["name"] for entry in found}


def test_every_hook_is_documented_with_an_example() -> None:
    for name in (*hookspecs.CALLED_AT_START, *hookspecs.OBSERVERS):
        text = getattr(hookspecs, name).__doc__
        assert "Example:" in text
        assert f"def {name}(" in text
        assert "Called" in text  # when it is called


def test_shell_completion(graft: Graft) -> None:
    code, out, _ = graft("-sc", "install=bash")
    assert code == 0
    assert "complete" in out


def test_the_composed_configuration_can_be_printed(graft: Graft) -> None:
    code, out, _ = graft("--cfg", "job", "train.epochs=4")
    assert code == 0
    assert "epochs: 4" in out


def test_flags_of_hydra_are_separated_from_overrides() -> None:
    words = ["-m", "task=a", "--cfg", "job", "seed=1"]
    assert split_flags(words) == (["task=a", "seed=1"], ["-m", "--cfg", "job"])


# --- check ------------------------------------------------------------------------------------------------------------


def test_check_is_a_dry_run(graft: Graft, tmp_path: Path) -> None:
    path = text_runs.table(tmp_path / "reviews.csv")
    code, out, err = graft("check", "--json", *text_runs.words(path))
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    assert found["config"] == "ok"
    assert (found["data"]["train"], found["data"]["val"], found["data"]["test"]) == (42, 6, 12)
    assert found["data"]["labels"] == sorted(text_runs.LABELS)
    assert found["weights"]["init"] == "scratch"
    assert found["parameters"]["total"] == found["parameters"]["trainable"] > 1000
    assert found["training"]["steps"] == 12
    memory = found["estimate_mb"]
    assert memory["total"] == pytest.approx(sum(memory.values()) - memory["total"], abs=0.5)
    assert not list(tmp_path.glob("runs"))
    code, out, _ = graft("check", *text_runs.words(path, "method=lora"))
    assert code == 0
    assert "configuration: ok (task=text_classification data=table model=encoder method=lora)" in out
    assert "parameters:" in out
    assert out.count("estimate: about ") == 1


def test_check_reports_what_the_data_check_found(graft: Graft, tmp_path: Path) -> None:
    path = text_runs.table(tmp_path / "reviews.csv")
    with path.open("a") as file:
        file.write(f"\n{'long ' * 50},good\n")
    code, out, _ = graft("check", *text_runs.words(path))
    assert code == 0
    assert "longer than 24 tokens and were truncated" in out


# --- a run, and several -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("toy")
class TestToyRuns:
    words = ("data=words", "model=toy", "method=whole", "train.max_steps=3", "train.bootstrap_resamples=10")

    def test_a_run_goes_to_hydras_folder(self, graft: Graft, tmp_path: Path) -> None:
        code, out, err = graft(*self.words, "hydra.run.dir=here")
        assert code == 0, err
        assert text_runs.report(tmp_path / "here")["status"] == "completed"
        assert "sentiment toy whole" in out
        assert "run: here" in out
        assert sorted(path.name for path in tmp_path.iterdir()) == ["here"]

    def test_by_default_the_folder_is_readable(self, graft: Graft, tmp_path: Path) -> None:
        for _ in range(2):
            assert graft(*self.words)[0] == 0
        folders = list((tmp_path / "runs" / "sentiment" / "toy-whole").iterdir())
        assert len(folders) == 2

    def test_a_folder_that_holds_a_run_is_refused(self, graft: Graft, tmp_path: Path) -> None:
        assert graft(*self.words, "hydra.run.dir=here")[0] == 0
        before = (tmp_path / "here" / "report.json").read_bytes()
        code, _, err = graft(*self.words, "hydra.run.dir=here")
        assert code == 2
        assert "already contains a run" in err
        assert (tmp_path / "here" / "report.json").read_bytes() == before

    def test_several_runs_by_one_command(self, graft: Graft, tmp_path: Path) -> None:
        code, _, err = graft("-m", *self.words, "seed=0,1")
        assert code == 0, err
        (sweep,) = (tmp_path / "runs" / "sweeps").iterdir()
        seeds = [text_runs.report(each)["config"]["seed"] for each in sorted(sweep.iterdir()) if each.is_dir()]
        assert seeds == [0, 1]

    @pytest.mark.parametrize("rates", ["1e38,1e-3", "1e-3,1e38"])
    def test_one_failing_member_does_not_end_the_rest(self, graft: Graft, tmp_path: Path, rates: str) -> None:
        more = ("train.clip_norm=0", "train.log_steps=1", f"train.learning_rate={rates}", "hydra.sweep.dir=sweep")
        code, _, err = graft("-m", *self.words, *more)
        assert code == 2
        assert "Training diverged" in err
        found = [text_runs.report(each)["status"] for each in sorted((tmp_path / "sweep").iterdir()) if each.is_dir()]
        assert sorted(found) == ["completed", "failed"]

    def test_a_defect_in_one_member_does_not_end_the_rest(
        self, graft: Graft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import graft_toy

        real = graft_toy.Toy.load

        def load_(self: Any, request: Any) -> Any:
            if request.seed == 0:
                raise ZeroDivisionError("a defect")
            return real(self, request)

        monkeypatch.setattr(graft_toy.Toy, "load", load_)
        code, _, err = graft("-m", *self.words, "seed=0,1", "hydra.sweep.dir=sweep")
        assert code != 0
        assert "ZeroDivisionError" in err
        found = [text_runs.report(each)["status"] for each in sorted((tmp_path / "sweep").iterdir()) if each.is_dir()]
        assert found == ["failed", "completed"]

    def test_a_signal_ends_a_whole_sweep(self, graft: Graft, tmp_path: Path) -> None:
        code, _, err = graft("-m", *self.words, "seed=0,1", "model.end_at=2", "hydra.sweep.dir=sweep")
        assert code == 130
        folders = [each for each in sorted((tmp_path / "sweep").iterdir()) if each.is_dir()]
        assert len(folders) == 1
        assert f"python -m core resume {folders[0]}" in err

    def test_a_run_of_an_experiment_of_the_user(self, graft: Graft, tmp_path: Path) -> None:
        (tmp_path / "mine" / "experiment").mkdir(parents=True)
        (tmp_path / "mine" / "experiment" / "quick.yaml").write_text(
            "# @package _global_\n# Quick.\ndefaults:\n  - override /model: toy\n  - override /method: whole\n"
            "  - override /data: words\ntrain:\n  max_steps: 2\nseed: 4\n"
        )
        code, _, err = graft("--config-dir", "mine", "experiment=quick", "hydra.run.dir=here")
        assert code == 0, err
        assert text_runs.report(tmp_path / "here")["config"]["seed"] == 4
