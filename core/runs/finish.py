"""Complete the report and print the summary."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from core.contracts.components import RunConfig
from core.reporting.summary import show
from core.runs.context import Context
from core.runtime.memory import peak_memory_mb


def finish(ctx: Context, config: RunConfig, nondeterministic_kernels: list[str]) -> None:
    """Complete the report, print the summary, and remove the checkpoints unless they are to be kept."""
    ctx.record(
        status="completed",
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
        memory=ctx.report.get("memory", {}) | {"peak_mb": peak_memory_mb(ctx.hardware.device)},
        nondeterministic_kernels=nondeterministic_kernels,
    )
    if not ctx.writes:
        return
    if not config.train.keep_checkpoints:
        ctx.checkpoints.remove()
    ctx.notify("run_ended", report=ctx.report)
    note = ctx.report["model"]["provenance"]["note"]
    with suppress(BrokenPipeError, SystemExit):  # the reader of the output has exited; the run is still complete
        show(ctx.report, ctx.screen, _short(ctx.directory))
        if ctx.report["init"] == "scratch" and note:
            ctx.screen.banner(note)


def _short(path: Path) -> Path:
    """Return the path relative to the working directory if it is inside it, else unchanged."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
