"""Load the data and the model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from core.contracts.model import LoadedModel, LoadRequest
from core.contracts.splits import Splits
from core.issues import DataIssue
from core.runs.context import Context, refuse_other_data
from core.runtime.memory import peak_memory_mb


def load_data(ctx: Context) -> Splits:
    """Read, check and split the data; print and record sizes, labels and issues."""
    config = ctx.config
    splits = config.data.load(config.task, config.seed)
    refuse_other_data(ctx.directory, ctx.report.get("data") if ctx.resuming else None, splits.fingerprint)
    sizes = {"train": len(splits.train), "val": len(splits.val), "test": len(splits.test)}
    labels = (
        f", labels {', '.join(splits.labels)}" if 0 < len(splits.labels) <= 12 else f", {len(splits.labels)} labels"
    )
    ctx.screen.say(f"data: {' / '.join(f'{n} {name}' for name, n in sizes.items())}{labels}. {splits.description}")
    groups = splits.count_groups()
    if groups is not None:
        _print_groups(ctx, groups)
    for issue in splits.findings:
        print_issue(ctx, issue)
    ctx.record(
        data={
            "adapter": config.data.name,
            "description": splits.description,
            "fingerprint": splits.fingerprint,
            "sizes": sizes,
            "groups": groups,
            "labels": list(splits.labels),
            "findings": [asdict(issue) for issue in splits.findings],
        }
    )
    return splits


def _print_groups(ctx: Context, groups: Mapping[str, int]) -> None:
    """Print the number of groups in each split; warn if a split has too few for intervals."""
    ctx.screen.say(f"data: groups: {' / '.join(f'{n} {name}' for name, n in groups.items())}")
    single = [name for name in ("val", "test") if groups[name] == 1]
    if single and ctx.config.train.bootstrap_resamples:
        ctx.screen.warn(f"data: one group in {' and '.join(single)}, so these scores have no confidence intervals")


def print_issue(ctx: Context, issue: DataIssue) -> None:
    """Print an issue of the data check with its first places."""
    write = ctx.screen.warn if issue.level == "warning" else ctx.screen.say
    write(f"data: {issue.message}{_places(issue)}")


def _places(issue: DataIssue) -> str:
    more = ", …" if issue.count > len(issue.places) else ""
    return f" ({', '.join(issue.places)}{more})" if issue.places else ""


def load_model(ctx: Context, request: LoadRequest) -> LoadedModel:
    """Load the base model; print a banner if its weights are not pretrained."""
    started = time.monotonic()
    model = ctx.config.model.load(request)
    provenance = model.provenance
    if provenance.init == "scratch" and provenance.note:
        ctx.screen.banner(provenance.note)
    ctx.screen.say(f"model: {provenance.checkpoint or ctx.config.model.name} ({provenance.init}; {provenance.source})")
    entry: dict[str, Any] = {"loader": ctx.config.model.name, "provenance": asdict(provenance)}
    entry |= {"load_seconds": round(time.monotonic() - started, 2)}
    if model.base_weights:
        entry |= {"base_weights": dict(model.base_weights) | {"peak_mb": peak_memory_mb(request.device)}}
        ctx.screen.say(_describe_size(model.base_weights))
    ctx.record(model=entry, init=provenance.init)
    return model


def _describe_size(weights: Mapping[str, float]) -> str:
    """Return a sentence about the size of quantized base weights."""
    return (
        f"weights: the quantized layers take {weights['quantised_ratio']:.3f} of their size in bf16, the whole model "
        f"{weights['ratio']:.3f} ({weights['bytes'] / 2**20:.1f} MiB, measured)"
    )
