"""Output on a terminal and in a log file."""

from __future__ import annotations

import pytest

from core.reporting import console
from core.reporting.console import Screen

VALUES = {"loss": 0.5, "lr": 1e-4, "examples_per_second": 123.4}


def test_in_a_log_file_progress_is_a_line_every_few_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "LINE_SECONDS", 0.0)
    with Screen().training(10, 0) as bar:
        bar.describe(VALUES)
        bar.advance(3)
    out, err = capsys.readouterr()
    assert err == "training  step 3/10  loss 0.5000  lr 1.00e-04  123 examples/s\n"
    assert out == ""


def test_lines_are_not_written_more_often_than_the_interval(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen().training(1000, 0) as bar:
        for step in range(1000):
            bar.advance(step)
    assert capsys.readouterr().err == ""


def test_results_go_to_standard_output_and_the_rest_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    screen.say("reading [brackets] as they are")
    screen.warn("mind this")
    screen.banner("not pretrained")
    screen.table("Scores", ["metric", "test"], [["accuracy", "0.9"]])
    out, err = capsys.readouterr()
    assert "reading [brackets] as they are" in err
    assert "warning: mind this" in err
    assert "not pretrained" in err
    assert "accuracy" in out
    assert "0.9" in out
    assert "\x1b" not in out + err  # no colours where nobody sees them


def test_long_lines_are_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().say("word " * 100)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(quiet=True)
    screen.say("x")
    screen.warn("x")
    screen.banner("x")
    screen.table("x", ["a"], [["b"]])
    with screen.training(3, 0) as bar:
        bar.describe(VALUES)
        bar.advance(3)
    assert capsys.readouterr() == ("", "")
