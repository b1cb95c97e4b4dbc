"""The stage that loads the data and the model."""

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
    """Read, check and split the data; print and record what was found."""
    config = ctx.config
    splits = config.data.load(config.task, config.seed)
    refuse_other_data(ctx.directory, ctx.report.get("data") if ctx.resuming else None, splits.fingerprint)
    sizes = {"train": len(splits.train), "val": len(splits.val), "test": len(splits.test)}
    labels = (
        f", labels {', '.join(splits.labels)}" if 0 < len(splits.labels) <= 12 else f", {len(splits.labels)} labels"
    )
    ctx.screen.say(f"data: {' / '.join(f'{n} {name}' for name, n in sizes.items())}{labels}. {splits.description}")
    for finding in splits.findings:
        say_finding(ctx, finding)
    ctx.record(
        data={
            "adapter": config.data.name,
            "description": splits.description,
            "fingerprint": splits.fingerprint,
            "sizes": sizes,
            "labels": list(splits.labels),
            "findings": [asdict(finding) for finding in splits.findings],
        }
    )
    return splits


def say_finding(ctx: Context, finding: DataIssue) -> None:
    """Print a finding of the data check."""
    say = ctx.screen.warn if finding.level == "warning" else ctx.screen.say
    say(f"data: {finding.message}{_places(finding)}")


def _places(finding: DataIssue) -> str:
    return (
        f" ({', '.join(finding.places)}{', …' if finding.count > len(finding.places) else ''})"
        if finding.places
        else ""
    )


def load_model(ctx: Context, request: LoadRequest) -> LoadedModel:
    """Load the base model; a banner says when its weights are not pretrained."""
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
        ctx.screen.say(_weighed(model.base_weights))
    ctx.record(model=entry, init=provenance.init)
    return model


def _weighed(weights: Mapping[str, float]) -> str:
    """Return a sentence about the size of quantized base weights."""
    return (
        f"weights: the quantised layers take {weights['quantised_ratio']:.3f} of their size in bf16, the whole model "
        f"{weights['ratio']:.3f} ({weights['bytes'] / 2**20:.1f} MiB, measured)"
    )
