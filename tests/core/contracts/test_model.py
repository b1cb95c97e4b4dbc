"""Loaded models and what a loader receives: values that follow from others."""

from __future__ import annotations

import pytest
from output_specs import output

from core.contracts.model import LoadRequest, epochs_for


@pytest.mark.parametrize(
    ("examples", "epochs"),
    [(1000, 4.0), (100, 10.0), (100_000, 2.0), (0, 10.0)],
)
def test_epochs_show_about_as_many_examples_as_wanted(examples: int, epochs: float) -> None:
    assert epochs_for(4000, examples, 2, 10) == epochs


def test_a_request_gives_the_task_and_the_labels_of_its_output() -> None:
    spec = output("single", "ab")
    request = LoadRequest(spec)
    assert request.task is spec.task
    assert request.labels == spec.labels
