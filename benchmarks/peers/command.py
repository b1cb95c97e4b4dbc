"""`python -m benchmarks peers` and `ablation`: options, and the way from them to measurements and a table."""

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
    trainer,
)
from benchmarks.peers.graft import Graft
from benchmarks.peers.measure import Harness, Peer, environment
from benchmarks.peers.work import Options, Told, Work
from core.errors import ConfigError, Problem, RunError, unknown

RESULTS = Path(__file__).resolve().parents[1] / "results"
COMMON = ("train.precision=fp32", "train.reuse_memory=false")
WORKS = {
    "text": Work(
        "text",
        text.TextOptions,
        text.tell,
        (trainer.DEFAULTS, trainer.TUNED, Graft()),
        (*COMMON, "train.bucket_by_length=false", "train.fast_dropout=false"),
    ),
    "images": Work(
        "images",
        images.ImageOptions,
        images.tell,
        (images_timm.DEFAULTS, images_timm.TUNED, images_trainer.DEFAULTS, images_trainer.TUNED, Graft()),
        (*COMMON, "train.channels_last=false", "model.cache_mb=0"),
    ),
    "detection": Work(
        "detection",
        detection.DetectionOptions,
        detection.tell,
        (detection_ultralytics.DEFAULTS, detection_ultralytics.TUNED, Graft()),
        (*COMMON, "train.channels_last=false", "model.cache_mb=0"),
    ),
}
"""What can be compared, by what is written after `kind=`; the first is the default."""
KIND = "kind"


def peers(asked: Sequence[str], as_json: bool) -> int:
    """Measure Graft beside other trainers; returns the exit code."""
    work, rest = chosen_work(asked)
    return command("peers", work, work.peers, rest, as_json)


def chosen_work(asked: Sequence[str]) -> tuple[Work, list[str]]:
    """The work that `kind=…` names, and the other words.

    Raises:
        ConfigError: There is no such work.
    """
    kinds = [word.partition("=")[2] for word in asked if word.startswith(f"{KIND}=")] or list(WORKS)[:1]
    if kinds[-1] not in WORKS:
        raise ConfigError(Problem(KIND, *unknown(KIND, kinds[-1], list(WORKS))))
    return WORKS[kinds[-1]], [word for word in asked if not word.startswith(f"{KIND}=")]


def command(verb: str, work: Work, every: Sequence[Peer], asked: Sequence[str], as_json: bool) -> int:
    """Measure and print.

    Args:
        verb: `peers` or `ablation`: the folder of the results.
        work: What is done.
        every: Whom to measure.
        asked: `key=value` words.
        as_json: Whether to print JSON.
    """
    if any(word in ("-h", "--help") for word in asked):
        sys.stdout.write(_help(verb, work, every))
        return 0
    options = arguments.options(work.options, asked, f"{verb} {KIND}={work.kind}")
    chosen = _chosen(every, options.only)
    found = _measured(verb, work, chosen, options)
    written = json.dumps(measurements.as_json(found), indent=2, ensure_ascii=False) + "\n"
    sys.stdout.write(written if as_json else measurements.markdown(found))
    return 1 if any(each["status"] != "completed" for each in found) else 0


def _help(verb: str, work: Work, every: Sequence[Peer]) -> str:
    names = "\n".join(f"  {peer.name:<18} {peer.summary}" for peer in every)
    kinds = f"  {f'{KIND}={work.kind}':<22} The work: {' or '.join(WORKS)}; each has options of its own, shown with it."
    return f"python -m benchmarks {verb} [key=value …]\n\n{kinds}\n{arguments.help_of(work.options)}\n\n{names}\n"


def _chosen(every: Sequence[Peer], only: str) -> list[Peer]:
    named = [name.strip() for name in only.split(",") if name.strip()]
    there = [peer.name for peer in every]
    if problems := [Problem("only", *unknown("peer", name, there)) for name in named if name not in there]:
        raise ConfigError(*problems)
    return [peer for peer in every if not named or peer.name in named]


def _measured(verb: str, work: Work, chosen: Sequence[Peer], options: Options) -> list[dict[str, object]]:
    data = Path(tempfile.mkdtemp(prefix="graft-data-"))
    try:
        told = work.tell(options, data)
        where = environment()
        results = Path(options.out) if options.out else _folder(verb, told, where)
        if results.is_dir() and measurements.read([results]):
            raise RunError(Problem("out", f"{results} holds measurements already.", "Give another folder: out=DIR."))
        minutes, at_once = options.timeout_minutes, options.at_once
        harness = Harness(chosen, results, where, minutes, lambda line: print(line, file=sys.stderr), at_once)
        found = harness.run(told.overrides, options.rounds, options.seed, told.config)
        title = " ".join(filter(None, (f"{verb}:", work.kind, told.suffix)))
        table = results / "README.md"
        table.write_text(f"# {title}\n\n" + measurements.markdown(found), encoding="utf-8")
        return found
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _folder(verb: str, told: Told, where: Mapping[str, object]) -> Path:
    """A new folder, named by day, hardware and what sets the work apart."""
    day = measurements.folder_name(where, f"{datetime.now(UTC):%Y-%m-%d}")
    name = "-".join(filter(None, (day, told.suffix.replace("_", "-"))))
    folder, number = RESULTS / verb / name, 2
    while folder.exists():
        folder, number = RESULTS / verb / f"{name}-{number}", number + 1
    return folder
