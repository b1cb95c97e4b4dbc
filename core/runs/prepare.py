"""Prepare the splits for training, and estimate memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from core.contracts.components import RunConfig
from core.contracts.model import LoadedModel, PreparedDataset
from core.contracts.protocols import SupportsFit, SupportsPreview
from core.contracts.splits import Splits
from core.files import unwritable
from core.reporting.run_directory import SAMPLES
from core.runs.context import Context
from core.runs.load import print_issue
from core.tasks.output import OutputSpec
from core.training.memory_profile import profile_memory

if TYPE_CHECKING:
    from core.tasks.targets.target import Targets


@dataclass(frozen=True)
class PreparedSplit:
    """A split for training and evaluation: its examples, the prepared dataset, and the targets."""

    examples: Sequence[Any]
    prepared: PreparedDataset
    targets: Targets


def prepare(
    ctx: Context, config: RunConfig, model: LoadedModel, splits: Splits, output: OutputSpec
) -> dict[str, PreparedSplit]:
    """Prepare every split once; print and record what was done to examples, such as truncation."""
    names = ("val", "test") if isinstance(model, SupportsFit) else ("train", "val", "test")
    prepared_splits = {}
    for name in names:
        examples = getattr(splits, name)
        prepared_splits[name] = PreparedSplit(
            examples, model.prepare(examples, train=name == "train"), output.targets_of(examples)
        )
    if isinstance(model, SupportsPreview) and ctx.writes:
        _draw(ctx, model, prepared_splits["train"])
    for issue in model.findings:
        print_issue(ctx, issue)
    if not isinstance(model, SupportsFit):
        _estimate(ctx, config, model, prepared_splits["train"].prepared)
    known = ctx.report["data"]["findings"]
    new = [asdict(issue) for issue in model.findings if asdict(issue) not in known]
    ctx.record(data=ctx.report["data"] | {"findings": [*known, *new]})
    return prepared_splits


def _estimate(ctx: Context, config: RunConfig, model: LoadedModel, prepared: PreparedDataset) -> None:
    """Record an estimate of the peak memory of training, to compare with the measured peak."""
    if estimate := profile_memory(model, prepared, config.train, ctx.hardware, config.seed):
        ctx.record(memory={"estimate_mb": estimate})


def _draw(ctx: Context, model: SupportsPreview, train: PreparedSplit) -> None:
    """Write a picture of training examples as the model sees them."""
    path = ctx.directory / SAMPLES
    try:
        model.preview(train.examples, train.prepared, ctx.config.seed).save(path)
    except OSError as error:
        raise unwritable(path, error) from error
    ctx.screen.say(f"data: {path.name} in the run's folder shows training images as the model sees them")
