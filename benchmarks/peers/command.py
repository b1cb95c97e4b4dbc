"""`python -m benchmarks peers` and `ablation`: parse options, measure, and write the table."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import arguments
from benchmarks.peers import (
    detection,
    detection_ultralytics,
    images,
    images_timm,
    images_trainer,
    measurements,
    text,
    tokens,
    tokens_trainer,
    trainer,
)
from benchmarks.peers.graft import Graft
from benchmarks.peers.measure import Harness, Peer, environment
from benchmarks.peers.work import Comparison, Options, WorkDescription
from core.errors import ConfigError, Problem, RunError, unknown

RESULTS = Path(__file__).resolve().parents[1] / "results"
COMMON = ("train.precision=fp32", "train.reuse_memory=false")
WORKS = {
    "text": Comparison(
        "text",
        text.TextOptions,
        text.describe,
        (trainer.DEFAULTS, trainer.TUNED, Graft()),
        (*COMMON, "train.bucket_by_length=false", "train.fast_dropout=false"),
    ),
    "tokens": Comparison(
        "tokens",
        tokens.TokenOptions,
        tokens.describe,
        (tokens_trainer.DEFAULTS, tokens_trainer.TUNED, Graft()),
        (*COMMON, "train.bucket_by_length=false", "train.fast_dropout=false"),
    ),
    "images": Comparison(
        "images",
        images.ImageOptions,
        images.describe,
        (images_timm.DEFAULTS, images_timm.TUNED, images_trainer.DEFAULTS, images_trainer.TUNED, Graft()),
        (*COMMON, "train.channels_last=false", "model.cache_mb=0"),
    ),
    "detection": Comparison(
        "detection",
        detection.DetectionOptions,
        detection.describe,
        (detection_ultralytics.DEFAULTS, detection_ultralytics.TUNED, Graft()),
        (*COMMON, "train.channels_last=false", "model.cache_mb=0"),
    ),
}
"""The works, by the value of `kind=`; the first is the default."""
KIND = "kind"


def peers(asked: Sequence[str], as_json: bool) -> int:
    """Measure Graft and other trainers, and return the exit code."""
    work, rest = chosen_work(asked)
    return command("peers", work, work.peers, rest, as_json)


def chosen_work(asked: Sequence[str]) -> tuple[Comparison, list[str]]:
    """Return the work that `kind=…` names, and the other words.

    Raises:
        ConfigError: There is no such work.
    """
    kinds = [word.partition("=")[2] for word in asked if word.startswith(f"{KIND}=")] or list(WORKS)[:1]
    if kinds[-1] not in WORKS:
        raise ConfigError(Problem(KIND, *unknown(KIND, kinds[-1], list(WORKS))))
    return WORKS[kinds[-1]], [word for word in asked if not word.startswith(f"{KIND}=")]


def command(subcommand: str, work: Comparison, every: Sequence[Peer], asked: Sequence[str], as_json: bool) -> int:
    """Measure, print the table, and return the exit code.

    Args:
        subcommand: `peers` or `ablation`; also the folder of the results.
        work: The work.
        every: The peers to choose from.
        asked: `key=value` words.
        as_json: Whether to print JSON.
    """
    if any(word in ("-h", "--help") for word in asked):
        sys.stdout.write(_help(subcommand, work, every))
        return 0
    options = arguments.options(work.options, asked, f"{subcommand} {KIND}={work.kind}")
    chosen = _chosen(every, options.only)
    found = _measured(subcommand, work, chosen, options)
    written = json.dumps(measurements.as_json(found), indent=2, ensure_ascii=False) + "\n"
    sys.stdout.write(written if as_json else measurements.markdown(found))
    return 1 if any(each["status"] != "completed" for each in found) else 0


def _help(subcommand: str, work: Comparison, every: Sequence[Peer]) -> str:
    names = "\n".join(f"  {peer.name:<18} {peer.summary}" for peer in every)
    kinds = f"  {f'{KIND}={work.kind}':<22} The work: {' or '.join(WORKS)}; add it to --help to see its options."
    return f"python -m benchmarks {subcommand} [key=value …]\n\n{kinds}\n{arguments.help_of(work.options)}\n\n{names}\n"


def _chosen(every: Sequence[Peer], only: str) -> list[Peer]:
    named = [name.strip() for name in only.split(",") if name.strip()]
    there = [peer.name for peer in every]
    if problems := [Problem("only", *unknown("peer", name, there)) for name in named if name not in there]:
        raise ConfigError(*problems)
    return [peer for peer in every if not named or peer.name in named]


def _measured(subcommand: str, work: Comparison, chosen: Sequence[Peer], options: Options) -> list[dict[str, object]]:
    data = Path(tempfile.mkdtemp(prefix="graft-data-"))
    try:
        described = work.describe(options, data)
        where = environment()
        results = Path(options.out) if options.out else _folder(subcommand, described, where)
        if results.is_dir() and measurements.read([results]):
            raise RunError(
                Problem("out", f"{results} already contains measurements.", "Choose another folder: out=DIR.")
            )
        minutes, at_once = options.timeout_minutes, options.at_once
        harness = Harness(chosen, results, where, minutes, lambda line: print(line, file=sys.stderr), at_once)
        found = harness.run(described.overrides, options.rounds, options.seed, described.config)
        title = " ".join(filter(None, (f"{subcommand}:", work.kind, described.suffix)))
        table = results / "README.md"
        table.write_text(f"# {title}\n\n" + measurements.markdown(found), encoding="utf-8")
        return found
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _folder(subcommand: str, described: WorkDescription, where: Mapping[str, object]) -> Path:
    """Return a new folder, named after the day, the hardware and the work's suffix."""
    day = measurements.folder_name(where, f"{datetime.now(UTC):%Y-%m-%d}")
    name = "-".join(filter(None, (day, described.suffix.replace("_", "-"))))
    folder, number = RESULTS / subcommand / name, 2
    while folder.exists():
        folder, number = RESULTS / subcommand / f"{name}-{number}", number + 1
    return folder
