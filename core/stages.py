"""The stages of a run, one function each, in the order in which `core.run` calls them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core import report as record
from core.config import RunConfig, Train
from core.context import Context, refuse_other_data
from core.contracts import Finding, HasOwnFit, LoadedModel, Need, Plan, Splits
from core.environment import Hardware, describe, peak_memory_mb, seed_everything, unwrap
from core.errors import ConfigError, Problem, RunError
from core.evaluate import evaluate as evaluate_split
from core.evaluate import predict, score, simplest_baseline
from core.kinds import encode_targets
from core.loop import Loop, total_steps
from core.registry import load
from core.tables import confusion, per_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.kinds import Targets

PROBE = 16
"""Test examples whose outputs are compared after saving and loading again."""
PROBE_TOLERANCE = 1e-4


def load_data(ctx: Context) -> Splits:
    """Read, check and cut the data; say what was found."""
    config = ctx.config
    splits = config.data.load(config.task, config.seed)
    refuse_other_data(ctx.directory, ctx.report.get("data") if ctx.resuming else None, splits.fingerprint)
    sizes = {"train": len(splits.train), "val": len(splits.val), "test": len(splits.test)}
    labels = (
        f", labels {', '.join(splits.labels)}" if 0 < len(splits.labels) <= 12 else f", {len(splits.labels)} labels"
    )
    ctx.screen.say(f"data: {' / '.join(f'{n} {name}' for name, n in sizes.items())}{labels}. {splits.description}")
    for finding in splits.findings:
        (ctx.screen.warn if finding.level == "warning" else ctx.screen.say)(
            f"data: {finding.message}{_places(finding)}"
        )
    ctx.record(
        data={
            "adapter": config.data.name,
            "description": splits.description,
            "fingerprint": splits.fingerprint,
            "sizes": sizes,
            "labels": list(splits.labels),
            "findings": [asdict(finding) for finding in splits.findings],
        }
    )
    return splits


def _places(finding: Finding) -> str:
    return (
        f" ({', '.join(finding.places)}{', …' if finding.count > len(finding.places) else ''})"
        if finding.places
        else ""
    )


def need_for(config: RunConfig, splits: Splits, hardware: Hardware) -> Need:
    """What the model loader is told."""
    return Need(
        task=config.task,
        labels=splits.labels,
        train=splits.train,
        fingerprint=splits.fingerprint,
        device=hardware.device,
        precision=hardware.precision,
        seed=config.seed,
        weights=config.method.weights(),
        class_weights=class_weights(config, splits),
        label_smoothing=config.train.label_smoothing,
    )


def class_weights(config: RunConfig, splits: Splits) -> tuple[float, ...] | None:
    """The weight of each label in the loss, the same for every family.

    `auto` weighs a label by n / (c * its count), so that the mean weight of a training example is 1 (King and Zeng
    2001); for several labels at once, by the count of examples without it over that of those with it.

    Raises:
        ConfigError: A given mapping does not name every label once.
    """
    train, labels = config.train, splits.labels
    if train.class_weights == "none":
        return None
    if train.class_weights == "given":
        given = train.given_class_weights
        if set(given) != set(labels):
            wrong = ", ".join(sorted(set(given) ^ set(labels)))
            where = "train.given_class_weights"
            raise ConfigError(
                Problem(where, f"must name each label once; see: {wrong}.", f"The labels: {', '.join(labels)}.")
            )
        return tuple(float(given[label]) for label in labels)
    targets = targets_of(splits.train, config.task.target, len(labels))
    n, c = len(targets), len(labels)
    if config.task.target == "multi":
        with_it = targets.sum(axis=0, dtype=np.float64)
        return tuple(((n - with_it) / np.maximum(1.0, with_it)).tolist())
    counts = np.bincount(targets.astype(np.int64), minlength=c)
    return tuple((n / (c * np.maximum(1, counts))).tolist())


def targets_of(examples: Sequence[Any], target: str, n_labels: int) -> Targets:
    """The targets of a split, as one array."""
    return encode_targets([example.target for example in examples], target, n_labels)


def load_model(ctx: Context, need: Need) -> LoadedModel:
    """Load the base model; say loudly when its weights are not pretrained."""
    started = time.monotonic()
    model = ctx.config.model.load(need)
    provenance = model.provenance
    if provenance.init == "scratch" and provenance.note:
        ctx.screen.banner(provenance.note)
    ctx.screen.say(f"model: {provenance.checkpoint or ctx.config.model.name} ({provenance.init}; {provenance.source})")
    entry = {"loader": ctx.config.model.name, "provenance": asdict(provenance)}
    ctx.record(model=entry | {"load_seconds": round(time.monotonic() - started, 2)}, init=provenance.init)
    return model


def resolve_train(config: RunConfig, model: LoadedModel) -> Train:
    """Options of `train` with nulls filled in: the configuration first, then the method's values, then the model's."""
    known: Mapping[str, float] = (
        {"epochs": 3.0, "learning_rate": 5e-5} | dict(model.defaults) | dict(config.method.defaults)
    )
    return replace(
        config.train,
        **{key: value for key, value in known.items() if getattr(config.train, key) is None},  # type: ignore[arg-type]
    )


def apply_method(ctx: Context, config: RunConfig, model: LoadedModel, examples: int) -> LoadedModel:
    """Freeze, insert, wrap or replace; count what trains."""
    train, hardware = config.train, ctx.hardware
    fast = getattr(model, "use_fast_dropout", None)
    if train.fast_dropout and hardware.on_cpu and fast is not None:
        fast()
    assert train.epochs is not None
    seed_everything(config.seed)
    plan = Plan(total_steps(train, examples), train.epochs, hardware.device, hardware.precision, config.seed)
    model = config.method.apply(model, plan)
    parameters = count_parameters(model)
    shown = f"{parameters['trainable']:,} of {parameters['total']:,} parameters train"
    ctx.screen.say(f"method: {config.method.name}, {shown}; {hardware.device}, {hardware.precision}")
    ctx.record(
        model=ctx.report["model"] | {"method": config.method.name, "parameters": parameters},
        train=asdict(train),
        environment=describe(hardware),
    )
    return model


def count_parameters(model: LoadedModel) -> dict[str, int]:
    """Numbers of parameters: all, and those that train."""
    parameters = list(unwrap(model.module).parameters())
    return {
        "total": sum(p.numel() for p in parameters),
        "trainable": sum(p.numel() for p in parameters if p.requires_grad),
    }


def fit(ctx: Context, config: RunConfig, model: LoadedModel, splits: Splits) -> None:
    """Train, in the one loop or in the model's own way."""
    if isinstance(model, HasOwnFit):
        _own_fit(ctx, config, model, splits)
        return
    train, primary = config.train, config.task.primary
    prepared = model.prepare(splits.train, train=True)
    val, val_targets = (
        model.prepare(splits.val, train=False),
        targets_of(splits.val, config.task.target, len(splits.labels)),
    )
    _say_findings(ctx, model)

    def validate() -> Mapping[str, float]:
        found = evaluate_split(
            model, val, val_targets, config.metrics, splits.labels, config.task.target, ctx.hardware,
            eval_batch_size(train), ctx.break_off,
        )  # fmt: skip
        ctx.evaluated(loop.state.step, "val", found.scores)
        return found.scores

    def better(new: float, old: float) -> bool:
        return not np.isnan(new) and (np.isnan(old) or (new > old if higher else new < old))

    higher = config.metrics[primary].higher_is_better
    loop = Loop(
        model,
        config.method,
        prepared,
        train,
        ctx.hardware,
        config.seed,
        ctx.checkpoints,
        validate,
        better,
        primary,
        ctx,
    )
    last = ctx.checkpoints.latest_step()
    if ctx.writes and ctx.resuming:
        ctx.log.rewind(last)
        ctx.screen.say(
            f"resuming from step {last}" if last else "resuming from the start: there is no whole checkpoint"
        )
    with ctx.screen.training(total_steps(train, len(prepared)), last) as ctx.bar:
        state = loop.fit()
    ctx.bar = None
    ctx.record(
        training={
            "steps": state.step,
            "epochs": round(state.step / loop.steps.per_epoch, 4),
            "best_step": state.best_step,
            "history": state.history,
            "seconds": round(state.seconds, 3),
            "data_wait_seconds": round(state.data_seconds, 3),
            "examples_per_second": round(state.examples / max(1e-9, state.seconds), 2),
            "micro_batch_size": state.micro_batch_size,
            "marks": state.marks,
        }
    )


def _own_fit(ctx: Context, config: RunConfig, model: HasOwnFit, splits: Splits) -> None:
    started = time.monotonic()
    weights = class_weights(config, splits)
    each = None
    if weights is not None:
        each = np.asarray(weights, dtype=np.float32)[
            targets_of(splits.train, "single", len(splits.labels)).astype(np.int64)
        ]
    model.fit(splits.train, each, config.seed)
    ctx.record(training={"steps": 0, "seconds": round(time.monotonic() - started, 3), "history": [], "marks": []})


def _say_findings(ctx: Context, model: LoadedModel) -> None:
    for finding in model.findings:
        ctx.screen.warn(f"data: {finding.message}{_places(finding)}")
    known = ctx.report["data"]["findings"]
    found = [asdict(finding) for finding in model.findings if asdict(finding) not in known]
    ctx.record(data=ctx.report["data"] | {"findings": [*known, *found]})


def eval_batch_size(train: Train) -> int:
    """Examples in a forward pass of an evaluation."""
    return train.eval_batch_size or 2 * train.batch_size


def evaluate(ctx: Context, config: RunConfig, model: LoadedModel, need: Need, splits: Splits) -> float:
    """Score validation and test with intervals, and the baselines beside them; write the predictions."""
    train, target, labels = config.train, config.task.target, splits.labels
    model.module.to(ctx.hardware.device)
    scores: dict[str, Any] = {}
    tables: dict[str, Any] = {}
    settings: dict[str, Any] = {
        "resamples": train.bootstrap_resamples,
        "confidence": train.confidence,
        "seed": config.seed,
    }
    for split, examples in (("val", splits.val), ("test", splits.test)):
        truth = targets_of(examples, target, len(labels))
        found = evaluate_split(
            model, model.prepare(examples, train=False), truth, config.metrics, labels, target, ctx.hardware,
            eval_batch_size(train), ctx.break_off,
        )  # fmt: skip
        assert found.predictions is not None
        scored = score(config.metrics, found.predictions, truth, labels, target, values=found.scores, **settings)
        scores[split] = {key: each.to_json() for key, each in scored.items()}
        tables[split] = found.tables
    ctx.evaluated(ctx.report["training"]["steps"], "test", found.scores)
    scores["baselines"] = _baselines(config, need, splits, truth, settings) if train.baselines and ctx.writes else {}
    entries: dict[str, Any] = {"scores": scores, "tables": tables}
    if target != "regression":
        entries["per_class"] = per_class(found.predictions, truth, labels, target)
    if target == "single":
        entries["confusion"] = confusion(found.predictions, truth, labels)
    if ctx.writes:
        kind = load().kind(config.task.kind)
        rows = (
            {
                "index": index,
                **kind.content(example),
                "target": kind.write_target(example.target, labels, target),
                **kind.write(found.predictions[index], labels, target),
                "place": example.place,
            }
            for index, example in enumerate(splits.test)
        )
        record.write_lines(ctx.directory / record.PREDICTIONS, rows)
    ctx.record(**entries)
    value = scores["val"][config.task.primary]["value"]
    return float("nan") if value is None else float(value)


def _baselines(
    config: RunConfig, need: Need, splits: Splits, truth: Targets, settings: dict[str, Any]
) -> dict[str, Any]:
    target, labels = config.task.target, splits.labels
    name, same = simplest_baseline(targets_of(splits.train, target, len(labels)), len(splits.test), labels, target)
    found = {name: same} | config.model.baselines(need, splits.test)
    return {
        name: {
            key: each.to_json()
            for key, each in score(config.metrics, predictions, truth, labels, target, **settings).items()
        }
        for name, predictions in found.items()
    }


def save_and_reopen(ctx: Context, config: RunConfig, model: LoadedModel, need: Need, splits: Splits) -> None:
    """Write the model, load it again from disk, and compare outputs on a probe batch.

    Raises:
        RunError: The outputs differ, or the folder cannot be written.
    """
    if not ctx.writes:
        return
    folder = ctx.directory / record.MODEL
    try:
        model.save(folder)
    except OSError as error:
        raise record.unwritable(folder, error) from error
    probe = [splits.test[index] for index in range(min(PROBE, len(splits.test)))]
    exact = Hardware(ctx.hardware.device, "fp32")
    before = predict(model, model.prepare(probe, train=False), exact, PROBE)
    again = config.method.reopen(config.model, replace(need, saved=folder, train=(), precision="fp32"))
    again.module.to(ctx.hardware.device)
    after = predict(again, again.prepare(probe, train=False), exact, PROBE)
    gap = float(np.abs(before - after).max(initial=0.0))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    ctx.record(
        self_test={"examples": len(probe), "largest_difference": gap, "passed": gap <= PROBE_TOLERANCE},
        model=ctx.report["model"] | {"saved_bytes": size},
    )
    if not gap <= PROBE_TOLERANCE:
        message = f"the saved model, loaded again, gives other outputs (largest difference {gap:.2e})."
        raise RunError(Problem(str(folder), message, "Do not use it. Please report this with report.json."))


def finish(ctx: Context, config: RunConfig, unsure: list[str]) -> None:
    """Complete the report, print the summary, and remove what only a resume needs."""
    ctx.record(
        status="completed",
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
        memory={"peak_mb": peak_memory_mb(ctx.hardware.device)},
        nondeterministic_kernels=unsure,
    )
    if not ctx.writes:
        return
    if not config.train.keep_checkpoints:
        ctx.checkpoints.remove()
    ctx.notify("run_ended", report=ctx.report)
    record.show(ctx.report, ctx.screen, _short(ctx.directory))
    note = ctx.report["model"]["provenance"]["note"]
    if ctx.report["init"] == "scratch" and note:
        ctx.screen.banner(note)


def _short(path: Path) -> Path:
    """Relative to where the person is, where that is shorter."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
