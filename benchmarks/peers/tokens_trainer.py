"""transformers' `Trainer` as a peer on token classification, as transformers' own example `run_ner.py` uses it.

The first subword of a word learns its tag, and the others are ignored. Texts longer than `model.max_length` are
cut off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.peers.measure import Result
from benchmarks.peers.program import Asked, Program, main

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.contracts import RunConfig

MODULE = "benchmarks.peers.tokens_trainer"
DEFAULTS = Program("trainer", "transformers' Trainer at its defaults, but for the learning rate", MODULE)
TUNED = Program(
    "trainer-tuned",
    'the same with bf16=True (if native) and train_sampling_strategy="group_by_length"',
    MODULE,
    {"bf16": True, "arguments": {"train_sampling_strategy": "group_by_length"}},
)
IGNORED = -100
"""The label of tokens that the loss leaves out."""
_SPACED = ("bloom", "deberta", "gpt2", "roberta")
"""Types of networks whose tokenizers distinguish words with a space before them from words without one."""


def work(asked: Asked) -> Result:
    """Train and test, and return the measurements."""
    from transformers import DataCollatorForTokenClassification, Trainer, set_seed

    from benchmarks.peers import hub

    set_seed(asked.config.seed)
    config: RunConfig = asked.config
    model, tokenizer = _pretrained(config, asked.splits.labels)
    train, test = (_tokenized(tokenizer, split, config) for split in (asked.splits.train, asked.splits.test))
    trainer = Trainer(
        model=model,
        args=hub.arguments(asked, {"learning_rate": config.train.learning_rate}),
        train_dataset=train,
        processing_class=tokenizer,
        data_collator=DataCollatorForTokenClassification(tokenizer),
    )
    return hub.trained(asked, trainer, len(train), test, lambda predicted: _scores(asked, predicted, test["words"]))


def _pretrained(config: RunConfig, labels: Sequence[str]) -> tuple[Any, Any]:
    """Return network and tokenizer from Graft's checkpoint, in fp32 as in Graft."""
    import torch
    from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer

    from core.pretrained import find_weights

    options: Any = config.model
    folder = str(find_weights(options.checkpoint, "pretrained", options.sha256).folder)
    named = {"id2label": dict(enumerate(labels)), "label2id": {name: index for index, name in enumerate(labels)}}
    described = AutoConfig.from_pretrained(folder, local_files_only=True, **named)
    more = {"add_prefix_space": True} if described.model_type in _SPACED else {}
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, **more)
    model = AutoModelForTokenClassification.from_pretrained(
        folder, config=described, dtype=torch.float32, local_files_only=True
    )
    return model, tokenizer


def _tokenized(tokenizer: Any, examples: Sequence[Any], config: RunConfig) -> Any:
    """Return a `datasets.Dataset` with the words of each example split into subwords.

    `labels` has the tag of each word at its first subword. `words` has the numbers of those words; it lacks words that
    are cut off and words that the tokenizer drops.
    """
    from datasets import Dataset

    options: Any = config.model
    texts = [each.surfaces for each in examples]
    encoded = tokenizer(texts, is_split_into_words=True, truncation=True, max_length=options.max_length)
    labels, words = [], []
    for row, example in enumerate(examples):
        owners = encoded.word_ids(row)
        first = [word is not None and word != before for word, before in zip(owners, [None, *owners], strict=False)]
        labels.append([example.target[word] if own else IGNORED for word, own in zip(owners, first, strict=True)])
        words.append([word for word, own in zip(owners, first, strict=True) if own])
    return Dataset.from_dict(dict(encoded) | {"labels": labels, "words": words})


def _scores(asked: Asked, predicted: Any, words: Sequence[Sequence[int]]) -> Mapping[str, float]:
    """Return Graft's scores of the trainer's predictions.

    Args:
        asked: The work.
        predicted: Logits [n, s, c] and labels [n, s], as the trainer returns them.
        words: The numbers of the words that the labels belong to, for each example of the test split.
    """
    from core.registry import load_registry

    splits = asked.splits
    found = word_predictions(predicted.predictions, predicted.label_ids != IGNORED, words, splits.test, splits.labels)
    output, scores = load_registry().output(asked.config.task, splits.labels), {}
    for name, metric in asked.config.metrics.items():
        streamed = metric.build(output)
        streamed.update(found, [each.target for each in splits.test])
        scores[name] = float(streamed.compute())
    return scores


def word_predictions(
    logits: NDArray[np.float32],
    scored: NDArray[np.bool_],
    words: Sequence[Sequence[int]],
    examples: Sequence[Any],
    labels: Sequence[str],
) -> list[NDArray[np.float32]]:
    """Return a row of logits for each word of each example, float32 [w, c].

    A word without a token counts as outside of entities.

    Args:
        logits: The logits of tokens, [n, s, c].
        scored: Which tokens are the first of a word, [n, s].
        words: The numbers of those words, for each example.
        examples: The examples with all their words.
        labels: The tag names.

    Raises:
        ValueError: The predictions belong to other examples.
    """
    import numpy as np

    outside = np.eye(len(labels), dtype=np.float32)[labels.index("O") if "O" in labels else 0]
    found = []
    for of_tokens, first, numbers, example in zip(logits, scored, words, examples, strict=True):
        if int(first.sum()) != len(numbers):
            raise ValueError(f"{int(first.sum())} tokens are scored, but {len(numbers)} words have one")
        of_words = np.tile(outside, (len(example.words), 1))
        of_words[np.asarray(numbers, dtype=np.int64)] = of_tokens[first]
        found.append(of_words)
    return found


if __name__ == "__main__":
    main(work)
