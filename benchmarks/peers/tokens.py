"""The work of token classification: tagged sentences and a model, for Graft and for transformers' `Trainer`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.arguments import quoted
from benchmarks.peers import german_phrases
from benchmarks.peers.measure import conditions
from benchmarks.peers.measurements import METRIC
from benchmarks.peers.work import Options, WorkDescription
from core.errors import RunError
from core.options import option

ENTITIES, GERMAN = "entities", "german"
"""The included sentences with five types of entities; captions with German phrases, made from `$GRAFT_TEST_DATA`."""
PRIMARY = "entity_f1_micro"


@dataclass(kw_only=True)
class TokenOptions(Options):
    """The options of the work of token classification."""

    data: str = option(
        ENTITIES,
        f"{ENTITIES}: the included sentences, split by seed. {GERMAN}: captions with German phrases, made from "
        f"{german_phrases.FOLDER} of GRAFT_TEST_DATA.",
        choices=(ENTITIES, GERMAN),
    )
    model: str = option("minilm", "A text model with pretrained weights on this machine.")
    epochs: float = option(0.0, "Number of passes over the training split; 0 for Graft's default.", low=0)
    learning_rate: float = option(0.0, "The peak learning rate of all peers; 0 for Graft's default.", low=0)


def describe(options: TokenOptions, folder: Path) -> WorkDescription:
    """Return the work as Graft's command line, which the other peers read too.

    Epochs and learning rate are stated in it, so that they are the same for all peers.

    Raises:
        ConfigError: The captions do not exist.
        RunError: Graft cannot do the work.
    """
    overrides = [*_data(options, folder), f"model={options.model}", f"train.batch_size={options.batch_size}"]
    overrides += [f"data.max_examples={options.examples}"] if options.examples else []
    overrides += [f"train.max_steps={options.max_steps}"] if options.max_steps else []
    given = {"epochs": options.epochs, "learning_rate": options.learning_rate}
    overrides += [f"train.{name}={value:g}" for name, value in given.items() if value]
    found = dry_run([*overrides, f"seed={options.seed}"], folder)
    training = found["training"]
    overrides += [f"train.{name}={training[name]:g}" for name, value in given.items() if not value]
    config = {
        "data": options.data, **{f"{split} examples": found["data"][split] for split in ("train", "val", "test")},
        "model": options.model, "epochs": training["epochs"], "batch size": options.batch_size,
        "learning rate": training["learning_rate"], "max_steps": options.max_steps, METRIC: PRIMARY,
        "the same for all": "pretrained weights, sentences, words and splits, epochs, batch size, peak learning rate, "
        "and how the test split is scored",
    }  # fmt: skip
    return WorkDescription(overrides, config, f"tokens-{options.data}")


def _data(options: TokenOptions, folder: Path) -> list[str]:
    """Return the overrides for task and data; the captions are written into `folder`."""
    if options.data == ENTITIES:
        return ["task=ner"]
    place = folder / GERMAN
    place.mkdir()
    german_phrases.write(place)
    return ["task=token_classification", f"data.path={quoted(place)}"]


def dry_run(overrides: Sequence[str], folder: Path) -> dict[str, Any]:
    """Return what a dry run of Graft reports: the sizes of the splits, and its defaults for these data and weights.

    It is a process of its own, so that the one that measures stays small.

    Args:
        overrides: Graft's command line.
        folder: A folder for the cache.

    Raises:
        RunError: It failed.
    """
    command = [sys.executable, "-m", "core", "check", "--json", *overrides]
    done = subprocess.run(command, capture_output=True, text=True, env=conditions(folder))
    if done.returncode != 0:
        raise RunError(done.stderr.strip())
    found: dict[str, Any] = json.loads(done.stdout)
    return found
