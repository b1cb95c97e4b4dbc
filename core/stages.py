"""The stages of a run up to the end of training, one function each, in the order in which `core.run` calls them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.class_weights import class_weights, example_weights
from core.config import RunConfig, Train
from core.context import Context, refuse_other_data
from core.contracts import HasOwnFit, HasPicture, LoadedModel, Need, Plan, Prepared, Splits
from core.environment import Hardware, describe, keep_freed_memory, peak_memory_mb, seed_everything, unwrap
from core.evaluate import Evaluation, Scoring, evaluate
from core.issues import Finding
from core.kinds.output import OutputSpec
from core.loop import Loop
from core.predicting import predict_batches, share_of
from core.progress import total_steps
from core.registry import load
from core.rehearsal import rehearse
from core.report import SAMPLES, unwritable

if TYPE_CHECKING:
    from core.kinds.targets.target import Targets


@dataclass(frozen=True)
class Ready:
    """A split, ready to be trained on or evaluated: its examples, prepared, and their targets."""

    examples: Sequence[Any]
    prepared: Prepared
    targets: Targets


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


def need_for(config: RunConfig, splits: Splits, hardware: Hardware) -> Need:
    """What the model loader is told."""
    output = load().output(config.task, splits.labels)
    return Need(
        output=output,
        train=splits.train,
        fingerprint=splits.fingerprint,
        device=hardware.device,
        precision=hardware.precision,
        seed=config.seed,
        weights=config.method.weights(),
        class_weights=class_weights(config, splits, output),
        label_smoothing=config.train.label_smoothing,
        additive=config.method.additive(),
        frozen=config.method.frozen,
    )


def load_model(ctx: Context, need: Need) -> LoadedModel:
    """Load the base model; say loudly when its weights are not pretrained."""
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
    """What quantised base weights take, as a sentence."""
    return (
        f"weights: the quantised layers take {weights['quantised_ratio']:.3f} of their size in bf16, the whole model "
        f"{weights['ratio']:.3f} ({weights['bytes'] / 2**20:.1f} MiB, measured)"
    )


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


def adapt(config: RunConfig, hardware: Hardware, model: LoadedModel, examples: int) -> LoadedModel:
    """The model as it will train: with the method applied, and what else `train` says of a network.

    Args:
        config: Its `train` has no nulls any more.
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
    _use_fast_dropout(train, hardware, model)  # in what was inserted, too
    return model


def _use_fast_dropout(train: Train, hardware: Hardware, model: LoadedModel) -> None:
    """Let a model that can draw its dropout masks the fast way, on a processor."""
    fast = getattr(model, "use_fast_dropout", None)
    if train.fast_dropout and hardware.on_cpu and fast is not None:
        fast()


def plan_for(train: Train, hardware: Hardware, seed: int, examples: int, model: LoadedModel) -> Plan:
    """What an adapter method is told; `train` has no nulls any more."""
    assert train.epochs is not None
    steps = total_steps(train, examples)
    return Plan(steps, train.epochs, hardware.device, hardware.precision, seed, model.augmented)


def count_parameters(model: LoadedModel) -> dict[str, int]:
    """Numbers of parameters: all, and those that train."""
    parameters = list(unwrap(model.module).parameters())
    return {
        "total": sum(_elements(p) for p in parameters),
        "trainable": sum(p.numel() for p in parameters if p.requires_grad),
    }


def _elements(parameter: torch.nn.Parameter) -> int:
    """Numbers that a parameter stands for: several lie in a byte where it is quantised."""
    packed: Any = getattr(parameter, "quant_state", None)
    return parameter.numel() if packed is None else int(packed.shape.numel())


def prepare(
    ctx: Context, config: RunConfig, model: LoadedModel, splits: Splits, output: OutputSpec
) -> dict[str, Ready]:
    """Make every split ready, once; say what had to be done to examples."""
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
    """Record what memory the training is thought to need, for the report to show beside what it took."""
    if found := rehearse(model, prepared, config.train, ctx.hardware, config.seed):
        ctx.record(memory={"estimate_mb": found})


def _draw(ctx: Context, model: HasPicture, train: Ready) -> None:
    """Write what the model will see in training, for a person to look at."""
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
    config: RunConfig,
    model: LoadedModel,
    splits: Splits,
    output: OutputSpec,
    ready: Mapping[str, Ready],
) -> None:
    """Train, in the one loop or in the model's own way."""
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
        model, config.method, ready["train"].prepared, train, ctx.hardware, config.seed, ctx.checkpoints, validate,
        better, task.primary, ctx,
    )  # fmt: skip
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
    """On resume, forget what the log says of steps after the newest checkpoint; returns that checkpoint's step."""
    found = ctx.checkpoints.latest()
    last, evaluated = (found[0], found[1]["state"]["evaluated"]) if found else (0, -1)
    if ctx.writes and ctx.resuming:
        ctx.log.rewind(last, evaluated)
        ctx.screen.say(
            f"resuming from step {last}" if last else "resuming from the start: there is no whole checkpoint"
        )
    return last


def eval_batch_size(train: Train) -> int:
    """Examples in a forward pass of an evaluation."""
    return train.eval_batch_size or 2 * train.batch_size
