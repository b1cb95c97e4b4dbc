"""The root of every socket: one dataclass that is both an option schema and an implementation."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass
class Component(ABC):
    """Fields are its options, methods its behaviour, ClassVars its identity. Its docstring is its help.

    Attributes:
        name: Its key in the registry, in the configuration and in the docs; unique in its socket.
        kinds: The kinds of task it serves; empty for all (for a target type: for those that list it).
        requires: Importable modules that it needs beyond Graft's own dependencies (an extra's), each with the command
            that installs it.
    """

    name: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]] = ()
    requires: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def summary(cls) -> str:
        """The first line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]
