"""The base class of all components: one dataclass is both the schema of the options and the implementation."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass
class Component(ABC):
    """A dataclass: fields are options, methods are behavior, ClassVars identify it, and the docstring is its help.

    Attributes:
        name: Its key in the registry, the configuration and the docs; unique within its extension point.
        task_types: The task types that it supports; empty for all. For a target type, empty means those that list it.
        requires: Modules that it needs beyond Graft's own dependencies, each with the command that installs it.
    """

    name: ClassVar[str]
    task_types: ClassVar[tuple[str, ...]] = ()
    requires: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]
