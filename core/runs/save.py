"""The stage that saves the model, loads it again and compares the outputs."""

from __future__ import annotations

from dataclasses import replace

from safetensors import SafetensorError

from core.contracts.components import RunConfig
from core.contracts.model import LoadedModel, LoadRequest
from core.contracts.splits import Splits
from core.errors import Problem, RunError
from core.evaluation.predict import predict
from core.files import unwritable
from core.reporting.run_directory import MODEL
from core.runs.context import Context
from core.runtime.hardware import Hardware

PROBE = 16
"""Test examples whose outputs are compared after saving and loading again."""


PROBE_TOLERANCE = 1e-4


def save_and_reopen(ctx: Context, config: RunConfig, model: LoadedModel, request: LoadRequest, splits: Splits) -> None:
    """Write the model, load it again from disk, and compare outputs on a probe batch.

    Raises:
        RunError: The outputs differ, or the folder cannot be written.
    """
    if not ctx.writes:
        return
    folder = ctx.directory / MODEL
    try:
        model.save(folder)
    except (OSError, SafetensorError) as error:
        raise unwritable(folder, error) from error
    ctx.report["model"] |= {"saved_bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())}
    probe = [splits.test[index] for index in range(min(PROBE, len(splits.test)))]
    exact = Hardware(ctx.hardware.device, "fp32")
    plain = model.unwrapped()
    before = predict(plain, plain.prepare(probe, train=False), exact, PROBE)
    again = config.method.reopen(config.model, replace(request, saved=folder, train=()))
    again.module.to(ctx.hardware.device)
    after = predict(again, again.prepare(probe, train=False), exact, PROBE)
    gap = request.output.target.difference(after, before)
    ctx.record(
        self_test={"examples": len(probe), "largest_difference": gap, "passed": gap <= PROBE_TOLERANCE},
    )
    if not gap <= PROBE_TOLERANCE:
        message = f"the saved model, loaded again, gives other outputs (largest difference {gap:.2e})."
        raise RunError(Problem(str(folder), message, "Do not use it. Please report this with report.json."))
