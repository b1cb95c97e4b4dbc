"""Options of training with tags: average of the weights, resuming, the best weights, class weights, label smoothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import text_runs
import token_runs
from program_server import Program

F1 = "entity_f1_micro"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts with spans, as JSON Lines."""
    rows = map(token_runs.with_spans, token_runs.sentences())
    return token_runs.json_lines(tmp_path_factory.mktemp("spans") / "rows.jsonl", rows)


def test_killed_and_resumed_with_averaged_weights_it_ends_the_same(
    program: Program, path: Path, tmp_path: Path
) -> None:
    more = ("train.ema=0.9", "train.checkpoint_steps=2", "train.evals_per_epoch=0.2", "train.max_steps=100")
    whole, killed = program.killed_and_resumed(token_runs.words(path, *more), tmp_path, after=0.0)
    assert text_runs.report(killed)["resumed"] == 1
    assert (whole / "predictions.jsonl").read_bytes() == (killed / "predictions.jsonl").read_bytes()
    report = text_runs.report(whole)
    assert report["scores"]["test"][F1]["value"] > 0.9
    assert "spans from 'spans'" in report["data"]["description"]
    assert report["data"]["labels"] == list(token_runs.LABELS)


def test_the_weights_with_the_best_entities_on_validation_are_kept(
    program: Program, path: Path, tmp_path: Path
) -> None:
    """At a learning rate so high that the last weights are not the best."""
    more = ("train.learning_rate=0.1", "train.schedule=constant", "train.evals_per_epoch=2", "train.max_steps=30")
    ended = program.run(*token_runs.words(path, *more, "train.patience_evals=0"), f"hydra.run.dir={tmp_path / 'run'}")
    assert ended.code == 0, ended.err
    report = text_runs.report(tmp_path / "run")
    scores = {entry["step"]: entry["val"][F1] for entry in report["training"]["history"]}
    assert list(scores.values())[-1] < max(scores.values())
    assert scores[report["training"]["best_step"]] == max(scores.values())
    assert report["scores"]["val"][F1]["value"] == pytest.approx(max(scores.values()))


def test_class_weights_and_label_smoothing_change_the_loss(program: Program, path: Path, tmp_path: Path) -> None:
    losses = []
    options = (
        "train.label_smoothing=0.0",
        "train.label_smoothing=0.3",
        "train.class_weights=auto",
        "train.class_weights=given train.given_class_weights={O:0.1,B-person:5,I-person:5,B-place:1,I-place:1}",
    )
    for number, option in enumerate(options):
        run = tmp_path / str(number)
        short = ("train.max_steps=1", "train.log_steps=1", *option.split())
        ended = program.run(*token_runs.words(path, *short), f"hydra.run.dir={run}")
        assert ended.code == 0, ended.err
        losses.append(next(line["loss"] for line in text_runs.lines((run / "log.jsonl").read_text()) if "loss" in line))
    assert len(set(losses)) == len(options)


def test_class_weights_are_given_for_tags(program: Program, path: Path, tmp_path: Path) -> None:
    given = ("train.class_weights=given", "train.given_class_weights={person:5}")
    ended = program.run(*token_runs.words(path, *given), f"hydra.run.dir={tmp_path / 'run'}")
    assert ended.code == 2
    assert "must name each label once" in ended.err
    assert "The labels: O, B-person, I-person, B-place, I-place." in ended.err
    assert text_runs.report(tmp_path / "run")["status"] == "failed"
