"""Train the model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from core.contracts.components import ResolvedConfig
from core.contracts.model import LoadedModel
from core.contracts.protocols import SupportsFit
from core.contracts.splits import Splits
from core.evaluation.scoring import Scoring
from core.runs.context import Context
from core.runs.split_scores import evaluate_split
from core.tasks.output import OutputSpec
from core.training.class_weights import example_weights
from core.training.loop import Loop
from core.training.state import State, total_steps

if TYPE_CHECKING:
    from core.runs.prepare import PreparedSplit


def fit(
    ctx: Context,
    config: ResolvedConfig,
    model: LoadedModel,
    splits: Splits,
    output: OutputSpec,
    prepared_splits: Mapping[str, PreparedSplit],
) -> None:
    """Train in the loop, or fit a model that trains without gradients."""
    if isinstance(model, SupportsFit):
        started = time.monotonic()
        model.fit(splits.train, example_weights(config, splits, output), config.seed)
        ctx.record(training={"steps": 0, "seconds": round(time.monotonic() - started, 3), "history": [], "marks": []})
        return
    train, task = config.train, config.task
    higher = config.metrics[task.primary].higher_is_better

    def validate() -> Mapping[str, float]:
        evaluation = evaluate_split(ctx, train, model, prepared_splits["val"], Scoring(config.metrics, output))
        ctx.evaluated(loop.state.step, "val", evaluation.scores)
        return evaluation.scores

    def better(new: float, old: float) -> bool:
        return not np.isnan(new) and (np.isnan(old) or (new > old if higher else new < old))

    loop = Loop(
        model=model,
        method=config.method,
        prepared=prepared_splits["train"].prepared,
        train=train,
        hardware=ctx.hardware,
        seed=config.seed,
        checkpoints=ctx.checkpoints,
        evaluate=validate,
        better=better,
        primary=task.primary,
        watch=ctx,
    )
    last = _rewind(ctx)
    with ctx.screen.training(total_steps(train, len(splits.train)), last) as ctx.bar:
        state = loop.fit()
    ctx.bar = None
    _record(ctx, state, loop.steps.per_epoch)


def _record(ctx: Context, state: State, steps_per_epoch: float) -> None:
    """Record the length, the speed and the history of the training."""
    ctx.record(
        training={
            "steps": state.step,
            "epochs": round(state.step / steps_per_epoch, 4),
            "best_step": state.best_step,
            "history": state.history,
            "seconds": round(state.seconds, 3),
            "data_wait_seconds": round(state.data_seconds, 3),
            "examples_per_second": round(state.examples / max(1e-9, state.seconds), 2),
            "micro_batch_size": state.micro_batch_size,
            "marks": state.marks,
        }
    )


def _rewind(ctx: Context) -> int:
    """Return the step of the newest checkpoint; on resume, remove later lines from the log."""
    checkpoint = ctx.checkpoints.latest()
    last, evaluated = (checkpoint[0], checkpoint[1]["state"]["evaluated"]) if checkpoint else (0, -1)
    if ctx.writes and ctx.resuming:
        ctx.log.rewind(last, evaluated)
        ctx.screen.say(
            f"resuming from step {last}" if last else "resuming from the start: there is no valid checkpoint"
        )
    return last
