"""Save the model, load it again, and compare the outputs."""

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
"""Number of test examples whose outputs are compared before saving and after loading again."""

PROBE_TOLERANCE = 1e-4
"""Maximum difference of the outputs, relative to their scale."""


def save_and_reopen(ctx: Context, config: RunConfig, model: LoadedModel, request: LoadRequest, splits: Splits) -> None:
    """Write the model, load it again from disk, and compare outputs on a few test examples.

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
    unwrapped = model.unwrapped()
    before = predict(unwrapped, unwrapped.prepare(probe, train=False), exact, PROBE)
    reopened = config.method.reopen(config.model, replace(request, saved=folder, train=()))
    reopened.module.to(ctx.hardware.device)
    after = predict(reopened, reopened.prepare(probe, train=False), exact, PROBE)
    gap = request.output.target.difference(after, before)
    ctx.record(
        self_test={"examples": len(probe), "largest_difference": gap, "passed": gap <= PROBE_TOLERANCE},
    )
    if not gap <= PROBE_TOLERANCE:
        message = f"the saved model, loaded again, gives other outputs (largest difference {gap:.2e})."
        raise RunError(Problem(str(folder), message, "Do not use it. Please report this with report.json."))
