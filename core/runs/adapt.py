"""Resolve the options of training, and apply the adapter method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import torch

from core.contracts.components import ResolvedConfig, RunConfig
from core.contracts.model import LoadedModel, TrainingPlan
from core.contracts.protocols import SupportsFastDropout
from core.contracts.train_config import ResolvedTrain, TrainConfig
from core.runs.context import Context
from core.runtime.determinism import seed_everything
from core.runtime.hardware import Hardware
from core.runtime.memory import keep_freed_memory
from core.runtime.modules import unwrap
from core.runtime.versions import describe
from core.training.state import total_steps


def resolve_train(config: RunConfig, model: LoadedModel) -> ResolvedConfig:
    """Return the configuration without nulls in `train`; they come from the method, the model or Graft's defaults."""
    defaults: Mapping[str, float] = (
        {"epochs": 3.0, "learning_rate": 5e-5} | dict(model.defaults) | dict(config.method.defaults)
    )
    given = vars(config.train)
    train = ResolvedTrain(**given | {key: value for key, value in defaults.items() if given[key] is None})
    return ResolvedConfig(**vars(config) | {"train": train})


def apply_method(ctx: Context, config: ResolvedConfig, model: LoadedModel, examples: int) -> LoadedModel:
    """Apply the method to the model; print and record the number of trainable parameters."""
    train, hardware = config.train, ctx.hardware
    if train.reuse_memory and hardware.on_cpu:
        keep_freed_memory()
    model = adapt(config, hardware, model, examples)
    parameters = count_parameters(model)
    trainable = f"{parameters['trainable']:,} of {parameters['total']:,} parameters train"
    ctx.screen.say(f"method: {config.method.name}, {trainable}; {hardware.device}, {hardware.precision}")
    ctx.record(
        model=ctx.report["model"] | {"method": config.method.name, "parameters": parameters},
        train=asdict(train),
        environment=describe(hardware),
    )
    return model


def adapt(config: ResolvedConfig, hardware: Hardware, model: LoadedModel, examples: int) -> LoadedModel:
    """Return the model ready for training: apply the method, and the options of `train` that change the network.

    Args:
        config: The configuration, without nulls in `train`.
        hardware: Device and precision.
        model: The model that the loader returned.
        examples: Number of training examples.
    """
    train = config.train
    if train.channels_last:
        model.module.to(memory_format=torch.channels_last)
    _use_fast_dropout(train, hardware, model)
    if train.gradient_checkpointing:
        model.enable_gradient_checkpointing()
    seed_everything(config.seed)
    plan = plan_for(train, hardware, config.seed, examples, model)
    model.on_train_start(plan)
    model = config.method.apply(model, plan)
    _use_fast_dropout(train, hardware, model)  # for dropout that the method inserted
    return model


def _use_fast_dropout(train: TrainConfig, hardware: Hardware, model: LoadedModel) -> None:
    """Use fast dropout masks on a CPU, if the model supports them."""
    if train.fast_dropout and hardware.on_cpu and isinstance(model, SupportsFastDropout):
        model.use_fast_dropout()


def plan_for(train: ResolvedTrain, hardware: Hardware, seed: int, examples: int, model: LoadedModel) -> TrainingPlan:
    """Return what an adapter method receives about the training."""
    steps = total_steps(train, examples)
    return TrainingPlan(steps, train.epochs, hardware.device, hardware.precision, seed, model.augmented)


def count_parameters(model: LoadedModel) -> dict[str, int]:
    """Return the number of parameters: `total` and `trainable`."""
    parameters = list(unwrap(model.module).parameters())
    return {
        "total": sum(model.parameter_elements(p) for p in parameters),
        "trainable": sum(p.numel() for p in parameters if p.requires_grad),
    }
