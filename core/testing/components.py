"""Check what holds for all components: name, docstring, and declared options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import Field, asdict, fields, is_dataclass
from typing import Any, get_type_hints

from core.component import Component
from core.contracts.components import AdapterMethod, Configurable, Metric
from core.contracts.train_config import TrainConfig
from core.errors import GraftError
from core.options import limits, violations
from core.registry.registry import EXTENSION_POINTS, load_registry
from core.registry.variants import GROUPS
from core.tasks.task_type import TaskType
from core.testing.expect import Subject

_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_RESOLVED = {each.name for each in fields(TrainConfig) if each.default is None}
"""The options of `train` for which a method may define values: those that are null by default."""


def check_component(component: type[Component]) -> None:
    """Check the class of any component. This runs none of its methods except the constructor.

    Requirements:

    - It is a dataclass, not frozen, that subclasses the class of an extension point and implements its methods.
    - It has a `name`, a docstring, and class variables of the right types.
    - Each option has a type, a default within its limits, and one sentence of help.
    - The options stay the same after they are written to `config.yaml` and read again.
    - If it is a variant of another component, that one is registered, and it has all options of that one.

    Raises:
        AssertionError: A requirement is not met.
    """
    subject = Subject(f"{component.__module__}.{component.__name__}")
    _check_class(subject, component)
    _check_identity(subject, component)
    for field in fields(component):
        _check_option(subject, field)
    _check_schema(subject, component)
    if issubclass(component, Configurable) and component.variant_of:
        _check_variant(subject, component)
    if issubclass(component, Metric):
        _check_metric(subject, component)
    if issubclass(component, AdapterMethod):
        unknown = sorted(set(component.defaults) - _RESOLVED)
        subject.expect(not unknown, f"`defaults` may contain {', '.join(sorted(_RESOLVED))}, not {', '.join(unknown)}.")


def _check_class(subject: Subject, component: type[Component]) -> None:
    contracts = tuple(contract for _, contract in EXTENSION_POINTS.values())
    names = ", ".join(contract.__name__ for contract in contracts)
    subject.expect(issubclass(component, contracts), f"must subclass one of {names}.")
    subject.expect(is_dataclass(component) and "__dataclass_fields__" in vars(component), "must be a @dataclass.")
    subject.expect(
        not getattr(component, "__dataclass_params__").frozen, "must not be frozen, because presets are merged into it."
    )
    missing = sorted(getattr(component, "__abstractmethods__", ()))
    subject.expect(not missing, f"must implement {', '.join(missing)}.")


def _check_identity(subject: Subject, component: type[Component]) -> None:
    name = getattr(component, "name", None)
    subject.expect(
        isinstance(name, str) and _NAME.fullmatch(name),
        f"needs `name: ClassVar[str]` in lower case, with _ or - between words; it is {name!r}.",
    )
    summary = component.summary()
    written = summary and not summary.startswith(f"{component.__name__}(")  # the docstring that @dataclass generates
    subject.expect(written, "needs a docstring; `list` shows its first line.")
    subject.expect(summary.endswith("."), f"the first line of its docstring must end with a period; it is {summary!r}.")
    for variable in ("task_types", "targets") if issubclass(component, Metric | TaskType) else ("task_types",):
        value = getattr(component, variable, ())
        texts = isinstance(value, tuple) and all(isinstance(each, str) for each in value)
        subject.expect(
            texts, f"`{variable}` must be a tuple of names; it is {value!r}. Write ('NAME',) for a single name."
        )
    requires: object = component.requires
    subject.expect(
        isinstance(requires, Mapping) and all(isinstance(each, str) and each for each in requires.values()),
        f"`requires` must map importable modules to the commands that install them; it is {requires!r}.",
    )


def _check_option(subject: Subject, field: Field[Any]) -> None:
    declared = limits(field)
    subject.expect(
        declared.help.strip(),
        f"the option `{field.name}` needs help. Declare it as {field.name}: … = option(DEFAULT, 'One sentence.').",
    )
    subject.expect(
        declared.help.endswith("."), f"the help of `{field.name}` must end with a period; it is {declared.help!r}."
    )
    subject.expect(not field.name.startswith("_"), f"the option `{field.name}` must not begin with an underscore.")


def _check_schema(subject: Subject, component: type[Component]) -> None:
    from core.config.yaml import from_yaml, to_yaml, typed

    try:
        plain = component()
    except TypeError as error:
        subject.fail(f"every option needs a default ({error}). Require a value in `check(config)` instead.")
    problems = [str(problem) for problem in violations(plain, component.name)]
    subject.expect(not problems, f"a default is outside its own limits: {'; '.join(problems)}")
    try:
        get_type_hints(component)
        subject.expect(typed(component, {}) == plain, "its defaults differ between OmegaConf and the dataclass.")
        values = from_yaml(to_yaml(asdict(plain)))
        subject.expect(
            typed(component, values) == plain, "its options change when they are written to config.yaml and read again."
        )
    except NameError as error:
        subject.fail(f"the types of its options must be imported at run time, not under TYPE_CHECKING ({error}).")
    except AssertionError:
        raise
    except Exception as error:  # OmegaConf raises many types of errors for types that it does not support
        text = error.report() if isinstance(error, GraftError) else str(error).partition("\n")[0]
        subject.fail(f"OmegaConf cannot hold its options: {text}. Use bool, int, float, str, | None, list and dict.")


def _check_variant(subject: Subject, component: type[Configurable]) -> None:
    """Check that the options that presets of the original set have the same types in its variant."""
    name = component.variant_of
    group = next(group for group, (_, contract) in EXTENSION_POINTS.items() if issubclass(component, contract))
    subject.expect(group in GROUPS, f"`variant_of` is for components of {', '.join(GROUPS)}; this one is of {group}.")
    known = load_registry().components[group]
    subject.expect(
        name in known and name != component.name,
        f"`variant_of` must name another registered {group}; it is {name!r}. There are: {', '.join(sorted(known))}.",
    )
    original = known[name]
    needed = "needs `task_types`, the task types for which it replaces the other"
    subject.expect(component.task_types and original.task_types, f"{needed}; {name} needs them too.")
    own, others = get_type_hints(component), get_type_hints(original)
    common = {each.name for each in fields(component)} & {each.name for each in fields(original)}
    for option in sorted(common):
        message = f"its option `{option}` must have the type {others[option]!s}, because it is a variant of {name}."
        subject.expect(own[option] == others[option], message)


def _check_metric(subject: Subject, component: type[Metric]) -> None:
    known = tuple(load_registry().components["target_type"])
    valid = component.targets and set(component.targets) <= set(known)
    subject.expect(valid, f"`targets` must name some of {', '.join(known)}; it is {component.targets!r}.")
    subject.expect(
        isinstance(component.higher_is_better, bool),
        f"`higher_is_better` must be True or False; it is {component.higher_is_better!r}.",
    )
