"""The commands on a finished or an interrupted run: evaluate, predict, export and resume.

Covers: core/cli/commands/evaluate.py, core/cli/commands/predict.py, core/cli/commands/export.py,
core/cli/commands/resume.py
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import graft_toy
import pytest
import text_runs

from core.inference.predictor import FinishedRun, Predictor
from core.runs.run import run
from core.tasks.targets.single_label import SingleLabel

Graft = Callable[..., tuple[int, str, str]]
pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from core.config.compose import install
    from core.registry.registry import load_registry

    install()
    folder = tmp_path_factory.mktemp("commands") / "run"
    with graft_toy.registered(load_registry()):
        run(graft_toy.config(), folder, quiet=True)
    return folder


def test_evaluate_prints_the_scores_of_the_report(trained_run: Path, graft: Graft) -> None:
    report = text_runs.report(trained_run)
    code, out, err = graft("evaluate", trained_run, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["split"] == "test"
    assert found["examples"] == report["data"]["sizes"]["test"]
    assert found["groups"] is None
    assert found["scores"]["accuracy"] == pytest.approx(report["scores"]["test"]["accuracy"])
    code, out, err = graft("evaluate", trained_run, "--split", "val")
    assert code == 0, err
    assert "18 examples (val)" in " ".join(out.split())


def test_evaluate_scores_other_data_whole(trained_run: Path, graft: Graft) -> None:
    code, out, err = graft("evaluate", trained_run, "data.examples=7", "data.held_out=2", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["split"], found["examples"]) == ("all", 11)


def test_evaluate_resamples_groups(graft: Graft, tmp_path: Path) -> None:
    run(graft_toy.config(data__group_size=3), tmp_path / "grouped", quiet=True)
    found = json.loads(graft("evaluate", "grouped", "--json")[1])
    expected = text_runs.report(tmp_path / "grouped")["scores"]["test"]["accuracy"]
    assert found["groups"] == 6
    assert found["scores"]["accuracy"] == pytest.approx(expected)
    alone = json.loads(graft("evaluate", "grouped", "--json", "--split", "test", "data.group_size=0")[1])
    assert alone["groups"] is None
    assert alone["scores"]["accuracy"]["value"] == pytest.approx(expected["value"])
    assert alone["scores"]["accuracy"] != pytest.approx(expected)
    assert json.loads(graft("evaluate", "grouped", "--split", "all", "--json")[1])["groups"] == 20 + 6 + 6
    _, out, _ = graft("evaluate", "grouped", "--split", "val")
    assert "18 examples (val), intervals resample 6 groups" in " ".join(out.split())


def test_evaluate_says_why_the_scores_of_one_group_have_no_intervals(graft: Graft, tmp_path: Path) -> None:
    run(graft_toy.config(data__group_size=3), tmp_path / "grouped", quiet=True)
    why = "one group: scores have no confidence intervals"
    assert why not in graft("evaluate", "grouped")[2]
    for words in ([], ["--json"]):
        code, out, err = graft("evaluate", "grouped", "data.group_size=1000", "--split", "test", *words)
        assert code == 0, err
        assert why in " ".join(err.split())
        assert why not in out


def test_predict_writes_a_line_for_each_text(trained_run: Path, graft: Graft, tmp_path: Path) -> None:
    code, out, err = graft("predict", trained_run, "w1 calm", "w2 wild")
    assert code == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["text"] for line in lines] == ["w1 calm", "w2 wild"]
    assert all(line["label"] in graft_toy.LABELS for line in lines)
    code, out, err = graft("predict", trained_run, "--format", "csv", "--output", "out.csv", "w1 calm", "w2 wild")
    assert (code, out) == (0, ""), err
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text(encoding="utf-8"))))
    assert [row["label"] for row in rows] == [line["label"] for line in lines]


def test_predict_refuses_a_format_that_the_target_type_lacks_before_it_loads_a_model(
    trained_run: Path, graft: Graft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Predictor, "open", lambda run: pytest.fail("a model was loaded"))
    code, out, err = graft("predict", trained_run, "w1 calm", "--format", "jsnl")
    assert (code, out) == (2, "")
    assert "--format: " in err
    assert "has no output format 'jsnl'" in err
    assert "Did you mean 'jsonl'? There are: csv, jsonl." in err


def test_predict_with_another_run_has_the_formats_that_both_share(
    trained_run: Path, graft: Graft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = shutil.copytree(trained_run, tmp_path / "other")
    words = ("predict", trained_run, "--with", other, "w1 calm", "--format", "lines")
    monkeypatch.setattr(SingleLabel, "formats", ("lines",))
    monkeypatch.setattr(SingleLabel, "text_lines", lambda self, line, name: iter([line["run"]]))
    assert graft(*words)[:2] == (0, f"{trained_run}\n{other}\n")
    formats = {trained_run: ("jsonl", "csv", "lines"), other: ("jsonl", "csv")}
    monkeypatch.setattr(FinishedRun, "formats", property(lambda self: formats[self.folder]))
    code, out, err = graft(*words)
    assert (code, out) == (2, "")
    assert f"{other} has the target type single, which has no output format 'lines'" in err
    assert "There are: csv, jsonl." in err


def test_predict_with_another_run_names_the_run_of_each_line(trained_run: Path, graft: Graft, tmp_path: Path) -> None:
    other = shutil.copytree(trained_run, tmp_path / "other")
    code, _, err = graft("predict", trained_run, "--with", other, "--pictures", "drawn", "w1")
    assert code == 2
    assert "Leave out --with" in err


def test_export_writes_whole_weights_beside_the_run(trained_run: Path, graft: Graft, tmp_path: Path) -> None:
    code, out, err = graft("export", trained_run, "--out", "whole", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert Path(found["folder"]).resolve() == (tmp_path / "whole").resolve()
    assert (tmp_path / "whole" / "model.safetensors").is_file()


def test_resume_refuses_a_finished_run(trained_run: Path, graft: Graft) -> None:
    before = (trained_run / "report.json").read_bytes()
    code, _, err = graft("resume", trained_run)
    assert code == 2
    assert str(trained_run) in err
    assert (trained_run / "report.json").read_bytes() == before


def test_resume_continues_an_interrupted_run(graft: Graft, tmp_path: Path) -> None:
    words = ("data=words", "model=toy", "method=whole", "train.max_steps=4", "train.bootstrap_resamples=10")
    code, _, err = graft(*words, "model.end_at=3", "hydra.run.dir=here")
    assert code == 130, err
    assert text_runs.report(tmp_path / "here")["status"] == "interrupted"
    code, _, err = graft("resume", "here")
    assert code == 0, err
    report = text_runs.report(tmp_path / "here")
    assert (report["status"], report["resumed"], report["training"]["steps"]) == ("completed", 1, 4)
