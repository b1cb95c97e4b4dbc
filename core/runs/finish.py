"""The stage that completes the report and prints the summary."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from core.contracts.components import RunConfig
from core.reporting.summary import show
from core.runs.context import Context
from core.runtime.memory import peak_memory_mb


def finish(ctx: Context, config: RunConfig, unsure: list[str]) -> None:
    """Complete the report, print the summary, and remove what only a resume needs."""
    ctx.record(
        status="completed",
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
        memory=ctx.report.get("memory", {}) | {"peak_mb": peak_memory_mb(ctx.hardware.device)},
        nondeterministic_kernels=unsure,
    )
    if not ctx.writes:
        return
    if not config.train.keep_checkpoints:
        ctx.checkpoints.remove()
    ctx.notify("run_ended", report=ctx.report)
    note = ctx.report["model"]["provenance"]["note"]
    with suppress(BrokenPipeError, SystemExit):  # nobody reads the summary (rich then exits); the run has ended well
        show(ctx.report, ctx.screen, _short(ctx.directory))
        if ctx.report["init"] == "scratch" and note:
            ctx.screen.banner(note)


def _short(path: Path) -> Path:
    """Relative to where the person is, where that is shorter."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
