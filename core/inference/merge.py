"""Export the model of a finished run: merge the adapter and write full weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.contracts.model import QuantizationConfig
from core.errors import Problem, RunError
from core.files import new_folder, unwritable, write_json
from core.inference.predictor import Predictor
from core.reporting import report as record
from core.reporting.run_directory import MODEL
from core.runtime.hardware import Hardware
from core.tasks.targets.target import TargetType
from core.training.requests import request_for_saved

if TYPE_CHECKING:
    from core.tasks.targets.target import Predictions

EXPORT, RECORD = "export", "export.json"
PROBE = 16
"""Number of test examples whose outputs are compared before and after merging."""
TOLERANCES = {"fp32": 1e-4, "bf16": 2e-2, "fp16": 2e-3}
"""Maximum difference of outputs, by precision. Merged weights round differently from a separate low-rank product."""
IN_8_BITS = 2e-2
"""The same for 8-bit weights: their products also round the inputs to 8 bits, which merged weights do not."""


def export(run: Path, out: Path | None = None) -> dict[str, Any]:
    """Merge and write the model, load it again without the method, and compare outputs.

    Args:
        run: The folder of a finished run. Its data must still exist, because some test examples are predicted.
        out: The output folder; None for `export` in the run's folder.

    Returns:
        The content of `export.json`, which is written beside the weights, and the `folder`.

    Raises:
        RunError: The method cannot be merged, the folder is not empty, or the outputs differ.
        DataError: The run's data no longer exists.
    """
    predictor = Predictor.open(run)
    config, report = predictor.config, record.read(run)
    if reason := config.method.unmergeable:
        cure = f"`python -m core predict {run}` and `core.inference.Predictor` use the run without merging."
        raise RunError(Problem(f"method={config.method.name}", f"cannot be merged: {reason}.", cure))
    folder = out or run / EXPORT
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(Problem(str(folder), "is not empty.", "Give another folder: --out DIR."))
    probe = config.data.load(replace(config.task, labels=list(predictor.labels) or None), config.seed).test[:PROBE]
    precisions = list(dict.fromkeys(["fp32", predictor.hardware.precision]))
    before = {each: _outputs(predictor, probe, each) for each in precisions}
    model, held = predictor.model, predictor.model.coarsest_precision()
    model.thresholds = predictor.thresholds
    merged = config.method.merge(model)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(folder) as temporary:
            merged.save(temporary)
            fingerprint = predictor.request.fingerprint
            request = request_for_saved(
                config, predictor.hardware, temporary, predictor.output, fingerprint, merged=True
            )
            predictor.model = config.model.reopen(request)
            predictor.model.module.to(predictor.hardware.device).eval()
            after = {each: _outputs(predictor, probe, each) for each in precisions}
            compared = _compare(predictor.output.target, before, after, config.method.weights(), held)
            _refuse_differences(folder, compared)
            entry = {
                "run": str(run.absolute()),
                "model": report["model"]["loader"],
                "method": config.method.name,
                "examples": len(probe),
                "compared": compared,
                "bytes": {"run": _bytes(run / MODEL), "export": _bytes(temporary)},
            }
            if merged is model:  # the run saved full weights, and compared outputs after reloading them
                entry["self_test"] = report["self_test"]
            write_json(temporary / RECORD, entry)
    except OSError as error:
        raise unwritable(folder, error) from error
    return entry | {"folder": str(folder)}


def _refuse_differences(folder: Path, compared: Mapping[str, Mapping[str, float]]) -> None:
    """Refuse a merged model whose outputs differ by more than the tolerance.

    Raises:
        RunError: They differ in some precision.
    """
    too_large = [each for each, values in compared.items() if not values["difference"] <= values["tolerance"]]
    if too_large:
        differences = ", ".join(f"{compared[each]['difference']:.1e} in {each}" for each in too_large)
        message = f"the merged model gives other outputs (largest difference {differences}); nothing was written."
        raise RunError(Problem(str(folder), message, "Use the run without merging, and please report this."))


def _outputs(predictor: Predictor, probe: Sequence[Any], precision: str) -> Predictions:
    """Return the predictions for a few examples in a precision."""
    from core.evaluation.predict import predict

    prepared = predictor.model.prepare(probe, train=False)
    return predict(predictor.model, prepared, Hardware(predictor.hardware.device, precision), PROBE)


def tolerance(precision: str, weights: QuantizationConfig | None, held: str = "fp32") -> float:
    """Return the maximum difference between the outputs of a merged model and those before merging.

    Args:
        precision: The precision of the outputs.
        weights: How the base weights were quantized, or None.
        held: What `LoadedModel.coarsest_precision` returned before merging; the model did not compute more precisely.
    """
    return max(TOLERANCES[precision], TOLERANCES[held], IN_8_BITS if weights is not None and weights.bits == 8 else 0.0)


def _compare(
    target: TargetType,
    before: Mapping[str, Predictions],
    after: Mapping[str, Predictions],
    weights: QuantizationConfig | None,
    held: str,
) -> dict[str, dict[str, float]]:
    """Return the largest difference of outputs and its tolerance, by precision."""
    return {
        each: {"difference": target.difference(after[each], before[each]), "tolerance": tolerance(each, weights, held)}
        for each in before
    }


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
