"""Format `report.json` files as one table, which can be reprinted from the files alone."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.runner import REPLACED
from core import reporting

Report = Mapping[str, Any]

COLUMNS = (
    "task", "model", "method", "metric", "test", "n", "baselines", "seconds", "examples/s", "trainable",
)  # fmt: skip
SCRATCH = "scratch: started from random weights, not from pretrained ones."
ERROR_WIDTH = 200


@dataclass(frozen=True)
class ResultRow:
    """Completed runs that differ only in the seed.

    Attributes:
        task, model, method: The configured names.
        options: Options in which this row differs from others with the same names, such as `train.epochs=1`.
        init: `scratch` or `pretrained`.
        metric: The primary metric.
        n: Number of runs.
        mean, sd: Mean and sample standard deviation on the test split; `sd` is None for a single run.
        baselines: Mean of each baseline on the same splits, by name.
        seconds: Mean time of a whole run, including evaluation and saving.
        examples_per_second: Mean in training; None if Graft's loop did not train.
        trainable: Share of trained parameters, from 0 to 1.
    """

    task: str
    model: str
    method: str
    options: tuple[str, ...]
    init: str
    metric: str
    n: int
    mean: float | None
    sd: float | None
    baselines: Mapping[str, float]
    seconds: float
    examples_per_second: float | None
    trainable: float | None


@dataclass(frozen=True)
class FailedRun:
    """A run that did not complete: its name, its status and its error."""

    name: str
    status: str
    error: str


def find(folders: Iterable[Path]) -> list[Path]:
    """Return every folder with a report in or below the given ones, in order, without replaced runs."""
    found: dict[Path, None] = {}
    for folder in folders:
        for path in sorted(folder.rglob(reporting.REPORT)):
            if REPLACED not in path.relative_to(folder).parts:
                found[path.parent] = None
    return list(found)


def rows(reports: Sequence[Report]) -> list[ResultRow]:
    """Return one row for all completed runs that differ only in the seed, in the order of their first runs."""
    groups: dict[tuple[Any, ...], list[Report]] = {}
    for report in reports:
        if report["status"] == "completed":
            key = (*named(report), report.get("init", ""), tuple(_leaves(report["config"]).items()))
            groups.setdefault(key, []).append(report)
    return [
        _row(key, members, _differences(key, [other for other in groups if other[:4] == key[:4]]))
        for key, members in groups.items()
    ]


def named(report: Report) -> tuple[str, str, str]:
    """Return task, model and method: the chosen presets, or the components of a run configured in Python."""
    choices: Mapping[str, str] = report["choices"]
    return choices["task"], choices["model"], choices["method"]


def _leaves(plain: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return every leaf of a configuration except the seed, as text by dotted path."""
    found: dict[str, str] = {}
    for key, value in plain.items():
        if isinstance(value, Mapping) and value:
            found |= _leaves(value, f"{prefix}{key}.")
        elif f"{prefix}{key}" != "seed":
            found[f"{prefix}{key}"] = "null" if value is None else str(value)
    return found


def _differences(key: tuple[Any, ...], alike: Sequence[tuple[Any, ...]]) -> tuple[str, ...]:
    """Return the options in which one group differs from others with the same name."""
    mine, others = dict(key[4]), [dict(other[4]) for other in alike]
    return tuple(f"{path}={value}" for path, value in mine.items() if any(other.get(path) != value for other in others))


def _row(key: tuple[Any, ...], members: Sequence[Report], options: tuple[str, ...]) -> ResultRow:
    primary = members[0]["primary"]
    scores = [value for each in members if (value := _value(each["scores"]["test"].get(primary))) is not None]
    speeds = [each["training"].get("examples_per_second") for each in members]
    shares = [p["trainable"] / p["total"] for each in members if (p := each["model"].get("parameters"))]
    return ResultRow(
        task=key[0],
        model=key[1],
        method=key[2],
        options=options,
        init=key[3],
        metric=primary,
        n=len(members),
        mean=statistics.fmean(scores) if scores else None,
        sd=statistics.stdev(scores) if len(scores) > 1 else None,
        baselines=_baselines(members, primary),
        seconds=statistics.fmean(each["seconds"] for each in members),
        examples_per_second=_mean(speeds),
        trainable=_mean(shares),
    )


def _baselines(members: Sequence[Report], primary: str) -> dict[str, float]:
    names = dict.fromkeys(name for each in members for name in each["scores"].get("baselines", {}))
    means = {
        name: _mean([_value(each["scores"]["baselines"].get(name, {}).get(primary)) for each in members])
        for name in names
    }
    return {name: mean for name, mean in means.items() if mean is not None}


def _value(score: Any) -> float | None:
    return score.get("value") if isinstance(score, Mapping) else score


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def failed_runs(reports: Sequence[Report]) -> list[FailedRun]:
    """Return the runs that did not complete, each with the first lines of its error."""
    found = []
    for report in reports:
        if report["status"] != "completed":
            error = " ".join(str(report.get("error") or "").split())
            name = " ".join((*named(report), f"seed {report['config'].get('seed')}"))
            found.append(FailedRun(name, str(report["status"]), error[:ERROR_WIDTH]))
    return found


def markdown(reports: Sequence[Report]) -> str:
    """Return the table, the runs that did not complete, and the hardware."""
    found = rows(reports)
    parts = [grid(COLUMNS, [_cells(row) for row in found])] if found else ["No run has completed."]
    if any(row.init == "scratch" for row in found):
        parts.append(SCRATCH)
    if failed := failed_runs(reports):
        parts.append("Not completed:\n\n" + "\n".join(f"- {each.name}: {each.status}. {each.error}" for each in failed))
    if machines := _machines(reports):
        parts.append("Measured on " + "; ".join(machines) + ".")
    return "\n\n".join(parts) + "\n"


def _cells(row: ResultRow) -> list[str]:
    model = f"{row.model} (scratch)" if row.init == "scratch" else row.model
    speed = "-" if row.examples_per_second is None else f"{row.examples_per_second:.0f}"
    share = "-" if row.trainable is None else f"{100 * row.trainable:.3g}%"
    baselines = ", ".join(f"{name} {value:.3f}" for name, value in row.baselines.items())
    method = " ".join((row.method, *row.options))
    return [
        row.task, model, method, row.metric, spread(row.mean, row.sd), str(row.n), baselines or "-",
        f"{row.seconds:.0f}", speed, share,
    ]  # fmt: skip


def spread(mean: float | None, sd: float | None) -> str:
    """Return text such as `0.713 ± 0.012`, or only the mean for a single value."""
    if mean is None:
        return "-"
    return f"{mean:.3f}" if sd is None else f"{mean:.3f} ± {sd:.3f}"


def grid(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose columns are as wide as their widest cell."""
    escaped = [[each.replace("|", "\\|") for each in row] for row in cells]
    widths = [max(len(row[at]) for row in (columns, *escaped)) for at in range(len(columns))]
    lines = [columns, ["-" * width for width in widths], *escaped]
    return "\n".join("| " + " | ".join(each.ljust(width) for each, width in zip(line, widths, strict=True)) + " |"
                     for line in lines)  # fmt: skip


def _machines(reports: Sequence[Report]) -> list[str]:
    found: dict[str, None] = {}
    for report in reports:
        if where := report.get("environment"):
            found[hardware(where) + f", {where.get('precision')}"] = None
    return list(found)


def hardware(environment: Mapping[str, Any]) -> str:
    """Return a description of processor or GPU, cores, threads and torch's version."""
    where = environment.get("gpu") or environment.get("processor") or "an unknown processor"
    torch = environment.get("versions", {}).get("torch")
    return f"{where}, {environment.get('cores')} cores, {environment.get('threads')} threads, torch {torch}"


def as_json(reports: Sequence[Report]) -> dict[str, Any]:
    """Return the table and the runs that did not complete as plain values."""
    return {"rows": [asdict(row) for row in rows(reports)], "apart": [asdict(each) for each in failed_runs(reports)]}
