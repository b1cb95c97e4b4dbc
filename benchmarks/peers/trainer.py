"""transformers' `Trainer` as a peer on text: at its defaults, and tuned by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.peers.measure import Result
from benchmarks.peers.program import Asked, Program, main

if TYPE_CHECKING:
    from core.contracts import RunConfig

MODULE = "benchmarks.peers.trainer"
DEFAULTS = Program("trainer", "transformers' Trainer at its defaults", MODULE)
TUNED = Program(
    "trainer-tuned",
    'Trainer with bf16=True (if native) and train_sampling_strategy="group_by_length"',
    MODULE,
    {"bf16": True, "arguments": {"train_sampling_strategy": "group_by_length"}},
)


def work(asked: Asked) -> Result:
    """Train and test, and return the measurements."""
    from transformers import Trainer, set_seed

    from benchmarks.peers import hub

    set_seed(asked.config.seed)
    model, tokenizer = _pretrained(asked.config, asked.splits.labels)
    train, test = (_tokenized(tokenizer, split, asked.config) for split in (asked.splits.train, asked.splits.test))
    arguments = hub.arguments(asked, {})
    trainer = Trainer(model=model, args=arguments, train_dataset=train, processing_class=tokenizer)
    return hub.trained(asked, trainer, len(train), test)


def _pretrained(config: RunConfig, labels: Sequence[str]) -> tuple[Any, Any]:
    """Return network and tokenizer from Graft's checkpoint, in fp32 as in Graft."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from core.pretrained import find_weights

    options: Any = config.model
    folder = find_weights(options.checkpoint, "pretrained", options.sha256).folder
    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    model = AutoModelForSequenceClassification.from_pretrained(
        str(folder), num_labels=len(labels), dtype=torch.float32, local_files_only=True
    )
    return model, tokenizer


def _tokenized(tokenizer: Any, examples: Sequence[Any], config: RunConfig) -> Any:
    """Return a `datasets.Dataset` as in transformers' examples; the collator pads."""
    from datasets import Dataset

    options: Any = config.model
    columns = dict(tokenizer([each.text for each in examples], truncation=True, max_length=options.max_length))
    return Dataset.from_dict(columns | {"labels": [int(each.target) for each in examples]})


if __name__ == "__main__":
    main(work)
