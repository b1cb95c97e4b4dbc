"""Declare the options of a component: the dataclass field holds the default, the help and the limits."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from core.errors import Problem, nearest


@dataclass(frozen=True)
class Limits:
    """The help of an option, and what its values must satisfy beyond their type.

    Attributes:
        help: One sentence for `show`, `--help` and the generated reference.
        choices: The allowed values, or empty for any.
        low: Inclusive lower bound.
        high: Inclusive upper bound.
        above: Exclusive lower bound.
        path: Whether the value is a local path; it is made absolute in the saved configuration.
        folder: Whether the value can be a local folder; it is made absolute if the folder exists.
    """

    help: str = ""
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    above: float | None = None
    path: bool = False
    folder: bool = False

    @property
    def named_choices(self) -> str:
        """The allowed values as text; an empty value is shown as two quotes."""
        return ", ".join(choice or "''" for choice in self.choices)

    def complaint(self, value: object) -> tuple[str, str] | None:
        """Return the message and the cure for a value outside the limits, or None."""
        if value is None:
            return None
        if self.choices and value not in self.choices:
            close = nearest(str(value), self.choices)
            cure = (f"Did you mean {close!r}? " if close else "") + f"It is one of: {self.named_choices}."
            return f"{value!r} is not a value of this option.", cure
        if isinstance(value, float) and math.isnan(value):
            return "nan is not a number.", ""
        if isinstance(value, int | float) and not isinstance(value, bool):
            if self.low is not None and value < self.low:
                return f"{value} is too small; the smallest value is {self.low:g}.", ""
            if self.above is not None and not value > self.above:
                return f"{value} is too small; it must be greater than {self.above:g}.", ""
            if self.high is not None and value > self.high:
                return f"{value} is too large; the largest value is {self.high:g}.", ""
        return None


def option(
    default: Any = MISSING,
    help: str = "",
    *,
    factory: Callable[[], Any] | None = None,
    choices: Sequence[str] = (),
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    path: bool = False,
    folder: bool = False,
) -> Any:
    """Return a dataclass field that declares an option.

    Args:
        default: The default value. Every option needs one, or a `factory`.
        help: One sentence for `show`, error messages and the reference.
        factory: A function that returns the default, for lists and dictionaries.
        choices: The allowed values; empty for any.
        low: Inclusive lower bound.
        high: Inclusive upper bound.
        above: Exclusive lower bound.
        path: Whether the value is the path of a file or folder; it is made absolute in the saved configuration.
        folder: Whether the value can be a local folder; it is made absolute if the folder exists.
    """
    metadata = {"graft": Limits(help, tuple(choices), low, high, above, path, folder)}
    if factory is not None:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


def limits(of: Field[Any]) -> Limits:
    """Return the limits that a field declares, or no limits for a plain dataclass field."""
    declared = of.metadata.get("graft", Limits())
    assert isinstance(declared, Limits)
    return declared


def violations(component: Any, where: str) -> Iterator[Problem]:
    """Yield a problem for each option whose value is outside its limits.

    Args:
        component: A dataclass instance.
        where: Its place in the configuration, such as `train`.
    """
    for each in fields(component):
        complaint = limits(each).complaint(getattr(component, each.name))
        if complaint:
            yield Problem(f"{where}.{each.name}", *complaint)


def options(component: type[Any]) -> Iterator[dict[str, str]]:
    """Yield each option of a component as text: `name`, `type`, `default` and `help`."""
    for each in fields(component):
        declared = limits(each)
        default = each.default if each.default is not MISSING else None
        if each.default_factory is not MISSING:
            default = each.default_factory()
        type_ = each.type if isinstance(each.type, str) else getattr(each.type, "__name__", str(each.type))
        help_ = declared.help + (f" One of: {declared.named_choices}." if declared.choices else "")
        yield {"name": each.name, "type": type_, "default": json.dumps(default, default=str), "help": help_}
