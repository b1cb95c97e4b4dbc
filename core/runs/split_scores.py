"""Score one prepared split, during and after training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.contracts.model import LoadedModel
from core.contracts.train_config import TrainConfig, eval_batch_size
from core.evaluation.predict import predict_batches, share_of
from core.evaluation.scoring import Evaluation, Scoring, evaluate
from core.runs.context import Context

if TYPE_CHECKING:
    from core.runs.prepare import PreparedSplit


def evaluate_split(
    ctx: Context, train: TrainConfig, model: LoadedModel, split: PreparedSplit, scoring: Scoring
) -> Evaluation:
    """Predict a split and score it.

    Raises:
        Interrupted: A signal asked the run to stop.
    """
    batches = predict_batches(
        model, split.prepared, ctx.hardware, eval_batch_size(train), share_of(ctx.hardware, len(split.prepared))
    )
    return evaluate(batches, split.targets, scoring, ctx.hardware, ctx.check_interrupted)
