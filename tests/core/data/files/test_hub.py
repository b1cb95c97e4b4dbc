"""Data sets of the Hub: when nobody is asked, the names of splits and classes, and the errors."""

from __future__ import annotations

import datasets
import pytest

from core.data import files
from core.data.files import hub
from core.errors import DataError
from core.pretrained.hub import hub_unreachable


def test_offline_switches_ask_nobody(monkeypatch):
    def refuse(address):
        raise AssertionError("asked the network")

    monkeypatch.setattr("core.pretrained.hub._request", refuse)
    hub_unreachable.cache_clear()
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "1")
            assert hub.is_offline()


def test_a_port_that_nobody_listens_on_is_not_reachable(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    hub_unreachable.cache_clear()
    assert "http://127.0.0.1:9 cannot be reached" in hub_unreachable()
    hub_unreachable.cache_clear()


def test_errors_of_the_hub_are_distinguished():
    script = RuntimeError("Dataset scripts are no longer supported, but found x.py")
    assert "never executes one" in hub._explain("a/b", script, False).message
    missing = datasets.exceptions.DatasetNotFoundError("Dataset 'a/b' doesn't exist on the Hub")
    assert "no such dataset" in hub._explain("a/b", missing, False).message
    gated = datasets.exceptions.DatasetNotFoundError("Dataset 'a/b' is a gated dataset on the Hub")
    assert "hf auth login" in hub._explain("a/b", gated, False).cure


def test_splits_have_their_usual_names_and_given_names_win():
    loaded = {"validation": 1, "train": 2, "extra": 3}
    assert files.choose_splits(loaded, {})[1] == {0: "train", 1: "validation"}
    assert files.choose_splits(loaded, {"test": "extra"})[1] == {0: "train", 1: "validation", 2: "extra"}
    with pytest.raises(DataError, match="Did you mean 'extra'"):
        files.choose_splits(loaded, {"test": "extar"})
    with pytest.raises(DataError, match="cannot tell which split to train on"):
        files.choose_splits({"a": 1, "b": 2}, {})


def test_class_numbers_become_names_and_minus_one_is_missing():
    feature = datasets.List(datasets.ClassLabel(names=["O", "B-x"]))
    assert files.class_name([0, 1, -1, None], files.classes_of(feature).names) == ["O", "B-x", None, None]
    assert files.classes_of(datasets.Value("string")) is None


def test_a_damaged_folder_is_one_clear_message(tmp_path):
    (tmp_path / "state.json").write_text("{}")
    assert files.is_saved(tmp_path)
    with pytest.raises(DataError, match="the dataset cannot be opened"):
        files.open_saved(tmp_path)


def test_settings_of_the_library_are_restored():
    before = (datasets.config.HF_HUB_OFFLINE, datasets.is_progress_bar_enabled())
    with files.quiet_datasets(offline=True) as library:
        assert library.config.HF_HUB_OFFLINE
        assert not library.is_progress_bar_enabled()
    assert before == (datasets.config.HF_HUB_OFFLINE, datasets.is_progress_bar_enabled())
