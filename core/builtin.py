"""The target types that several families share, announced as any plugin announces its own."""

from __future__ import annotations

from collections.abc import Sequence

from core.hooks import hookimpl
from core.kinds import BoxesTarget, MultiLabel, Regression, SingleLabel, TargetType


@hookimpl
def target_types() -> Sequence[type[TargetType]]:
    """Return one label, several labels, a value, and objects in images."""
    return [SingleLabel, MultiLabel, Regression, BoxesTarget]
