"""Run transformers' `Trainer` for the works on texts, tokens and images."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.peers.measure import Result
from benchmarks.peers.program import Asked, counted, device

if TYPE_CHECKING:
    from core.contracts import RunConfig


@dataclass
class TimedBatches:
    """Wraps a source of batches and measures how long the loop waits for them.

    Attributes:
        take: The source of batches.
        seconds: The total wait so far.
    """

    take: Callable[..., Any]
    seconds: float = 0.0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Return the next batches."""
        started = time.perf_counter()
        try:
            return self.take(*arguments, **named)
        finally:
            self.seconds += time.perf_counter() - started


def arguments(asked: Asked, more: Mapping[str, Any]) -> Any:
    """Return `TrainingArguments` for the work.

    Args:
        asked: Gives batch size, epochs and seed through its configuration.
        more: Additional arguments.
    """
    from transformers import TrainingArguments

    config: RunConfig = asked.config
    given: dict[str, Any] = {
        "output_dir": str(asked.folder / "trainer"),
        "per_device_train_batch_size": config.train.batch_size,
        "per_device_eval_batch_size": 2 * config.train.batch_size,
        "num_train_epochs": config.train.epochs,
        "max_steps": config.train.max_steps or -1,
        "save_strategy": "no",
        "seed": config.seed,
    }
    bf16 = _bf16() if asked.settings.get("bf16") else {}
    return TrainingArguments(**(given | dict(more) | dict(asked.settings.get("arguments", {})) | bf16))


def _bf16() -> dict[str, Any]:
    """Return the arguments for bf16 on this hardware, by Graft's rule for the precision."""
    from core.runtime import bf16_native

    return {"bf16": bf16_native(device()), "use_cpu": device() == "cpu"}


def accuracy(predicted: Any) -> dict[str, float]:
    """Return the accuracy of predictions as the trainer returns them: logits [n, c] and labels [n]."""
    return {"accuracy": float((predicted.predictions.argmax(axis=1) == predicted.label_ids).mean())}


def trained(
    asked: Asked, trainer: Any, examples: int, test: Any, score: Callable[[Any], Mapping[str, float]] = accuracy
) -> Result:
    """Train and test, and return the measurements.

    Args:
        asked: The work; its settings are recorded.
        trainer: A trainer that is ready to train.
        examples: Number of training examples.
        test: The test split in the trainer's format.
        score: Maps the predictions for `test`, in its order, to scores.
    """
    waiting = trainer.get_batch_samples = TimedBatches(trainer.get_batch_samples)
    metrics = trainer.train().metrics
    trainer.args.train_sampling_strategy = "random"  # otherwise the trainer may order the test split by length too
    scores = score(trainer.predict(test))
    seen = min(metrics["epoch"], float(trainer.args.num_train_epochs)) * examples
    return Result(
        train_seconds=metrics["train_runtime"],
        examples=round(seen),
        scores=scores,
        parameters=counted(trainer.model),
        precision="bf16" if trainer.args.bf16 else "fp32",
        data_wait_seconds=round(waiting.seconds, 3),
        detail={
            "steps": trainer.state.global_step,
            "learning_rate": trainer.args.learning_rate,
            "settings": dict(asked.settings),
        },
    )
