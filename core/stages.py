"""The stages of a run up to the end of training, one function each, in the order in which `core.run` calls them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.class_weights import example_weights
from core.config import ResolvedConfig, ResolvedTrain, RunConfig, Train
from core.context import Context, refuse_other_data
from core.contracts import (
    HasOwnFit,
    HasPicture,
    LoadedModel,
    Need,
    Plan,
    Prepared,
    Splits,
    SupportsFastDropout,
)
from core.environment import Hardware, describe, keep_freed_memory, peak_memory_mb, seed_everything, unwrap
from core.evaluate import Evaluation, Scoring, evaluate
from core.files import unwritable
from core.issues import Finding
from core.kinds.output import OutputSpec
from core.loop import Loop
from core.predicting import predict_batches, share_of
from core.progress import total_steps
from core.rehearsal import profile_memory
from core.report import SAMPLES

if TYPE_CHECKING:
    from core.kinds.targets.target import Targets


@dataclass(frozen=True)
class Ready:
    """A split as training and evaluation take it: its examples, prepared, and their targets."""

    examples: Sequence[Any]
    prepared: Prepared
    targets: Targets


def load_data(ctx: Context) -> Splits:
    """Read, check and split the data; print and record what was found."""
    config = ctx.config
    splits = config.data.load(config.task, config.seed)
    refuse_other_data(ctx.directory, ctx.report.get("data") if ctx.resuming else None, splits.fingerprint)
    sizes = {"train": len(splits.train), "val": len(splits.val), "test": len(splits.test)}
    labels = (
        f", labels {', '.join(splits.labels)}" if 0 < len(splits.labels) <= 12 else f", {len(splits.labels)} labels"
    )
    ctx.screen.say(f"data: {' / '.join(f'{n} {name}' for name, n in sizes.items())}{labels}. {splits.description}")
    for finding in splits.findings:
        _say(ctx, finding)
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


def _say(ctx: Context, finding: Finding) -> None:
    say = ctx.screen.warn if finding.level == "warning" else ctx.screen.say
    say(f"data: {finding.message}{_places(finding)}")


def _places(finding: Finding) -> str:
    return (
        f" ({', '.join(finding.places)}{', …' if finding.count > len(finding.places) else ''})"
        if finding.places
        else ""
    )


def load_model(ctx: Context, need: Need) -> LoadedModel:
    """Load the base model; a banner says when its weights are not pretrained."""
    started = time.monotonic()
    model = ctx.config.model.load(need)
    provenance = model.provenance
    if provenance.init == "scratch" and provenance.note:
        ctx.screen.banner(provenance.note)
    ctx.screen.say(f"model: {provenance.checkpoint or ctx.config.model.name} ({provenance.init}; {provenance.source})")
    entry: dict[str, Any] = {"loader": ctx.config.model.name, "provenance": asdict(provenance)}
    entry |= {"load_seconds": round(time.monotonic() - started, 2)}
    if model.base_weights:
        entry |= {"base_weights": dict(model.base_weights) | {"peak_mb": peak_memory_mb(need.device)}}
        ctx.screen.say(_weighed(model.base_weights))
    ctx.record(model=entry, init=provenance.init)
    return model


def _weighed(weights: Mapping[str, float]) -> str:
    """Return a sentence about the size of quantized base weights."""
    return (
        f"weights: the quantised layers take {weights['quantised_ratio']:.3f} of their size in bf16, the whole model "
        f"{weights['ratio']:.3f} ({weights['bytes'] / 2**20:.1f} MiB, measured)"
    )


def resolve_train(config: RunConfig, model: LoadedModel) -> ResolvedConfig:
    """Return the configuration with the nulls of `train` filled in: from the method, then the model, then Graft."""
    known: Mapping[str, float] = (
        {"epochs": 3.0, "learning_rate": 5e-5} | dict(model.defaults) | dict(config.method.defaults)
    )
    given = vars(config.train)
    train = ResolvedTrain(**given | {key: value for key, value in known.items() if given[key] is None})
    return ResolvedConfig(**vars(config) | {"train": train})


def apply_method(ctx: Context, config: ResolvedConfig, model: LoadedModel, examples: int) -> LoadedModel:
    """Apply the method to the model; print and record how many parameters train."""
    train, hardware = config.train, ctx.hardware
    if train.reuse_memory and hardware.on_cpu:
        keep_freed_memory()
    model = adapt(config, hardware, model, examples)
    parameters = count_parameters(model)
    shown = f"{parameters['trainable']:,} of {parameters['total']:,} parameters train"
    ctx.screen.say(f"method: {config.method.name}, {shown}; {hardware.device}, {hardware.precision}")
    ctx.record(
        model=ctx.report["model"] | {"method": config.method.name, "parameters": parameters},
        train=asdict(train),
        environment=describe(hardware),
    )
    return model


def adapt(config: ResolvedConfig, hardware: Hardware, model: LoadedModel, examples: int) -> LoadedModel:
    """Return the model as it will train: with the method applied, and the options of `train` that change a network.

    Args:
        config: With `train` resolved.
        hardware: Device and precision.
        model: As it was loaded.
        examples: In the training split.
    """
    train = config.train
    if train.channels_last:
        model.module.to(memory_format=torch.channels_last)
    _use_fast_dropout(train, hardware, model)
    if train.gradient_checkpointing:
        model.keep_less()
    seed_everything(config.seed)
    plan = plan_for(train, hardware, config.seed, examples, model)
    model.planned(plan)
    model = config.method.apply(model, plan)
    _use_fast_dropout(train, hardware, model)  # for dropout that the method inserted
    return model


def _use_fast_dropout(train: Train, hardware: Hardware, model: LoadedModel) -> None:
    """Switch to fast dropout masks on a CPU, where the model can draw them."""
    if train.fast_dropout and hardware.on_cpu and isinstance(model, SupportsFastDropout):
        model.use_fast_dropout()


def plan_for(train: ResolvedTrain, hardware: Hardware, seed: int, examples: int, model: LoadedModel) -> Plan:
    """Return what an adapter method is told about the training to come."""
    steps = total_steps(train, examples)
    return Plan(steps, train.epochs, hardware.device, hardware.precision, seed, model.augmented)


def count_parameters(model: LoadedModel) -> dict[str, int]:
    """Return the numbers of parameters: `total`, and `trainable`."""
    parameters = list(unwrap(model.module).parameters())
    return {
        "total": sum(model.parameter_elements(p) for p in parameters),
        "trainable": sum(p.numel() for p in parameters if p.requires_grad),
    }


def prepare(
    ctx: Context, config: RunConfig, model: LoadedModel, splits: Splits, output: OutputSpec
) -> dict[str, Ready]:
    """Prepare every split once; print and record what had to be done to examples, such as truncating them."""
    names = ("val", "test") if isinstance(model, HasOwnFit) else ("train", "val", "test")
    ready = {}
    for name in names:
        examples = getattr(splits, name)
        ready[name] = Ready(examples, model.prepare(examples, train=name == "train"), output.targets_of(examples))
    if isinstance(model, HasPicture) and ctx.writes:
        _draw(ctx, model, ready["train"])
    for finding in model.findings:
        _say(ctx, finding)
    if not isinstance(model, HasOwnFit):
        _estimate(ctx, config, model, ready["train"].prepared)
    known = ctx.report["data"]["findings"]
    found = [asdict(finding) for finding in model.findings if asdict(finding) not in known]
    ctx.record(data=ctx.report["data"] | {"findings": [*known, *found]})
    return ready


def _estimate(ctx: Context, config: RunConfig, model: LoadedModel, prepared: Prepared) -> None:
    """Record an estimate of the training's peak memory; the report shows it beside the measured peak."""
    if found := profile_memory(model, prepared, config.train, ctx.hardware, config.seed):
        ctx.record(memory={"estimate_mb": found})


def _draw(ctx: Context, model: HasPicture, train: Ready) -> None:
    """Write a picture of training examples as the model will see them."""
    path = ctx.directory / SAMPLES
    try:
        model.picture(train.examples, train.prepared, ctx.config.seed).save(path)
    except OSError as error:
        raise unwritable(path, error) from error
    ctx.screen.say(f"data: {path.name} in the run's folder shows training images as the model sees them")


def evaluated(ctx: Context, train: Train, model: LoadedModel, split: Ready, scoring: Scoring) -> Evaluation:
    """Predict a split and score it; a signal interrupts it."""
    batches = predict_batches(
        model, split.prepared, ctx.hardware, eval_batch_size(train), share_of(ctx.hardware, len(split.prepared))
    )
    return evaluate(batches, split.targets, scoring, ctx.hardware, ctx.break_off)


def fit(
    ctx: Context,
    config: ResolvedConfig,
    model: LoadedModel,
    splits: Splits,
    output: OutputSpec,
    ready: Mapping[str, Ready],
) -> None:
    """Train in the loop, or let a model without gradients fit itself."""
    if isinstance(model, HasOwnFit):
        started = time.monotonic()
        model.fit(splits.train, example_weights(config, splits, output), config.seed)
        ctx.record(training={"steps": 0, "seconds": round(time.monotonic() - started, 3), "history": [], "marks": []})
        return
    train, task = config.train, config.task
    higher = config.metrics[task.primary].higher_is_better

    def validate() -> Mapping[str, float]:
        found = evaluated(ctx, train, model, ready["val"], Scoring(config.metrics, output))
        ctx.evaluated(loop.state.step, "val", found.scores)
        return found.scores

    def better(new: float, old: float) -> bool:
        return not np.isnan(new) and (np.isnan(old) or (new > old if higher else new < old))

    loop = Loop(
        model=model,
        method=config.method,
        prepared=ready["train"].prepared,
        train=train,
        hardware=ctx.hardware,
        seed=config.seed,
        checkpoints=ctx.checkpoints,
        evaluate=validate,
        better=better,
        primary=task.primary,
        watch=ctx,
    )
    last = _rewind(ctx)
    with ctx.screen.training(total_steps(train, len(splits.train)), last) as ctx.bar:
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


def _rewind(ctx: Context) -> int:
    """Return the newest checkpoint's step; on resume, remove later lines from the log."""
    found = ctx.checkpoints.latest()
    last, evaluated = (found[0], found[1]["state"]["evaluated"]) if found else (0, -1)
    if ctx.writes and ctx.resuming:
        ctx.log.rewind(last, evaluated)
        ctx.screen.say(
            f"resuming from step {last}" if last else "resuming from the start: there is no whole checkpoint"
        )
    return last


def eval_batch_size(train: Train) -> int:
    """Return the number of examples in a forward pass of an evaluation."""
    return train.eval_batch_size or 2 * train.batch_size
