"""The generated pages are what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import hooks
from core.reference import pages

DOCS = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_generated_page_has_not_drifted(name: str) -> None:
    committed = (DOCS / name).read_text(encoding="utf-8")
    assert committed == pages()[name].rstrip() + "\n", "run `python -m core.reference` and commit the result"


@pytest.mark.parametrize("name", [*hooks.CALLED_AT_START, *hooks.OBSERVERS])
def test_every_hook_has_an_example(name: str) -> None:
    documented = getattr(hooks, name).__doc__ or ""
    assert "Example:" in documented
    assert f"def {name}(" in documented
