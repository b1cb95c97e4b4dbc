"""Check a configuration before any heavy import or download, and report all problems together."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from core.component import Component
from core.contracts.capabilities import CHECKPOINTING, PRECISIONS, QUANTIZED
from core.contracts.components import EXTENSION_POINTS, Configurable, Metric, RunConfig
from core.contracts.train_config import TrainConfig
from core.errors import ConfigError, PluginError, Problem, unknown
from core.options import violations
from core.registry.compatibility import UNSUPPORTED, fit, lacking
from core.registry.registry import Registry, load_registry
from core.registry.variants import supports
from core.tasks.targets.target import TargetType
from core.tasks.task_type import TaskType


def check(config: RunConfig) -> None:
    """Refuse a configuration that cannot work.

    Raises:
        ConfigError: The configuration has problems; each is listed with its place and how to fix it.
    """
    problems = list(_problems(config, load_registry()))
    if problems:
        raise ConfigError(*problems)


def components(config: RunConfig) -> Iterator[tuple[str, Configurable]]:
    """Yield every component of a configuration with its place in it."""
    for group in EXTENSION_POINTS:
        yield group, getattr(config, group)
    for key, metric in config.metrics.items():
        yield f"metrics.{key}", metric


def _problems(config: RunConfig, registry: Registry) -> Iterator[Problem]:
    for group in EXTENSION_POINTS:
        component: object = getattr(config, group)
        if not isinstance(component, Configurable):
            yield Problem(
                group, "is not set.", f"Choose one with {group}=NAME; `python -m core list {group}` shows them."
            )
            return
    yield from violations(config.task, "task")
    yield from violations(config.train, "train")
    for where, component in components(config):
        yield from violations(component, where)
        yield from _missing_packages(where, component)
        yield from task_type_problems(where, component, config.task.type)
    try:
        task_type = registry.task_type(config.task.type)
    except PluginError:
        yield Problem("task.type", *unknown("task type", config.task.type, list(registry.components["task_type"])))
        return
    problem = _target_problem(config, task_type, registry)
    if problem is not None:
        yield problem
        return
    target = registry.target(config.task.target)
    yield from _loader_problems(config, target)
    yield from _metric_problems(config, target, registry)
    yield from _training_problems(config, target, registry)
    yield from _method_problems(config)
    for _, component in components(config):
        yield from component.check(config)


def task_type_problems(where: str, component: Configurable, task_type: str) -> Iterator[Problem]:
    """Yield a problem if a component does not support a task type; the cure names those that do.

    Args:
        where: Its place in the configuration, such as `data`.
        component: The component.
        task_type: The name of the task type.
    """
    if not supports(type(component), task_type):
        supported = ", ".join(component.task_types)
        message = f"{component.name} does not support the task type {task_type!r}; it supports {supported}."
        yield Problem(where, message, _supporting(where, task_type))


def _supporting(where: str, task_type: str) -> str:
    """Return a sentence with the components for this place that support a task type; empty if there are none."""
    group = "metric" if where.startswith("metrics.") else where
    components = load_registry().components[group]
    names = sorted(name for name, each in components.items() if supports(each, task_type))
    if not names:
        return ""
    if group == "metric":
        return f"Metrics for it: {', '.join(names)}. Choose a preset with metrics=…"
    return f"Choose one that does, or a preset that extends it: {', '.join(f'{group}={name}' for name in names)}."


def _missing_packages(where: str, component: Component) -> Iterator[Problem]:
    for module, command in component.requires.items():
        if importlib.util.find_spec(module) is None:
            yield Problem(where, f"{component.name} needs the package {module}, which is not installed.", command)


def _target_problem(config: RunConfig, task_type: TaskType, registry: Registry) -> Problem | None:
    """Return a problem unless the task type lists the target type, or the target type lists the task type."""
    known = registry.targets_of(task_type)
    if config.task.target in known:
        return None
    return Problem("task.target", *unknown(f"target type of {task_type.name}", config.task.target, known))


def _loader_problems(config: RunConfig, target: TargetType) -> Iterator[Problem]:
    """Yield a problem if the loader does not support the target type; if it lists none, it supports all with logits."""
    loader = config.model
    if not supports(type(loader), config.task.type):  # a problem of its own
        return
    if loader.targets and not target.accepted_by(loader.targets):
        supported = ", ".join(loader.targets)
        message = f"{loader.name} does not support the target type {target.name!r}; it supports {supported}."
        yield Problem("model", message)
    elif not loader.targets and not target.from_logits():
        message = f"{loader.name} supports target types with logits; {target.name!r} has none."
        yield Problem("model", message, "`python -m core list models` shows the others.")


def _metric_problems(config: RunConfig, target: TargetType, registry: Registry) -> Iterator[Problem]:
    task = config.task
    if task.primary not in config.metrics:
        _, cure = unknown("metric", task.primary, list(config.metrics))
        yield Problem("task.primary", f"this run has no metric {task.primary!r}.", cure)
    for key, metric in config.metrics.items():
        if not target.accepted_by(metric.targets):
            fit = ", ".join(name for name, other in registry.components["metric"].items() if _accepts(other, target))
            cure = f"Metrics for it: {fit}. Choose a preset with metrics=…"
            yield Problem(f"metrics.{key}", f"{metric.name} does not accept the target type {target.name!r}.", cure)


def _accepts(metric: type[Component], target: TargetType) -> bool:
    return issubclass(metric, Metric) and target.accepted_by(metric.targets)


_FOR_SOME_TARGETS = {"class_weights": "none", "label_smoothing": 0.0, "thresholds": "validation"}
"""Options of `train` that apply to some target types only, each with the value that turns it off."""


def _training_problems(config: RunConfig, target: TargetType, registry: Registry) -> Iterator[Problem]:
    train = config.train
    for key, off in _FOR_SOME_TARGETS.items():
        if key not in target.train_options and getattr(train, key) != off:
            types = registry.components["target_type"].items()
            fit = ", ".join(name for name, other in types if key in getattr(other, "train_options"))
            message = f"does not apply to the target type {target.name} (only to {fit})."
            yield Problem(f"train.{key}", message, f"Leave it out: train.{key}={off}.")
    if (train.class_weights == "given") != bool(train.given_class_weights):
        cure = "Give both: train.class_weights=given 'train.given_class_weights={LABEL: 2.0, …}'."
        yield Problem("train.class_weights", "given weights and class_weights=given go together.", cure)
    if config.model.own_fit:
        yield from _own_fit_problems(config)
        return
    if train.gradient_checkpointing:
        yield from _checkpointing_problems(config)
    yield from _optimizer_problems(config, registry)


def _checkpointing_problems(config: RunConfig) -> Iterator[Problem]:
    """Yield a problem if the family or the method cannot use gradient checkpointing."""
    where = "train.gradient_checkpointing"
    if lacks := lacking(type(config.model), CHECKPOINTING):
        cure = "Leave it out; train.micro_batch_size=… also saves memory, with any model."
        yield Problem(where, f"{lacks}.", cure)
    elif config.method.frozen:
        message = f"{config.method.name} trains on features that are computed once, without gradients."
        yield Problem(where, f"{message} There are no activations to save.", "Leave it out.")


def _optimizer_problems(config: RunConfig, registry: Registry) -> Iterator[Problem]:
    """Yield the problems of the optimizer: unknown, not installed, or not suitable for this run."""
    name, where = config.train.optimizer, "train.optimizer"
    try:
        optimizer = registry.optimizer(name)
    except PluginError:
        yield Problem(where, *unknown("optimizer", name, list(registry.components["optimizer"])))
        return
    yield from _missing_packages(where, optimizer)
    yield from optimizer.check(config)


def _method_problems(config: RunConfig) -> Iterator[Problem]:
    """Yield a problem if the method does not fit the model; see `core.registry.compatibility`."""
    model, method = type(config.model), type(config.method)
    precision = config.train.precision
    result = fit(model, method)
    if result.status != UNSUPPORTED and precision in PRECISIONS:
        result = fit(model, method, precision)
    if result.status == UNSUPPORTED:
        where = f" in {precision}" if fit(model, method).status != UNSUPPORTED else ""
        message = f"{method.name} cannot adapt {model.name}{where}: {result.reason}."
        yield Problem("method", message, "`python -m core list methods` shows which fit.")
    elif config.method.weights() is not None and QUANTIZED not in model.capabilities:
        message = f"{method.name} quantizes weights while they are loaded, which model={model.name} does not support."
        yield Problem("method", message, "`python -m core list methods` shows which fit.")


def _own_fit_problems(config: RunConfig) -> Iterator[Problem]:
    """Yield a problem for each option of the training loop; a model that is fitted without gradients has no loop."""
    name, defaults = config.model.name, TrainConfig()
    applicable = {"device", "precision", "class_weights", "given_class_weights", "confidence", "bootstrap_resamples"}
    applicable |= {"baselines", "eval_batch_size", "batch_size", "thresholds"}
    for key, value in vars(config.train).items():
        if key not in applicable and value != getattr(defaults, key):
            message = f"does not apply to {name}, which is fitted without gradients."
            yield Problem(f"train.{key}", message, "Leave it out.")
