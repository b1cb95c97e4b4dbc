"""Components: what identifies and describes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core.component import Component


@dataclass
class Plain(Component):
    """Do one thing.

    And say more about it.
    """

    name: ClassVar[str] = "plain"


def test_the_summary_is_the_first_line_of_the_docstring() -> None:
    assert Plain.summary() == "Do one thing."


def test_by_default_a_component_serves_every_task_type_and_requires_nothing() -> None:
    assert Plain.task_types == ()
    assert dict(Plain.requires) == {}
