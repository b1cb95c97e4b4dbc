"""One run, stage by stage, from a configuration to a finished report."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from core.config.validation import check
from core.contracts.components import RunConfig
from core.errors import Problem, RunError
from core.registry.compatibility import refuse_precision
from core.runtime.cache import keep_caches_of_others


def run(
    config: RunConfig,
    directory: Path | str | None = None,
    *,
    choices: Mapping[str, str] | None = None,
    resuming: bool = False,
    quiet: bool = False,
) -> float:
    """Train, evaluate and save a model.

    Args:
        config: The configuration, from the command line or built in Python.
        directory: The run's folder; None creates a new one in `runs/`.
        choices: The preset chosen in each group, for the report; by default the names of the components.
        resuming: Whether to resume the run in `directory`.
        quiet: Whether to print nothing.

    Returns:
        The primary metric on the validation split, for the saved weights.

    Raises:
        GraftError: Bad input of any kind; `report.json` contains the message, if the folder was created.
        Interrupted: SIGINT or SIGTERM; if training had begun, a checkpoint was written.
    """
    check(config)
    if find_spec("torch") is None:
        raise RunError(Problem("torch", "is not installed, so nothing can be trained here.", "pip install graft-tune"))
    keep_caches_of_others()
    from core.reporting.console import Screen
    from core.runs import load
    from core.runs.adapt import apply_method, resolve_train
    from core.runs.context import Context, default_directory
    from core.runs.evaluate import evaluate
    from core.runs.finish import finish
    from core.runs.fit import fit
    from core.runs.prepare import prepare
    from core.runs.save import save_and_reopen
    from core.runtime.determinism import deterministic, seed_everything
    from core.runtime.hardware import Hardware
    from core.training.requests import request_for

    hardware = Hardware.resolve(config.train.device, config.train.precision)
    refuse_precision(config.model, config.method, hardware.precision)
    folder = Path(directory) if directory is not None else default_directory(config)
    context = Context(
        config, folder.absolute(), hardware, Screen(quiet or hardware.rank > 0), dict(choices or {}), resuming
    )
    with context.opened() as ctx, deterministic(hardware) as nondeterministic_kernels:
        seed_everything(config.seed)
        splits = load.load_data(ctx)
        request = request_for(config, splits, hardware)
        model = load.load_model(ctx, request)
        resolved = resolve_train(config, model)
        model = apply_method(ctx, resolved, model, len(splits.train))
        prepared_splits = prepare(ctx, resolved, model, splits, request.output)
        fit(ctx, resolved, model, splits, request.output, prepared_splits)
        value = evaluate(ctx, resolved, model, request, splits, prepared_splits)
        save_and_reopen(ctx, resolved, model, request, splits)
        finish(ctx, resolved, nondeterministic_kernels)
    return value


def resume(directory: Path | str) -> float:
    """Resume an interrupted run. The result is the same as without the interruption.

    Returns:
        The primary metric on the validation split, for the saved weights.

    Raises:
        RunError: The run is complete, its configuration or its data has changed, or the folder is not a run's.
    """
    from core.runs.context import resumable

    return run(resumable(Path(directory)), directory, resuming=True)
