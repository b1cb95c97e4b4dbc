"""Print the summary of a finished run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.reporting.console import Screen


def show(report: Mapping[str, Any], screen: Screen, directory: Path) -> None:
    """Print the summary: scores with intervals and baselines, tables, data issues, time and memory."""
    scores, primary = report["scores"], report["primary"]
    baselines: Mapping[str, Any] = scores.get("baselines", {})
    keys = sorted(scores["test"], key=lambda key: key != primary)
    rows = [
        [f"{key} *" if key == primary else key, cell(scores["test"][key]), cell(scores["val"].get(key))]
        + [cell(baseline.get(key)) for baseline in baselines.values()]
        for key in keys
    ]
    data = report["data"]
    title = f"{report['name']}: {data['sizes']['test']} test examples, {report['confidence']:.0%} confidence intervals"
    title += resampled((data.get("groups") or {}).get("test"), scores["test"])
    screen.table(title, ["metric (* primary)", "test", "validation", *baselines], rows)
    for key, title in report.get("table_titles", {}).items():
        entries: Sequence[Mapping[str, Any]] = report[key]
        if not entries:  # such as the errors of a model that makes none
            continue
        columns = list(entries[0])
        screen.table(title, columns, [[_text(entry[column]) for column in columns] for entry in entries])
    for issue in data["findings"]:
        screen.say(f"data: {issue['message']}")
    for mark in report["training"].get("marks", []):
        screen.warn(mark)
    parameters, training = report["model"]["parameters"], report["training"]
    screen.say(
        f"trained {parameters['trainable']:,} of {parameters['total']:,} parameters in {training['seconds']:.0f} s "
        f"({training.get('examples_per_second') or 0:.0f} examples/s), "
        f"peak memory {_memory(report['memory'])}, {report['seconds']:.0f} s in all"
    )
    screen.out.print(f"run: {directory}", markup=False)


def _memory(memory: Mapping[str, Any]) -> str:
    """Return the measured peak memory (on the GPU if there is one) and the estimate as text."""
    peak, estimated = memory["peak_mb"], memory.get("estimate_mb")
    measured = f"{peak['gpu']:.0f} MiB on the GPU" if "gpu" in peak else f"{peak['resident']:.0f} MiB"
    return measured + (f" (estimated {estimated['total']:.0f})" if estimated else "")


def resampled(groups: int | None, scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Return ` resample 12 groups`, to follow `intervals`; empty if these resample examples, or if there are none."""
    has_intervals = any(score["low"] is not None for score in scores.values())
    return f" resample {groups:,} groups" if groups is not None and has_intervals else ""


def cell(score: Mapping[str, Any] | float | None) -> str:
    """Return a score as text, such as `0.893 [0.879, 0.907]`; a dash if there is no score."""
    if score is None:
        return "-"
    if not isinstance(score, Mapping):
        return f"{score:.3f}"
    if score.get("value") is None:
        return "-"
    if score.get("low") is None or score.get("high") is None:
        return f"{score['value']:.3f}"
    return f"{score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"


def _text(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "-" if value is None else str(value)
