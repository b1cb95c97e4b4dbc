"""`export`: a finished run's model as whole weights of its family, what its method trained merged into them."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import report as record
from core.environment import Hardware
from core.errors import Problem, RunError
from core.inference import Predictor
from core.kinds import TargetType
from core.models import WeightsPlan

if TYPE_CHECKING:
    from torch import nn

EXPORT, RECORD = "export", "export.json"
PROBE = 16
"""Test examples whose outputs are compared before and after merging."""
TOLERANCES = {"fp32": 1e-4, "bf16": 2e-2, "fp16": 2e-3}
"""How far outputs may be apart: sums of weights and updates round otherwise than sums of their products."""
IN_8_BITS = 2e-2
"""The same of weights of 8 bits, whose products round what comes in to 8 bits too; merged, nothing is rounded."""


def export(run: Path, out: Path | None = None) -> dict[str, Any]:
    """Merge, write, open what was written by its loader alone, compare.

    Args:
        run: The folder of a finished run, whose data is still there: some of its test split is predicted.
        out: The folder to write to; None for `export` in the run's.

    Returns:
        What is written beside the weights as `export.json`.

    Raises:
        RunError: The run's method cannot be merged, the folder holds something, or the outputs differ.
        DataError: The run's data is not there any more.
    """
    predictor = Predictor.open(run)
    config, report = predictor.config, record.read(run)
    if why := config.method.unmergeable:
        cure = f"`python -m core predict {run}` and `core.inference.Predictor` use it as it is."
        raise RunError(Problem(f"method={config.method.name}", f"cannot be merged: {why}.", cure))
    folder = out or run / EXPORT
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(Problem(str(folder), "holds something already.", "Give another folder: --out DIR."))
    probe = config.data.load(replace(config.task, labels=list(predictor.labels) or None), config.seed).test[:PROBE]
    precisions = list(dict.fromkeys(["fp32", predictor.hardware.precision]))
    before = {each: _outputs(predictor, probe, each) for each in precisions}
    model, held = predictor.model, coarsest(predictor.model.module)
    model.thresholds = predictor.thresholds
    merged = config.method.merge(model)
    aside = folder.with_name(folder.name + ".partial")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        merged.save(aside)
    except OSError as error:
        raise record.unwritable(aside, error) from error
    need = replace(predictor.need, saved=aside, weights=None, additive=False)  # in the precision in which it is written
    predictor.model = config.model.reopen(need)
    predictor.model.module.to(predictor.hardware.device).eval()
    after = {each: _outputs(predictor, probe, each) for each in precisions}
    found = _compared(predictor.output.target, before, after, config.method.weights(), held)
    entry = {
        "run": str(run.absolute()),
        "model": report["model"]["loader"],
        "method": config.method.name,
        "examples": len(probe),
        "compared": found,
        "bytes": {"run": _bytes(run / record.MODEL), "export": _bytes(aside)},
    }
    if merged is model:  # the run has saved whole weights, which were compared with what was trained when it ended
        entry["self_test"] = report["self_test"]
    if odd := [each for each, values in found.items() if not values["difference"] <= values["tolerance"]]:
        shutil.rmtree(aside)
        what = ", ".join(f"{found[each]['difference']:.1e} in {each}" for each in odd)
        message = f"the merged model gives other outputs (largest difference {what}); nothing was written."
        raise RunError(Problem(str(folder), message, "Use the run as it is, and please report this."))
    record.write_json(aside / RECORD, entry)
    if folder.is_dir():
        folder.rmdir()
    aside.rename(folder)
    return entry | {"folder": str(folder)}


def _outputs(predictor: Predictor, probe: Sequence[Any], precision: str) -> Any:
    from core.predicting import predict

    prepared = predictor.model.prepare(probe, train=False)
    return predict(predictor.model, prepared, Hardware(predictor.hardware.device, precision), PROBE)


def coarsest(module: nn.Module) -> str:
    """The coarsest precision in which a network holds weights, or in which layers of quantised weights multiply."""
    import torch

    names = {torch.bfloat16: "bf16", torch.float16: "fp16"}
    dtypes: set[Any] = {parameter.dtype for parameter in module.parameters()}
    dtypes |= {getattr(layer, "compute_dtype", torch.float32) for layer in module.modules()}
    return max((names.get(dtype, "fp32") for dtype in dtypes), key=TOLERANCES.__getitem__, default="fp32")


def tolerance(precision: str, weights: WeightsPlan | None, held: str = "fp32") -> float:
    """How far outputs of a merged model may be from those before.

    Args:
        precision: In which they were computed.
        weights: How the weights were quantised, if they were.
        held: What `coarsest` gave of the model before: it computes no finer than that, and merged weights are float32.
    """
    return max(TOLERANCES[precision], TOLERANCES[held], IN_8_BITS if weights is not None and weights.bits == 8 else 0.0)


def _compared(
    target: TargetType, before: Mapping[str, Any], after: Mapping[str, Any], weights: WeightsPlan | None, held: str
) -> dict[str, dict[str, float]]:
    """The largest difference of outputs and how large it may be, by precision."""
    return {
        each: {"difference": target.difference(after[each], before[each]), "tolerance": tolerance(each, weights, held)}
        for each in before
    }


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def export_verb(words: Sequence[str]) -> int:
    """Write a run's model as whole weights, with what its method trained merged into them."""
    parser = argparse.ArgumentParser(
        "graft export",
        description="Write a run's model as whole weights of its family, with what its method trained merged into "
        "them. Merged and unmerged outputs are compared; methods that cannot be merged are refused.",
    )
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write (RUN/export)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(words)
    found = export(asked.run, asked.out)
    if asked.json:
        sys.stdout.write(json.dumps(record.clean(found), indent=2) + "\n")
        return 0
    sizes = {name: f"{size / 2**20:.1f} MiB" for name, size in found["bytes"].items()}
    sys.stdout.write(f"{found['folder']}: {sizes['export']} (the run's model: {sizes['run']})\n")
    for precision, values in found["compared"].items():
        gap, limit = values["difference"], values["tolerance"]
        said = f"merged and unmerged outputs differ by {gap:.1e} at most in {precision} (allowed: {limit:.0e})"
        sys.stdout.write(f"{said}, on {found['examples']} test examples\n")
    if "self_test" in found:
        gap = found["self_test"]["largest_difference"]
        sys.stdout.write(f"the run had saved whole weights: {gap:.1e} from those that were trained, by its report\n")
    return 0
