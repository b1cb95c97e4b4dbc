"""The token classifier: losses per token, chunks of windows, cached features, and flaws that the kit catches.

Covers: plugins/text/token_classification/loading.py, plugins/text/token_classification/loader.py,
plugins/text/token_classification/head.py
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.contracts import LoadRequest
from core.errors import WeightsError
from core.evaluation.predict import predict
from core.runtime import Hardware
from core.testing.models import check_model_loader
from core.testing.samples import sample_request
from plugins.text.token_classification import model as module
from plugins.text.token_classification import windows
from plugins.text.token_classification.example import TokenClassification, TokenExample, joined
from plugins.text.token_classification.loader import ALL, TokenEncoder
from plugins.text.token_classification.model import FeaturedTokenClassifier, TokenClassifierModel
from plugins.text.token_classification.tag_set import Span, TagSet

TINY = {"init": "scratch", "hidden_size": 16, "layers": 1, "attention_heads": 2, "vocabulary": 300, "max_length": 16}
CPU = Hardware("cpu", "fp32")


def request(**changes: Any) -> LoadRequest:
    return replace(sample_request(TokenClassification.name, "tags"), **changes)


def load(asked: LoadRequest | None = None, **options: Any) -> TokenClassifierModel:
    found = TokenEncoder(**{**TINY, "architecture": "bert", **options}).load(asked or request())
    assert isinstance(found, TokenClassifierModel)
    found.module.eval()
    return found


def batch(model: TokenClassifierModel, examples: Any, train: bool = True) -> dict[str, torch.Tensor]:
    prepared = model.prepare(examples, train)
    return model.collate([prepared.fetch(row, 0, None) for row in range(len(examples))])


def test_each_token_has_the_same_weight_in_the_loss_of_short_and_long_texts() -> None:
    model, examples = load(), request().train
    data = batch(model, examples)
    with torch.no_grad():
        losses, logits = model.loss(data), model._logits(data)
    tokens = torch.nn.functional.cross_entropy(logits, data["targets"], reduction="none")
    torch.testing.assert_close(losses.mean(), tokens.mean())
    assert losses[12] == 0, "a text without words costs nothing"


def test_class_weights_and_label_smoothing_change_the_loss_of_each_token() -> None:
    weights = (1.0, 5.0, 1.0, 1.0, 1.0)
    plain, weighted, smooth = (
        load(request()), load(request(class_weights=weights)), load(request(label_smoothing=0.2))
    )  # fmt: skip
    examples = request().train[:9]
    losses = [model.loss(batch(model, examples)).detach() for model in (plain, weighted, smooth)]
    has_begin = torch.tensor([1 in example.target for example in examples])
    assert ((losses[1] != losses[0]) == has_begin).all()
    assert (losses[2] != losses[0]).all()


def test_long_texts_are_read_in_chunks_with_equal_results_and_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    example = replace(joined(f"storm{n}" for n in range(60)), target=tuple(n % 5 for n in range(60)))
    results = []
    for chunk in (1000, 1):
        monkeypatch.setattr(module, "_WINDOWS", chunk)
        model = load()
        data = batch(model, [example])
        assert len(data["input_ids"]) > 2
        losses = model.loss(data)
        losses.sum().backward()
        gradients = [p.grad for p in model.module.parameters() if p.grad is not None]
        results.append((losses.detach(), model.predict(data)[0], gradients))
    (loss, prediction, gradients), (other_loss, other_prediction, other_gradients) = results
    torch.testing.assert_close(loss, other_loss)
    np.testing.assert_allclose(prediction, other_prediction, atol=1e-6)
    assert len(gradients) == len(other_gradients)
    for one, other in zip(gradients, other_gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_a_text_of_several_windows_gets_one_prediction_per_word() -> None:
    model = load()
    examples = [joined(f"storm{n}" for n in range(words)) for words in (50, 0, 1)]
    found = predict(model, model.prepare(examples, train=False), CPU, 2)
    assert [each.shape for each in found] == [(50, 5), (0, 5), (1, 5)]
    (issue,) = model.findings
    assert issue.code == "windows"
    assert issue.message.startswith("1 of 3 evaluation texts are longer than 16 tokens")


def test_all_subwords_train_but_only_first_ones_predict() -> None:
    model = load(subwords=ALL)
    examples = request().train[:9]
    training, evaluation = batch(model, examples, train=True), batch(model, examples, train=False)
    assert training["lengths"].sum() > evaluation["lengths"].sum()
    assert evaluation["lengths"].tolist() == [len(example.words) for example in examples]


def test_dropped_words_are_reported_with_their_place() -> None:
    model = load()
    model.prepare([TokenExample("storm \u0007", ((0, 5), (6, 7)), (1, 0), "a.conll:3")], train=True)
    (issue,) = model.findings
    assert (issue.code, issue.places) == ("words_without_token", ("a.conll:3",))


def test_a_decoder_is_refused() -> None:
    from transformers import LlamaConfig

    from plugins.text.token_classification.head import network_of

    with pytest.raises(ValueError, match="llama is a decoder, in which a token does not see the words after it"):
        network_of(LlamaConfig())


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    loader = TokenEncoder(checkpoint=str(tmp_path))
    with pytest.raises(WeightsError):
        loader.load(request())


def test_words_that_share_a_token_are_one_entity() -> None:
    model = load()
    logits = torch.tensor([[0.0, 5.0, 1.0, 0.0, 0.0]] * 4)
    data = {"rows": torch.tensor([0, 0, 0, 1]), "columns": torch.tensor([1, 1, 1, 1]), "lengths": torch.tensor([3, 1])}
    tags = TagSet(request().labels)
    found = [tags.spans(each.argmax(axis=1)) for each in model.head_predict(logits, data)]
    assert found == [[Span(0, 3, "calm")], [Span(0, 1, "calm")]]
    cached = {"features": torch.ones(4, 2), "lengths": data["lengths"]}
    assert [tags.spans(each.argmax(axis=1)) for each in model.head_predict(logits, cached)] == found


def test_windows_are_read_from_the_left_whatever_the_tokenizer_prefers(tmp_path: Path) -> None:
    model = load()
    model.tokenizer.truncation_side = "left"
    model.save(tmp_path)
    again = load(request(saved=tmp_path, train=()))
    example = joined(["storm", *["valley1234567"] * 9, "rocket"])
    for each in (model, again):
        each.tokenizer.truncation_side = "right" if each is model else each.tokenizer.truncation_side
        first, *_ = each.prepare([example], train=False).fetch(0, 0, None).windows
        assert each.tokenizer.decode(first[1:3]).startswith("storm")


def test_features_of_a_text_with_more_windows_than_one_pass() -> None:
    model = load()
    assert isinstance(model, FeaturedTokenClassifier)
    data = batch(model, [joined(f"storm{n}" for n in range(60)), joined(["one"]), joined([])], train=False)
    assert len(data["input_ids"]) > 6
    with torch.no_grad():
        features = model.features(data)
        logits = model.head(torch.cat(features))
    assert [len(each) for each in features] == [60, 1, 0]
    with torch.no_grad():
        for one, other in zip(model.head_predict(logits, data), model.predict(data), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


# --- what the conformance kit catches -------------------------------------------------------------------------------


def check(tmp_path: Path, **options: Any) -> None:
    check_model_loader(TokenEncoder(**{**TINY, "architecture": "bert", **options}), tmp_path, request())


def test_the_kit_accepts_it(tmp_path: Path) -> None:
    check(tmp_path)


def test_tags_shifted_by_one_are_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collate = windows.collate

    def shifted(*given: Any) -> Any:
        made = collate(*given)
        return made | ({"targets": made["targets"].roll(1)} if "targets" in made else {})

    monkeypatch.setattr(windows, "collate", shifted)
    with pytest.raises(AssertionError, match=r"Look for shifted targets|depends on the others in its batch"):
        check(tmp_path)


def test_tags_shifted_within_each_text_are_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch = windows.WindowedTexts.fetch

    def shifted(self: Any, index: int, epoch: int, rng: Any) -> Any:
        text = fetch(self, index, epoch, rng)
        return text if text.targets is None else text._replace(targets=np.roll(text.targets, 1))

    monkeypatch.setattr(windows.WindowedTexts, "fetch", shifted)
    with pytest.raises(AssertionError, match="Look for shifted targets, and for parts that count twice"):
        check(tmp_path)


def with_more_tokens(text: windows.WindowedText, words: Any, shift: int) -> windows.WindowedText:
    """Return a text in which some words are scored once more, `shift` tokens after their first."""
    targets = None if text.targets is None else np.concatenate([text.targets, text.targets[words]])
    rows, columns = (np.concatenate([part, part[words]]) for part in (text.rows, text.columns))
    columns[len(text.columns) :] += shift
    return text._replace(rows=rows, columns=columns, targets=targets)


@pytest.mark.parametrize("what", ["overlaps", "subwords"])
def test_words_that_are_scored_twice_are_caught(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch, found = windows.WindowedTexts.fetch, []

    def twice(self: Any, index: int, epoch: int, rng: Any) -> Any:
        text = fetch(self, index, epoch, rng)
        following = np.append(np.diff(text.columns), 1)
        words = np.flatnonzero(text.rows > 0 if what == "overlaps" else following > 1)
        found.extend(words)
        return with_more_tokens(text, words, 0 if what == "overlaps" else 1)

    monkeypatch.setattr(windows.WindowedTexts, "fetch", twice)
    with pytest.raises(AssertionError, match="for parts that count twice"):
        check(tmp_path)
    assert found
