"""The adapters: which options they refuse before they read anything, the bundled sentences, and what they import.

Covers: plugins/text/token_classification/data/options.py, plugins/text/token_classification/plugin.py
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from core.config.compose import resolve
from core.contracts.components import RunConfig
from core.errors import ConfigError
from core.tasks.task import Task
from plugins.text.token_classification.data.adapters import Entities, HubTags, TaggedText
from plugins.text.token_classification.data.options import TagOptions
from plugins.text.token_classification.data.schemes import SCHEMES
from plugins.text.token_classification.plugin import data_adapters


def test_three_adapters_are_announced():
    assert [adapter.name for adapter in data_adapters()] == ["entities", "tagged_text", "hub_tags"]
    assert HubTags.variant_of == "hub"


@pytest.mark.parametrize(
    ("adapter", "where"),
    [
        (Entities(), []),
        (Entities(val_fraction=0.5, test_fraction=0.6), ["data.test_fraction"]),
        (TaggedText(path="a.conll"), []),
        (TaggedText(), ["data.path"]),
        (TaggedText(path="a", test="b"), ["data.path"]),
        (TaggedText(train="a", split="s"), ["data.split"]),
        (TaggedText(train="a", val="b", test="c", group="g"), ["data.group"]),
        (TaggedText(path="a", tokens="w", text="t"), ["data.tokens"]),
        (TaggedText(path="a", tags="w", spans="t"), ["data.tags"]),
        (TaggedText(path="a", format="conll", tokens="w"), ["data.tokens"]),
        (TaggedText(path="a", format="conll", group="w"), ["data.group"]),
        (TaggedText(path="a", format="conll", group="docstart"), []),
        (TaggedText(path="a", format="jsonl", tag_column=1), ["data.tag_column"]),
        (TaggedText(path="a", word_column=1, tag_column=1), ["data.tag_column"]),
        (TaggedText(path="a", tag_names=["O", "O"]), ["data.tag_names"]),
        (TaggedText(path="a", label_names={"MISC": "O"}), ["data.label_names"]),
        (TaggedText(path="a", label_names={"A": "B-x", "B": "I-x", "C": "x"}), ["data.label_names"] * 2),
        (HubTags(), ["data.dataset"]),
        (HubTags(dataset="a/b", path="c"), ["data.dataset"]),
        (HubTags(path="c", revision="main"), ["data.revision"]),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_is_read(adapter, where):
    config = RunConfig(task=Task(type="token-classification"), data=adapter)
    assert [problem.where for problem in adapter.check(config)] == where


def test_options_of_hub_that_make_no_sense_for_tags_are_refused():
    words = ["task=token_classification", "model=minilm", "data=hub", "data.dataset=a/b"]
    assert isinstance(resolve(words).data, HubTags)
    with pytest.raises(ConfigError, match=r"data\.pair: is not an option of data=hub_tags\."):
        resolve([*words, "data.pair=hypothesis"])


def test_the_bundled_sentences_are_sound():
    rows = list(Entities().load(Task(), 0).rows)
    assert len(rows) >= 10
    assert [row.place for row in rows if row.fault or row.parts] == []
    labels = {tag[2:] for row in rows for tag in row.label if tag != "O"}
    assert labels == {"person", "organization", "place", "date", "product"}


def test_the_option_has_the_schemes_that_are_known():
    (field,) = [each for each in TagOptions.__dataclass_fields__.values() if each.name == "scheme"]
    assert field.metadata["graft"].choices == SCHEMES


def test_announcing_imports_nothing_heavy():
    heavy = {"numpy", "pyarrow", "datasets", "torch", "transformers"}
    code = f"import sys, plugins.text.token_classification.plugin; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
