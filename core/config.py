"""One run's configuration, as plain dataclasses that a Python user can build without Hydra."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.contracts import AdapterMethod, DataAdapter, Metric, ModelLoader, Task
from core.options import option

if TYPE_CHECKING:
    MISSING: Any
else:
    MISSING = "???"  # OmegaConf's spelling of a value that must be given


@dataclass
class Train:
    """How to train: length, batch, optimizer, precision, evaluation, checkpoints."""

    epochs: float | None = option(
        None, "Passes over the training split; null takes the recipe's or the model's own.", above=0
    )
    max_steps: int = option(0, "End after so many optimizer steps, whatever `epochs` says; 0 for no limit.", low=0)
    time_budget_minutes: float = option(0.0, "End training after so many minutes, and say so; 0 for no limit.", low=0)
    batch_size: int = option(32, "Examples in one optimizer step, over all processes.", low=1)
    micro_batch_size: int = option(
        0, "Examples in one forward pass; 0 for the whole batch. Smaller needs less memory.", low=0
    )
    gradient_checkpointing: bool = option(
        False,
        "Keep only what goes into each layer and compute the rest again: much less memory; forward passes run twice.",
    )
    optimizer: str = option(
        "adamw",
        "Name of the optimizer; `python -m core list optimizer` shows them, `show optimizer/NAME` describes one.",
    )
    learning_rate: float | None = option(
        None, "Peak learning rate; null takes the recipe's, the model's or the method's own.", above=0
    )
    weight_decay: float = option(0.01, "Decoupled weight decay on matrices (not on biases and norms).", low=0)
    beta1: float = option(0.9, "AdamW's decay of the first moment.", low=0, high=1)
    beta2: float = option(0.999, "AdamW's decay of the second moment.", low=0, high=1)
    warmup: float = option(0.06, "Share of all steps over which the learning rate rises from 0.", low=0, high=1)
    schedule: str = option(
        "linear", "How the learning rate falls after warm-up.", choices=("linear", "cosine", "constant")
    )
    clip_norm: float = option(1.0, "Largest norm of the gradient; 0 for no clipping.", low=0)
    class_weights: str = option(
        "none",
        "Weight of labels in the loss: none, auto (inverse frequency) or given.",
        choices=("none", "auto", "given"),
    )
    given_class_weights: dict[str, float] = option(
        None, "With class_weights=given: a weight for every label.", factory=dict
    )
    label_smoothing: float = option(
        0.0, "Share of the target spread over all labels (single label only).", low=0, high=0.5
    )
    ema: float = option(
        0.0,
        "Decay of an exponential moving average of the weights, which is then what is evaluated and kept; 0 for none.",
        low=0,
        high=0.999999,
    )
    precision: str = option(
        "auto", "auto takes bf16 where the processor has it natively.", choices=("auto", "fp32", "bf16", "fp16")
    )
    device: str = option("auto", "auto takes a GPU where there is one; else cpu, cuda, cuda:1, mps.")
    bucket_by_length: bool = option(True, "Batches of similar length: less padding; deterministic by seed and epoch.")
    fast_dropout: bool = option(
        True, "Draw dropout masks from packed 16-bit integers on a CPU: the same distribution, several times faster."
    )
    reuse_memory: bool = option(
        True,
        "On a CPU with glibc: keep freed memory for the next step, rather than fault it in anew.",
    )
    compile: bool = option(False, "torch.compile the module; on a CPU it costs more than it gains.")
    channels_last: bool = option(True, "Keep convolutions' weights and images channels-last, which is faster.")
    workers: int | None = option(
        None,
        "Worker processes that fetch examples; 0 fetches in the main process; null takes one a core where examples "
        "must be decoded, else none.",
        low=0,
    )
    evals_per_epoch: float = option(1.0, "Validations in an epoch; 0 validates only at the end.", low=0)
    eval_batch_size: int = option(
        0, "Examples in one forward pass of an evaluation; 0 for twice the batch size.", low=0
    )
    keep_best: bool = option(True, "Keep the weights with the best primary metric on validation, not the last ones.")
    patience_evals: int = option(0, "Stop after so many evaluations without improvement; 0 never stops early.", low=0)
    checkpoint_minutes: float = option(
        5.0, "Write a checkpoint at least this often; also at each evaluation. 0 for at evaluations only.", low=0
    )
    checkpoint_steps: int = option(0, "Write a checkpoint every so many steps as well; 0 for not.", low=0)
    keep_checkpoints: bool = option(False, "Keep the last checkpoints when the run has ended.")
    log_steps: int = option(10, "Read the loss and write a line of log.jsonl every so many steps.", low=1)
    confidence: float = option(0.95, "Level of the confidence intervals.", above=0, high=0.999)
    bootstrap_resamples: int = option(1000, "Resamples behind the confidence intervals; 0 for no intervals.", low=0)
    thresholds: str = option(
        "validation",
        "Several labels: where each label's threshold comes from: chosen on the validation split, or one half.",
        choices=("validation", "half"),
    )
    baselines: bool = option(True, "Also score the simple peers (majority class, a linear model) on the test split.")


@dataclass
class ResolvedTrain(Train):
    """Options of `train` whose nulls have been filled in, from the method or from the model."""

    epochs: float = 3.0
    learning_rate: float = 5e-5


@dataclass
class RunConfig:
    """Everything that decides a run. `core.run(RunConfig(...))` trains it."""

    task: Task = field(default_factory=Task)
    data: DataAdapter = MISSING
    model: ModelLoader = MISSING
    method: AdapterMethod = MISSING
    metrics: dict[str, Metric] = field(default_factory=dict)
    train: Train = field(default_factory=Train)
    seed: int = 0


@dataclass
class ResolvedConfig(RunConfig):
    """A configuration as it trains: the model is loaded, so the nulls of `train` are known."""

    train: ResolvedTrain = field(default_factory=ResolvedTrain)


SOCKETS = ("data", "model", "method")
"""The fields of `RunConfig` that hold one component each."""
