"""Read measurements from files, and format the table."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.tables import ERROR_WIDTH, grid, hardware, spread

SCHEMA = "graft-measurement-1"
REFERENCE = "graft"
"""The peer that all others are compared with."""
BUSY_PERCENT = 10.0
"""A measurement counts as disturbed if other processes used more than this share of the processors just before it."""

LEGEND = (
    "Speeds are medians over the rounds, with minimum and maximum; the ratio is computed within each round. "
    "Waiting for data is the part of the training time spent waiting for the next batch."
)
SCORES_ALONE = "Several measurements ran at the same time, so the table shows scores only, not speeds."

Measurement = Mapping[str, Any]
METRIC = "primary metric"
"""The key of a measurement's `config` that names its score; without it, the score is accuracy."""
COLUMNS = (
    "peer", "examples/s", "graft ÷ this", "waiting for data", "end to end", "test {metric}", "peak memory",
    "precision", "n",
)  # fmt: skip
UNTIMED = ("peer", "test {metric}", "precision", "n")
"""The columns that do not depend on the machine's load."""


@dataclass(frozen=True)
class PeerRow:
    """All completed measurements of one peer.

    Attributes:
        peer: The peer's name.
        summary: How it differs from other peers.
        n: Number of rounds.
        speed: Median, minimum and maximum of the examples per second in training.
        ratio: Median, minimum and maximum over the rounds of the reference's speed divided by this peer's.
        wait_seconds, wait_share: Median time spent waiting for batches in training, and its share of the training time.
        wall_seconds: Median time of the whole process.
        metric: The name of the score.
        score, score_sd: Mean on the test split, and the sample standard deviation.
        peak_rss_mb: Median peak memory.
        trainable: Number of trained parameters.
        precision: Data type of matrix products.
    """

    peer: str
    summary: str
    n: int
    speed: tuple[float, float, float]
    ratio: tuple[float, float, float] | None
    wait_seconds: float | None
    wait_share: float | None
    wall_seconds: float
    metric: str
    score: float | None
    score_sd: float | None
    peak_rss_mb: float
    trainable: int
    precision: str


def folder_name(environment: Mapping[str, Any], day: str) -> str:
    """Return `<day>-<hardware>`: the processor or GPU and the number of cores, without the machine's name."""
    where = str(environment.get("gpu") or environment.get("processor") or "unknown")
    words = re.sub(r"\((r|tm)\)|processor|cpu|@.*", " ", where.lower())
    return f"{day}-{re.sub(r'[^a-z0-9]+', '-', words).strip('-')}-{environment.get('cores')}-cores"


def read(folders: Iterable[Path]) -> list[dict[str, Any]]:
    """Return every measurement in or below the folders, in the order in which they were taken."""
    found = []
    for folder in folders:
        for path in sorted(folder.rglob("*.json")):
            try:
                plain = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                continue  # another program's file
            if isinstance(plain, dict) and plain.get("schema") == SCHEMA:
                found.append(plain)
    return sorted(found, key=lambda each: (str(each.get("started")), int(each["round"])))


def rows(measurements: Sequence[Measurement]) -> list[PeerRow]:
    """Return one row per peer, in the order of their first measurements."""
    completed = [each for each in measurements if each["status"] == "completed"]
    reference = {each["round"]: each["examples_per_second"] for each in completed if each["peer"] == REFERENCE}
    names = dict.fromkeys(each["peer"] for each in completed)
    return [_row([each for each in completed if each["peer"] == name], reference) for name in names]


def _row(members: Sequence[Measurement], reference: Mapping[int, float]) -> PeerRow:
    first = members[0]
    metric = metric_of(first)
    scores = [score for each in members if (score := each["scores"].get(metric)) is not None]
    waits = [(w, w / each["train_seconds"]) for each in members if (w := each.get("data_wait_seconds")) is not None]
    ratios = [reference[each["round"]] / each["examples_per_second"] for each in members if each["round"] in reference]
    return PeerRow(
        peer=first["peer"],
        summary=first["summary"],
        n=len(members),
        speed=_middle([each["examples_per_second"] for each in members]),
        ratio=_middle(ratios) if ratios else None,
        wait_seconds=statistics.median(seconds for seconds, _ in waits) if waits else None,
        wait_share=statistics.median(share for _, share in waits) if waits else None,
        wall_seconds=statistics.median(each["wall_seconds"] for each in members),
        metric=metric,
        score=statistics.fmean(scores) if scores else None,
        score_sd=statistics.stdev(scores) if len(scores) > 1 else None,
        peak_rss_mb=statistics.median(each["peak_rss_mb"] for each in members),
        trainable=first["parameters"]["trainable"],
        precision=first["precision"],
    )


def metric_of(measurement: Measurement) -> str:
    """Return the name of the score that a table shows."""
    return str(measurement["config"].get(METRIC, "accuracy"))


def _middle(values: Sequence[float]) -> tuple[float, float, float]:
    return statistics.median(values), min(values), max(values)


def warnings(measurements: Sequence[Measurement]) -> list[str]:
    """Return what makes the comparison unfair."""
    found = []
    trainable = {row.peer: row.trainable for row in rows(measurements)}
    if len(set(trainable.values())) > 1:
        counts = ", ".join(f"{peer} {count:,}" for peer, count in trainable.items())
        found.append(f"the peers trained different numbers of parameters: {counts}.")
    alone = [each for each in measurements if each.get("at_once", 1) == 1]
    if disturbed := [each for each in alone if each.get("others_busy_percent", 0.0) > BUSY_PERCENT]:
        names = ", ".join(f"round {each['round']} {each['peer']}" for each in disturbed)
        found.append(f"other processes kept the processors busy before {names}: measure again on a quiet machine.")
    if len({json.dumps(each["config"], sort_keys=True) for each in measurements}) > 1:
        found.append("the measurements have different options.")
    return found


def markdown(measurements: Sequence[Measurement]) -> str:
    """Return the table, the peers' summaries, failures, warnings, the work and the machine."""
    found = rows(measurements)
    timed = not any(each.get("at_once", 1) > 1 for each in measurements)
    parts = [_grid(found, timed)] if found else ["No measurement has completed."]
    parts.append("\n".join(f"- {row.peer}: {row.summary}" for row in found))
    parts.append(LEGEND if timed else SCORES_ALONE)
    parts.append(_by_round(measurements, timed))
    if failed := [each for each in measurements if each["status"] != "completed"]:
        lines = [f"- round {each['round']} {each['peer']}: {_one_line(each['error'])}" for each in failed]
        parts.append("Failed:\n\n" + "\n".join(lines))
    parts += [f"Warning: {each}" for each in warnings(measurements)]
    parts.append(_conditions(measurements))
    return "\n\n".join(part for part in parts if part) + "\n"


def _grid(found: Sequence[PeerRow], timed: bool) -> str:
    """Return the table; untimed, without the columns that depend on the machine's load."""
    metric = "/".join(dict.fromkeys(row.metric for row in found))
    columns = [each.format(metric=metric) for each in COLUMNS]
    kept = [at for at, each in enumerate(COLUMNS) if timed or each in UNTIMED]
    return grid([columns[at] for at in kept], [[_cells(row)[at] for at in kept] for row in found])


def _by_round(measurements: Sequence[Measurement], timed: bool) -> str:
    """Return a table with the score and the training seconds of each measurement; empty for a single round."""
    completed = {(each["peer"], each["round"]): each for each in measurements if each["status"] == "completed"}
    numbers = sorted({number for _, number in completed})
    if len(numbers) < 2:
        return ""
    seeds = {each["round"]: each["seed"] for each in completed.values() if "seed" in each}
    columns = [f"round {number}" + (f", seed {seeds[number]}" if number in seeds else "") for number in numbers]
    lines = [
        [peer, *(_score_and_time(completed.get((peer, number)), timed) for number in numbers)]
        for peer in dict.fromkeys(peer for peer, _ in completed)
    ]
    title = f"Each round: test score{', and seconds of training' if timed else ''}."
    return f"{title}\n\n{grid(['peer', *columns], lines)}"


def _score_and_time(measurement: Measurement | None, timed: bool) -> str:
    if measurement is None:
        return "-"
    score = measurement["scores"].get(metric_of(measurement))
    written = "-" if score is None else f"{score:.3f}"
    return f"{written} in {measurement['train_seconds']:.1f} s" if timed else written


def _one_line(error: str | None) -> str:
    return " ".join((error or "no word").split())[-ERROR_WIDTH:]


def _conditions(measurements: Sequence[Measurement]) -> str:
    if not measurements:
        return ""
    config = ", ".join(f"{key} {value}" for key, value in measurements[0]["config"].items())
    machines = dict.fromkeys(hardware(each["environment"]) for each in measurements)
    return f"The work: {config}. Measured on {'; '.join(machines)}."


def _cells(row: PeerRow) -> list[str]:
    ratio = "-" if row.ratio is None else "{:.2f} ({:.2f} to {:.2f})".format(*row.ratio)
    return [
        row.peer,
        "{:.1f} ({:.1f} to {:.1f})".format(*row.speed),
        "1" if row.peer == REFERENCE else ratio,
        "-" if row.wait_seconds is None else f"{row.wait_seconds:.1f} s ({100 * (row.wait_share or 0):.1f}%)",
        f"{row.wall_seconds:.0f} s",
        spread(row.score, row.score_sd),
        f"{row.peak_rss_mb:,.0f} MiB",
        row.precision,
        str(row.n),
    ]


def as_json(measurements: Sequence[Measurement]) -> dict[str, Any]:
    """Return the rows and the warnings as plain values."""
    failed = [each for each in measurements if each["status"] != "completed"]
    apart = [{"round": each["round"], "peer": each["peer"], "error": each["error"]} for each in failed]
    return {
        "rows": [asdict(row) for row in rows(measurements)],
        "failed": apart,
        "warnings": warnings(measurements),
    }
