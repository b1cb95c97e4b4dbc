"""The options of training: length, batch, optimizer, precision, evaluation, checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.options import option

if TYPE_CHECKING:
    MISSING: Any
else:
    MISSING = "???"  # how OmegaConf marks a value that must be given


def eval_batch_size(train: TrainConfig) -> int:
    """Return the number of examples per forward pass in evaluations."""
    return train.eval_batch_size or 2 * train.batch_size


@dataclass
class TrainConfig:
    """How to train: length, batch, optimizer, precision, evaluation, checkpoints."""

    epochs: float | None = option(
        None, "Number of epochs; null uses the value of the recipe, the method or the model.", above=0
    )
    max_steps: int = option(
        0, "Maximum number of optimizer steps, even if `epochs` asks for more; 0 for no limit.", low=0
    )
    time_budget_minutes: float = option(
        0.0, "Stop training after this many minutes; the report says so. 0 for no limit.", low=0
    )
    batch_size: int = option(32, "Examples per optimizer step, over all processes.", low=1)
    micro_batch_size: int = option(
        0, "Examples per forward pass; 0 for the whole batch. Smaller values need less memory.", low=0
    )
    gradient_checkpointing: bool = option(
        False,
        "Recompute activations in the backward pass; saves memory, costs one extra forward pass.",
    )
    optimizer: str = option(
        "adamw",
        "Name of the optimizer; `python -m core list optimizer` lists them.",
    )
    learning_rate: float | None = option(
        None, "Peak learning rate; null uses the value of the recipe, the method or the model.", above=0
    )
    weight_decay: float = option(0.01, "Decoupled weight decay, on matrices but not on biases and norms.", low=0)
    beta1: float = option(0.9, "Decay of AdamW's first moment.", low=0, high=1)
    beta2: float = option(0.999, "Decay of AdamW's second moment.", low=0, high=1)
    warmup: float = option(0.06, "Share of the steps during which the learning rate rises from 0.", low=0, high=1)
    schedule: str = option("linear", "Learning rate schedule after warmup.", choices=("linear", "cosine", "constant"))
    clip_norm: float = option(1.0, "Maximum gradient norm; 0 for no clipping.", low=0)
    class_weights: str = option(
        "none",
        "Class weights in the loss: none, auto (inverse frequency) or given.",
        choices=("none", "auto", "given"),
    )
    given_class_weights: dict[str, float] = option(
        None, "With class_weights=given: a weight for each label.", factory=dict
    )
    label_smoothing: float = option(
        0.0, "Share of the target that is spread over all labels (not for every target type).", low=0, high=0.5
    )
    ema: float = option(
        0.0,
        "Decay of an exponential moving average of the weights, which is then evaluated and saved; 0 for none.",
        low=0,
        high=0.999999,
    )
    precision: str = option(
        "auto",
        "Precision; auto uses bf16 if the processor supports it natively.",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    device: str = option("auto", "Device: auto (a GPU if there is one), cpu, cuda, cuda:1 or mps.")
    bucket_by_length: bool = option(
        True, "Batch examples of similar length, which saves padding. Deterministic by seed and epoch."
    )
    fast_dropout: bool = option(
        True, "On a CPU: draw dropout masks from packed 16-bit integers; same distribution, several times faster."
    )
    reuse_memory: bool = option(
        True,
        "On a CPU with glibc: keep freed memory for the next step instead of returning it.",
    )
    compile: bool = option(False, "Use torch.compile; on a CPU it costs more than it gains.")
    channels_last: bool = option(True, "Use the channels-last memory format for convolutions, which is faster.")
    workers: int | None = option(
        None,
        "Worker processes for loading examples; 0 loads in the main process; null uses one per core if examples "
        "must be decoded, else none.",
        low=0,
    )
    evals_per_epoch: float = option(1.0, "Validations per epoch; 0 validates only at the end.", low=0)
    eval_batch_size: int = option(0, "Examples per forward pass in evaluations; 0 for twice the batch size.", low=0)
    keep_best: bool = option(
        True, "Keep the weights with the best primary metric on validation instead of the last ones."
    )
    patience_evals: int = option(
        0, "Early stopping: validations without improvement before training stops; 0 never stops early.", low=0
    )
    checkpoint_minutes: float = option(
        5.0, "Maximum number of minutes between checkpoints; 0 writes them at validations only.", low=0
    )
    checkpoint_steps: int = option(0, "Also write a checkpoint every N steps; 0 for no such checkpoints.", low=0)
    keep_checkpoints: bool = option(False, "Keep the last checkpoints after the run has ended.")
    log_steps: int = option(10, "Read the loss and write a line of log.jsonl every N steps.", low=1)
    confidence: float = option(0.95, "Confidence level of the intervals.", above=0, high=0.999)
    bootstrap_resamples: int = option(
        1000, "Bootstrap resamples for the confidence intervals; 0 for no intervals.", low=0
    )
    thresholds: str = option(
        "validation",
        "Decision threshold of each label, with several labels: chosen on the validation split, or 0.5.",
        choices=("validation", "half"),
    )
    baselines: bool = option(True, "Also score simple baselines (majority class, a linear model) on the test split.")


@dataclass
class ResolvedTrain(TrainConfig):
    """Options of `train` without nulls: the method or the model has filled them in."""

    epochs: float = 3.0
    learning_rate: float = 5e-5
