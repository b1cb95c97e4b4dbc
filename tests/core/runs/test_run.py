"""A run from a configuration to a report: the files in its folder, and how it ends after an error.

Covers: core/runs/adapt.py, core/runs/context.py, core/runs/evaluate.py, core/runs/finish.py, core/runs/fit.py,
core/runs/load.py, core/runs/prepare.py, core/runs/save.py, core/runs/split_scores.py
"""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import graft_toy
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import core
from core.config.serialization import read_config
from core.contracts.components import RunConfig
from core.contracts.model import LoadedModel
from core.errors import ConfigError, GraftError, Interrupted, NumericalError, PluginError, RunError
from core.evaluation.bootstrap import count_blocks
from core.reporting import report as record
from core.reporting import summary
from core.runs.run import resume, run
from core.tasks.targets.single_label import SingleLabel
from core.tasks.targets.target import ResultTable

pytestmark = pytest.mark.usefixtures("toy")


def trained(folder: Path, **changes: Any) -> dict[str, Any]:
    run(graft_toy.config(**changes), folder, quiet=True)
    return record.read(folder)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return all(torch.equal(value, second[name]) for name, value in first.items())


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# --- the record -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def completed_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A completed run that several tests share."""
    from core.config.compose import install
    from core.registry.registry import load_registry

    install()
    folder = tmp_path_factory.mktemp("done") / "run"
    with graft_toy.registered(load_registry()):
        run(graft_toy.config(train__log_steps=2), folder, choices={"task": "mine", "model": "small"}, quiet=True)
    return folder


def test_the_folder_holds_everything_and_nothing_else(completed_run: Path) -> None:
    names = sorted(path.name for path in completed_run.iterdir())
    assert names == ["config.yaml", "log.jsonl", "model", "predictions.jsonl", "report.json"]


def test_the_report_describes_the_whole_run(completed_run: Path) -> None:
    report = record.read(completed_run)
    assert report["schema"] == record.SCHEMA
    assert (report["status"], report["name"], report["init"], report["primary"]) == (
        "completed", "mine small whole", "scratch", "accuracy",
    )  # fmt: skip
    assert report["config"]["model"] == {"component": "toy", **vars(graft_toy.Toy())}
    assert report["data"]["sizes"] == {"train": 60, "val": 18, "test": 18}
    assert report["data"]["groups"] is None
    assert report["data"]["labels"] == list(graft_toy.LABELS)
    assert len(report["data"]["fingerprint"]) == 64
    assert report["model"]["provenance"]["checkpoint"] == "toy"
    total = 24 * 8 + 8 + 8 * 3 + 3
    assert report["model"]["parameters"] == {"total": total, "trainable": total}
    assert report["train"]["epochs"] == 2
    assert report["training"]["steps"] == 8
    assert [entry["step"] for entry in report["training"]["history"]] == [4, 8]
    assert report["training"]["marks"] == []
    assert report["self_test"] == {"examples": 16, "largest_difference": 0.0, "passed": True}
    assert report["environment"]["versions"]["torch"]
    assert report["memory"]["peak_mb"]["resident"] > 0
    assert report["seconds"] > 0
    assert report["started"] <= report["ended"]
    assert "error" not in report


def test_a_score_never_stands_alone(completed_run: Path) -> None:
    report = record.read(completed_run)
    for split in ("val", "test"):
        assert set(report["scores"][split]) == {"accuracy", "log_loss"}
        for score in report["scores"][split].values():
            assert score["low"] <= score["value"] <= score["high"]
    assert set(report["scores"]["baselines"]) == {"majority"}
    assert set(report["scores"]["baselines"]["majority"]["accuracy"]) == {"value", "low", "high"}
    assert [row["label"] for row in report["per_class"]] == list(graft_toy.LABELS)
    assert sum(row["support"] for row in report["per_class"]) == 18
    assert sum(map(sum, report["confusion"])) == 18


def test_predictions_are_the_test_split_in_its_order(completed_run: Path) -> None:
    rows = lines(completed_run / "predictions.jsonl")
    assert [row["index"] for row in rows] == list(range(18))
    assert [row["place"] for row in rows] == [f"test:{number}" for number in range(1, 19)]
    for row in rows:
        assert row["target"] in graft_toy.LABELS
        assert sum(row["probabilities"].values()) == pytest.approx(1.0, abs=1e-4)
        assert row["label"] == max(row["probabilities"], key=row["probabilities"].__getitem__)
    share = sum(row["label"] == row["target"] for row in rows) / 18
    assert record.read(completed_run)["scores"]["test"]["accuracy"]["value"] == pytest.approx(share)


def test_the_log_has_a_line_for_each_reading_and_each_evaluation(completed_run: Path) -> None:
    rows = lines(completed_run / "log.jsonl")
    assert [row["step"] for row in rows if "loss" in row] == [2, 4, 6, 8]
    assert [(row["step"], row["split"]) for row in rows if "split" in row] == [(4, "val"), (8, "val"), (8, "test")]


def test_config_yaml_alone_rebuilds_the_run(completed_run: Path, tmp_path: Path) -> None:
    config = read_config(completed_run / "config.yaml")
    assert config == graft_toy.config(train__log_steps=2)
    run(config, tmp_path / "again", quiet=True)
    assert same(completed_run, tmp_path / "again")


def test_the_value_returned_is_the_primary_metric_on_validation(tmp_path: Path) -> None:
    value = run(graft_toy.config(task__primary="log_loss"), tmp_path / "run", quiet=True)
    assert value == record.read(tmp_path / "run")["scores"]["val"]["log_loss"]["value"]


def test_a_run_without_a_folder_creates_a_readable_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        core.run(graft_toy.config(train__max_steps=1), quiet=True)
    assert len(list((tmp_path / "runs" / "toy" / "toy-whole").iterdir())) == 2


def test_quiet_prints_nothing_and_otherwise_the_table_is_on_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(graft_toy.config(train__max_steps=1), tmp_path / "a", quiet=True)
    assert capsys.readouterr() == ("", "")
    run(graft_toy.config(train__max_steps=1), tmp_path / "b", choices={"model": "shown"})
    out, err = capsys.readouterr()
    assert "toy shown whole: 18 test examples" in out
    assert "resample" not in out
    assert f"run: {tmp_path / 'b'}" in out
    assert "data: 60 train / 18 val / 18 test" in err


def test_intervals_resample_the_groups_of_the_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = graft_toy.config(data__group_size=3, train__bootstrap_resamples=200)
    run(config, tmp_path / "run")
    out, err = capsys.readouterr()
    assert "data: groups: 20 train / 6 val / 6 test" in err
    assert "18 test examples, 95% confidence intervals resample 6 groups" in out
    report = record.read(tmp_path / "run")
    assert report["data"]["groups"] == {"train": 20, "val": 6, "test": 6}
    rows = lines(tmp_path / "run" / "predictions.jsonl")
    right = np.asarray([row["label"] == row["target"] for row in rows]).reshape(6, 3).sum(axis=1)
    drawn = np.concatenate(list(count_blocks(6, 200, config.seed)))  # of groups, all of the same size
    low, high = np.quantile(drawn @ right / 18, [0.025, 0.975])
    score = report["scores"]["test"]["accuracy"]
    assert (score["low"], score["high"]) == (pytest.approx(low), pytest.approx(high))
    assert low < score["value"] < high


def test_no_score_of_a_single_group_has_an_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(graft_toy.config(data__group_size=18), tmp_path / "run")
    out, err = capsys.readouterr()
    assert "data: one group in val and test, so these scores have no confidence intervals" in err
    assert "resample" not in out
    scores = record.read(tmp_path / "run")["scores"]
    for each in (scores["val"], scores["test"], scores["baselines"]["majority"]):
        assert all(score["value"] is not None and score["low"] is None for score in each.values())


@pytest.mark.parametrize("target", ["multi", "regression"])
def test_other_targets(tmp_path: Path, target: str) -> None:
    from plugins.metrics.classification import F1
    from plugins.metrics.regression import Mae, Rmse

    metrics = {"f1": F1(average="micro")} if target == "multi" else {"mae": Mae(), "rmse": Rmse()}
    report = trained(
        tmp_path / "run", task__target=target, metrics=metrics, task__primary=next(iter(metrics)), train__max_steps=3
    )
    assert report["status"] == "completed"
    (row, *_) = lines(tmp_path / "run" / "predictions.jsonl")
    if target == "multi":
        assert isinstance(row["labels"], list)
        assert isinstance(row["target"], list)
        assert "confusion" not in report
    else:
        assert isinstance(row["value"], float)
        assert "mean" in report["scores"]["baselines"]
        assert "per_class" not in report


def test_lower_is_better_if_the_metric_declares_it(tmp_path: Path) -> None:
    report = trained(tmp_path / "run", task__primary="log_loss", train__epochs=4)
    history = {entry["step"]: entry["val"]["log_loss"] for entry in report["training"]["history"]}
    assert report["training"]["best_step"] == min(history, key=history.__getitem__)


def test_a_metric_that_is_not_defined_is_null_in_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from plugins.metrics.classification import LogLoss

    class Undefined(torch.nn.Module):
        def update(self, predictions: Any, targets: Any) -> None: ...

        def compute(self) -> torch.Tensor:
            return torch.tensor(math.nan)

    monkeypatch.setattr(LogLoss, "build", lambda self, output: Undefined())
    report = trained(tmp_path / "run")
    assert report["scores"]["test"]["log_loss"] == {"value": None, "low": None, "high": None}
    assert report["training"]["history"][0]["val"]["log_loss"] is None
    assert "NaN" not in (tmp_path / "run" / "report.json").read_text()


def test_a_model_that_is_fitted_without_gradients(tmp_path: Path) -> None:
    from plugins.methods.selective import Full

    plain = type(graft_toy.config().train)
    config = graft_toy.config(model=graft_toy.Guess(), method=Full(), train=plain(device="cpu", precision="fp32"))
    run(config, tmp_path / "a", quiet=True)
    report = record.read(tmp_path / "a")
    assert report["status"] == "completed"
    assert report["training"]["steps"] == 0
    assert report["self_test"]["passed"]
    counts = [row["target"] for row in lines(tmp_path / "a" / "predictions.jsonl")]
    assert len(counts) == 18
    config.train.class_weights = "auto"
    run(config, tmp_path / "b", quiet=True)
    shares = json.loads((tmp_path / "b" / "model" / "shares.json").read_text())
    assert shares == pytest.approx([1 / 3] * 3, abs=1e-4)  # auto: every label has the same total weight


def test_a_table_cannot_replace_an_entry_of_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SingleLabel, "tables", lambda self, *_: {"scores": ResultTable([], "Scores")})
    with pytest.raises(PluginError, match="target type single: returns a table 'scores'"):
        trained(tmp_path / "run")
    report = record.read(tmp_path / "run")
    assert report["status"] == "failed"
    assert "accuracy" in report["scores"]["test"]


# --- class weights ----------------------------------------------------------------------------------------------------


def test_given_class_weights_must_name_every_label(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"must name each label once; these differ: fine, wild, wlid\.") as caught:
        trained(tmp_path / "run", train__class_weights="given", train__given_class_weights={"calm": 1.0, "wlid": 2.0})
    assert "The labels: calm, fine, wild." in caught.value.report()
    assert record.read(tmp_path / "run")["status"] == "failed"


def test_class_weights_reach_the_loss(tmp_path: Path) -> None:
    none = trained(tmp_path / "none")
    heavy = {"calm": 20.0, "fine": 0.05, "wild": 0.05}
    given = trained(tmp_path / "given", train__class_weights="given", train__given_class_weights=heavy, train__epochs=8)
    assert none["status"] == given["status"] == "completed"
    predicted = [row["label"] for row in lines(tmp_path / "given" / "predictions.jsonl")]
    assert predicted.count("calm") > 15


# --- ends that are not well -------------------------------------------------------------------------------------------


def test_a_folder_with_a_run_in_it_is_refused_and_not_changed(completed_run: Path) -> None:
    before = (completed_run / "report.json").read_bytes()
    with pytest.raises(RunError, match=r"already contains a run\.\n.*resume"):
        run(graft_toy.config(), completed_run, quiet=True)
    assert (completed_run / "report.json").read_bytes() == before


def test_an_impossible_configuration_creates_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        run(graft_toy.config(train__epochs=-1), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_failed_run_has_its_status_in_the_report(tmp_path: Path) -> None:
    with pytest.raises(NumericalError):
        trained(tmp_path / "run", train__learning_rate=1e38, train__clip_norm=0.0, train__log_steps=1)
    report = record.read(tmp_path / "run")
    assert report["status"] == "failed"
    assert "Training diverged" in report["error"]
    assert "Lower train.learning_rate" in report["error"]
    assert not (tmp_path / "run" / "model").exists()
    for path in (tmp_path / "run" / "checkpoints").glob("step-*.safetensors"):
        assert all(torch.isfinite(value.float()).all() for value in load_file(path).values())


def test_a_defect_is_in_the_report_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, batch: Any) -> Any:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(graft_toy.ToyModel, "loss", broken)
    with pytest.raises(ZeroDivisionError):
        trained(tmp_path / "run")
    report = record.read(tmp_path / "run")
    assert (report["status"], report["error"]) == ("failed", "ZeroDivisionError: a defect")


def test_a_saved_model_that_gives_other_outputs_fails_the_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="loaded again, gives other outputs"):
        trained(tmp_path / "run", model__sabotage=True)
    report = record.read(tmp_path / "run")
    assert report["status"] == "failed"
    assert report["self_test"]["passed"] is False
    assert report["self_test"]["largest_difference"] > 1e-4


# --- resume -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def interrupt_run(tmp_path: Path) -> Callable[..., Path]:
    """A run that receives SIGTERM in a training pass; the toy sends the signal."""

    def start(at: int = 3, **changes: Any) -> Path:
        folder = tmp_path / "interrupted"
        with pytest.raises(Interrupted):
            trained(folder, model__end_at=at, **changes)
        report = record.read(folder)
        assert report["status"] == "interrupted"
        assert report["error"] is None
        return folder

    return start


def test_a_run_resumed_after_a_signal_ends_like_an_uninterrupted_one(
    interrupt_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"train__ema": 0.9, "train__epochs": 3, "train__log_steps": 1}
    folder = interrupt_run(at=3, **changes)
    assert (folder / "checkpoints" / "step-00000003.json").is_file()
    monkeypatch.setattr(graft_toy.os, "kill", lambda *_: None)
    value = resume(folder)
    report = record.read(folder)
    assert (report["status"], report["resumed"]) == ("completed", 1)
    assert "error" not in report
    reference = trained(tmp_path / "reference", **changes)
    assert same(folder, tmp_path / "reference")
    assert report["scores"] == reference["scores"]
    assert value == reference["scores"]["val"]["accuracy"]["value"]
    steps = [row["step"] for row in lines(folder / "log.jsonl") if "loss" in row]
    assert steps == list(range(1, 13))
    one, other = ([row.get("loss") for row in lines(each / "log.jsonl")] for each in (folder, tmp_path / "reference"))
    assert one == other


def test_signal_handlers_are_restored(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    trained(tmp_path / "run", train__max_steps=1)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_completed_run_cannot_be_resumed(completed_run: Path) -> None:
    with pytest.raises(RunError, match="is complete; there is nothing to resume"):
        resume(completed_run)


def test_other_data_is_refused(interrupt_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = interrupt_run()
    real = graft_toy.Words.load
    monkeypatch.setattr(
        graft_toy.Words, "load", lambda self, task, seed: real(graft_toy.Words(flavour="other"), task, seed)
    )
    with pytest.raises(RunError, match=r"the data has changed \(its fingerprint was"):
        resume(folder)
    monkeypatch.setattr(graft_toy.Words, "load", real)
    monkeypatch.setattr(graft_toy.os, "kill", lambda *_: None)
    resume(folder)  # nothing is lost: with the old data the run can be resumed
    assert record.read(folder)["status"] == "completed"


def test_another_configuration_is_refused_with_the_difference(interrupt_run: Callable[..., Path]) -> None:
    folder = interrupt_run()
    path = folder / "config.yaml"
    text = path.read_text()
    path.write_text(text.replace("epochs: 2", "epochs: 5").replace("width: 8", "width: 16"))
    before = (folder / "report.json").read_bytes()
    with pytest.raises(RunError) as caught:
        resume(folder)
    assert "train.epochs: 2 -> 5" in caught.value.report().replace("2.0", "2").replace("5.0", "5")
    assert "model.width: 8 -> 16" in caught.value.report()
    assert (folder / "report.json").read_bytes() == before


def test_a_typo_in_the_saved_configuration_is_reported(interrupt_run: Callable[..., Path]) -> None:
    folder = interrupt_run()
    path = folder / "config.yaml"
    path.write_text(path.read_text().replace("width:", "wdith:"))
    with pytest.raises(GraftError, match="Did you mean 'width'"):
        resume(folder)


def test_a_folder_that_is_not_a_run_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run's folder"):
        resume(tmp_path)


def test_a_run_that_failed_before_training_can_be_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(graft_toy.Words, "load", lambda *_: (_ for _ in ()).throw(GraftError("no data yet")))
        with pytest.raises(GraftError, match="no data yet"):
            trained(tmp_path / "run")
    resume(tmp_path / "run")
    assert record.read(tmp_path / "run")["status"] == "completed"


def test_a_run_interrupted_in_the_last_evaluation_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = graft_toy.ToyModel.predict
    seen: list[int] = []

    def predict(self: Any, batch: Any) -> Any:
        seen.append(len(batch["bags"]))
        if len(seen) == 4:  # validations of the two epochs, then validation and test
            signal.raise_signal(signal.SIGTERM)
        return real(self, batch)

    monkeypatch.setattr(graft_toy.ToyModel, "predict", predict)
    with pytest.raises(Interrupted):
        trained(tmp_path / "run")
    monkeypatch.setattr(graft_toy.ToyModel, "predict", real)
    resume(tmp_path / "run")
    trained(tmp_path / "reference")
    assert same(tmp_path / "run", tmp_path / "reference")
    assert record.read(tmp_path / "run")["scores"] == record.read(tmp_path / "reference")["scores"]


def test_out_of_memory_is_a_mark_in_the_report_and_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(graft_toy.config(model__memory=4), tmp_path / "run")
    report = record.read(tmp_path / "run")
    assert report["training"]["micro_batch_size"] == 4
    assert report["training"]["marks"][0] == "oom_backoff: step 0, micro-batch 16 to 8"
    assert "warning: oom_backoff: step 0" in capsys.readouterr().err


# --- observers --------------------------------------------------------------------------------------------------------


class Tracker:
    """Observes a run; `fails` names the hook in which it raises an error."""

    def __init__(self, fails: str = "") -> None:
        self.seen: list[tuple[str, Any]] = []
        self.fails = fails

    def note(self, name: str, value: Any) -> None:
        self.seen.append((name, value))
        if name == self.fails:
            raise ConnectionError("the tracker is down")

    @core.hookimpl
    def run_started(self, config: RunConfig, directory: Path) -> None:
        self.note("run_started", directory.is_dir())

    @core.hookimpl
    def step_logged(self, step: int, values: dict[str, float]) -> None:
        self.note("step_logged", (step, "loss" in values))

    @core.hookimpl
    def evaluated(self, step: int, split: str, scores: dict[str, float]) -> None:
        self.note("evaluated", (step, split, "accuracy" in scores))

    @core.hookimpl
    def run_ended(self, report: dict[str, Any]) -> None:
        self.note("run_ended", report["status"])


@pytest.fixture
def tracker() -> Any:
    from core.registry.registry import load_registry

    made: list[Tracker] = []

    def start(fails: str = "") -> Tracker:
        made.append(Tracker(fails))
        load_registry().manager.register(made[-1])
        return made[-1]

    yield start
    for each in made:
        load_registry().manager.unregister(each)


def test_observers_see_the_run_from_its_start_to_its_end(tmp_path: Path, tracker: Any) -> None:
    watching = tracker()
    trained(tmp_path / "run", train__log_steps=4)
    assert watching.seen == [
        ("run_started", True),
        ("step_logged", (4, True)),
        ("evaluated", (4, "val", True)),
        ("step_logged", (8, True)),
        ("evaluated", (8, "val", True)),
        ("evaluated", (8, "test", True)),
        ("run_ended", "completed"),
    ]


def test_observers_receive_a_failed_run(tmp_path: Path, tracker: Any) -> None:
    watching = tracker()
    with pytest.raises(RunError):
        trained(tmp_path / "run", model__sabotage=True)
    assert watching.seen[-1] == ("run_ended", "failed")


def test_an_observer_that_fails_prints_one_line_and_the_run_continues(
    tmp_path: Path, tracker: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    watching = tracker("evaluated")
    run(graft_toy.config(), tmp_path / "run")
    assert record.read(tmp_path / "run")["status"] == "completed"
    assert [name for name, _ in watching.seen].count("evaluated") == 1
    err = capsys.readouterr().err
    assert err.count("the tracker is down") == 1


def test_a_method_is_called_after_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []

    def note(self: Any, model: LoadedModel, step: int) -> None:
        steps.append(step)

    monkeypatch.setattr(graft_toy.Whole, "after_step", note)
    trained(tmp_path / "run")
    assert steps == list(range(8))


def test_the_state_of_a_method_is_in_the_checkpoint(
    interrupt_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(graft_toy.Whole, "state_dict", lambda self: {"rank": 3, "scores": torch.ones(2)})
    monkeypatch.setattr(graft_toy.Whole, "load_state_dict", lambda self, state: given.append(state))
    folder = interrupt_run()
    monkeypatch.setattr(graft_toy.os, "kill", lambda *_: None)
    resume(folder)
    assert given[0]["rank"] == 3
    assert torch.equal(given[0]["scores"], torch.ones(2))


def test_a_closed_pipe_does_not_fail_a_finished_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(summary, "show", gone)
    with suppress(BrokenPipeError):
        trained(tmp_path / "run", train__max_steps=1)
    assert record.read(tmp_path / "run")["status"] == "completed"
