"""One run, a straight line from a checked configuration to a written report."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from core.cache import keep_caches_of_others
from core.capabilities import refuse_precision
from core.check import check
from core.config import RunConfig
from core.errors import Problem, RunError


def run(
    config: RunConfig,
    directory: Path | str | None = None,
    *,
    choices: Mapping[str, str] | None = None,
    resuming: bool = False,
    quiet: bool = False,
) -> float:
    """Train, evaluate and save as `config` says.

    Args:
        config: The configuration, from the command line or built in Python.
        directory: The run's folder; None makes a new one under `runs/`.
        choices: Which preset was chosen in each group, for the report; the components' names where not given.
        resuming: Whether to go on with the run in `directory`.
        quiet: Whether to print nothing.

    Returns:
        The primary metric on the validation split, of the weights kept.

    Raises:
        GraftError: Bad input of any kind; `report.json` says so too, if the folder had been made.
        Interrupted: SIGINT or SIGTERM; a checkpoint has been written where training had begun.
    """
    check(config)

    if find_spec("torch") is None:
        raise RunError(Problem("torch", "is not installed, so nothing can be trained here.", "pip install graft-tune"))
    keep_caches_of_others()
    from core import closing, stages
    from core.console import Screen
    from core.context import Context, default_directory
    from core.environment import Hardware, deterministic, seed_everything
    from core.requests import need_for

    hardware = Hardware.resolve(config.train)
    refuse_precision(config.model, config.method, hardware.precision)
    folder = Path(directory) if directory is not None else default_directory(config)
    context = Context(
        config, folder.absolute(), hardware, Screen(quiet or hardware.rank > 0), dict(choices or {}), resuming
    )
    with context.opened() as ctx, deterministic(hardware) as unsure:
        seed_everything(config.seed)
        splits = stages.load_data(ctx)
        need = need_for(config, splits, hardware)
        model = stages.load_model(ctx, need)
        resolved = stages.resolve_train(config, model)
        model = stages.apply_method(ctx, resolved, model, len(splits.train))
        ready = stages.prepare(ctx, resolved, model, splits, need.output)
        stages.fit(ctx, resolved, model, splits, need.output, ready)
        value = closing.evaluate(ctx, resolved, model, need, splits, ready)
        closing.save_and_reopen(ctx, resolved, model, need, splits)
        closing.finish(ctx, resolved, unsure)
    return value


def resume(directory: Path | str) -> float:
    """Go on with a run that was killed or interrupted; it ends as if nothing had happened.

    Raises:
        RunError: The run is complete, its configuration or its data have changed, or the folder is not a run's.
    """
    from core.context import resumable

    return run(resumable(Path(directory)), directory, resuming=True)
