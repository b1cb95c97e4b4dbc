"""The root of every socket: one dataclass that is both an option schema and an implementation."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.errors import Problem

if TYPE_CHECKING:
    from core.config import RunConfig


@dataclass
class Component(ABC):
    """Fields are its options, methods its behaviour, ClassVars its identity. Its docstring is its help.

    Attributes:
        name: Its key in the registry, in the configuration and in the docs; unique in its socket.
        kinds: The kinds of task it serves; empty for all.
        requires: Importable modules that it needs beyond Graft's own dependencies (an extra's), each with the command
            that installs it.
    """

    name: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]] = ()
    requires: ClassVar[Mapping[str, str]] = {}

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """What is wrong with this component in this run; called before any heavy import or download."""
        return ()

    @classmethod
    def summary(cls) -> str:
        """The first line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]
