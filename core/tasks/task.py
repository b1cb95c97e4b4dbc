"""The options of a task."""

from __future__ import annotations

from dataclasses import dataclass

from core.options import option


@dataclass
class Task:
    """What to learn: a task type, a target type and a primary metric."""

    name: str = option("", "Name of the task, used in the run's folder and in tables.")
    type: str = option("text-classification", "The task type, in the Hub's spelling.")
    target: str = option("single", "The target type: what is predicted, such as one label, several labels or a value.")
    primary: str = option("accuracy", "The metric that selects the weights to keep; a key of `metrics`.")
    labels: list[str] | None = option(None, "Label names in their order; null reads them from the data, sorted.")
