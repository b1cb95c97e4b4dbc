"""transformers' `Trainer` as a peer: at its defaults, and tuned by hand.

Run as a program, it does the work: `python -m benchmarks.peers.trainer FOLDER`, with `work.json` in the folder.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers.measure import Result

if TYPE_CHECKING:
    from core.config import RunConfig

WORK, RESULT = "work.json", "result.json"


@dataclass(frozen=True)
class HubTrainer:
    """A `Trainer` with given `TrainingArguments`.

    Attributes:
        name: For files and tables.
        summary: What is particular about it.
        arguments: On top of batch size, epochs, seed, `save_strategy="no"` and `output_dir`.
        bf16: Whether to compute in bf16 where the hardware has it natively; without a GPU that needs `use_cpu`.
    """

    name: str
    summary: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    bf16: bool = False

    def command(self, overrides: Sequence[str], folder: Path) -> list[str]:
        """This module, told what to do by a file."""
        work = {"overrides": list(overrides), "arguments": dict(self.arguments), "bf16": self.bf16}
        (folder / WORK).write_text(json.dumps(work), encoding="utf-8")
        return [sys.executable, "-m", "benchmarks.peers.trainer", str(folder)]

    def result(self, folder: Path) -> Result:
        """What the process wrote."""
        return Result(**json.loads((folder / RESULT).read_text(encoding="utf-8")))


DEFAULTS = HubTrainer("trainer", "transformers' Trainer at its defaults")
TUNED = HubTrainer(
    "trainer-tuned",
    'Trainer with bf16=True (where native) and train_sampling_strategy="group_by_length"',
    {"train_sampling_strategy": "group_by_length"},
    bf16=True,
)


def work(folder: Path) -> Result:
    """Train and test as `work.json` says."""
    from transformers import Trainer, set_seed

    from core.compose import resolve

    asked = json.loads((folder / WORK).read_text(encoding="utf-8"))
    config = resolve(asked["overrides"])
    set_seed(config.seed)
    splits = config.data.load(config.task, config.seed)
    model, tokenizer = _pretrained(config, splits.labels)
    train, test = (_tokenised(tokenizer, split, config) for split in (splits.train, splits.test))
    more = asked["arguments"] | (_bf16() if asked["bf16"] else {})
    arguments = _arguments(config, folder, more)
    trainer = Trainer(model=model, args=arguments, train_dataset=train, processing_class=tokenizer)
    metrics = trainer.train().metrics
    predicted = trainer.predict(test)
    accuracy = float((predicted.predictions.argmax(axis=1) == predicted.label_ids).mean())
    seen = min(metrics["epoch"], float(arguments.num_train_epochs)) * len(train)
    return Result(
        train_seconds=metrics["train_runtime"],
        examples=round(seen),
        scores={"accuracy": accuracy},
        parameters=_counted(model),
        precision="bf16" if arguments.bf16 else "fp32",
        detail={"steps": trainer.state.global_step, "arguments": more},
    )


def _pretrained(config: RunConfig, labels: Sequence[str]) -> tuple[Any, Any]:
    """Network and tokenizer from the checkpoint that Graft would take, in fp32 as Graft holds it."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from core.weights import find

    options: Any = config.model
    folder = find(options.checkpoint, "pretrained", options.sha256).folder
    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    model = AutoModelForSequenceClassification.from_pretrained(
        str(folder), num_labels=len(labels), dtype=torch.float32, local_files_only=True
    )
    return model, tokenizer


def _tokenised(tokenizer: Any, examples: Sequence[Any], config: RunConfig) -> Any:
    """A `datasets.Dataset`, as the library's own examples prepare one; padding is left to the collator."""
    from datasets import Dataset

    options: Any = config.model
    columns = dict(tokenizer([each.text for each in examples], truncation=True, max_length=options.max_length))
    return Dataset.from_dict(columns | {"labels": [int(each.target) for each in examples]})


def _arguments(config: RunConfig, folder: Path, more: Mapping[str, Any]) -> Any:
    from transformers import TrainingArguments

    train = config.train
    given: dict[str, Any] = {
        "output_dir": str(folder / "trainer"),
        "per_device_train_batch_size": train.batch_size,
        "per_device_eval_batch_size": 2 * train.batch_size,
        "num_train_epochs": train.epochs,
        "max_steps": train.max_steps or -1,
        "save_strategy": "no",
        "seed": config.seed,
    }
    return TrainingArguments(**(given | dict(more)))


def _bf16() -> dict[str, Any]:
    """The arguments for bf16 on this hardware, by the rule by which Graft chooses its precision."""
    import torch

    from core.environment import bf16_native

    on_gpu = torch.cuda.is_available()
    return {"bf16": bf16_native("cuda" if on_gpu else "cpu"), "use_cpu": not on_gpu}


def _counted(model: Any) -> dict[str, int]:
    parameters = list(model.parameters())
    trainable = sum(each.numel() for each in parameters if each.requires_grad)
    return {"total": sum(each.numel() for each in parameters), "trainable": trainable}


def main() -> None:
    """Do the work of the folder that is named on the command line."""
    from dataclasses import asdict

    folder = Path(sys.argv[1])
    (folder / RESULT).write_text(json.dumps(asdict(work(folder))), encoding="utf-8")


if __name__ == "__main__":
    main()
