"""The stage that trains the model."""

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
from core.runs.split_scores import evaluated
from core.tasks.output import OutputSpec
from core.training.class_weights import example_weights
from core.training.loop import Loop
from core.training.state import total_steps

if TYPE_CHECKING:
    from core.runs.prepare import PreparedSplit


def fit(
    ctx: Context,
    config: ResolvedConfig,
    model: LoadedModel,
    splits: Splits,
    output: OutputSpec,
    ready: Mapping[str, PreparedSplit],
) -> None:
    """Train in the loop, or let a model without gradients fit itself."""
    if isinstance(model, SupportsFit):
        started = time.monotonic()
        model.fit(splits.train, example_weights(config, splits, output), config.seed)
        ctx.record(training={"steps": 0, "seconds": round(time.monotonic() - started, 3), "history": [], "marks": []})
        return
    train, task = config.train, config.task
    higher = config.metrics[task.primary].higher_is_better

    def validate() -> Mapping[str, float]:
        found = evaluated(ctx, train, model, ready["val"], Scoring(config.metrics, output))
        ctx.evaluated(loop.state.step, "val", found.scores)
        return found.scores

    def better(new: float, old: float) -> bool:
        return not np.isnan(new) and (np.isnan(old) or (new > old if higher else new < old))

    loop = Loop(
        model=model,
        method=config.method,
        prepared=ready["train"].prepared,
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
    ctx.record(
        training={
            "steps": state.step,
            "epochs": round(state.step / loop.steps.per_epoch, 4),
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
    """Return the newest checkpoint's step; on resume, remove later lines from the log."""
    found = ctx.checkpoints.latest()
    last, evaluated = (found[0], found[1]["state"]["evaluated"]) if found else (0, -1)
    if ctx.writes and ctx.resuming:
        ctx.log.rewind(last, evaluated)
        ctx.screen.say(
            f"resuming from step {last}" if last else "resuming from the start: there is no whole checkpoint"
        )
    return last
