"""The layout of a task's target type, which decides how labels are read."""

from __future__ import annotations

from core.registry import load_registry
from core.tasks import Task


def layout_of(task: Task) -> str:
    """Return the layout of the task's target type; see `TargetType.layout`.

    A plugin's target type with `like` has the layout of a built-in one, and its labels are read in the same way.

    Raises:
        PluginError: There is no such target type.
    """
    return load_registry().target(task.target).layout
