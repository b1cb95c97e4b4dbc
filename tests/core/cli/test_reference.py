"""The generated pages match the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.cli.reference import pages
from core.registry import hookspecs

DOCS = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_generated_page_has_not_drifted(name: str) -> None:
    committed = (DOCS / name).read_text(encoding="utf-8")
    assert committed == pages()[name].rstrip() + "\n", "run `python -m core.cli.reference` and commit the result"


def test_every_page_of_components_is_generated_and_listed() -> None:
    index = pages()["components/README.md"]
    for path in (DOCS / "components").glob("*.md"):
        assert f"components/{path.name}" in pages()
        assert path.name == "README.md" or f"]({path.name})" in index


def test_an_option_that_several_components_share_is_described_once() -> None:
    page = pages()["components/model.md"]
    assert page.count("Maximum number of tokens per text (or pair)") == 1
    assert "| `max_length` | decoder, encoder | `int` | `256` |" in page
    before, _, after = page.partition("## Shared options")
    encoder, token_encoder = (
        before.partition(f"## `{name}`")[2].partition("\n## ")[0] for name in ("encoder", "token_encoder")
    )
    assert "| `max_length`" not in encoder
    assert "`max_length`" in encoder
    assert "| `max_length`" in token_encoder, "its texts are not truncated, so its help is another"
    assert "| `variant`" not in after


@pytest.mark.parametrize("name", [*hookspecs.CALLED_AT_START, *hookspecs.OBSERVERS])
def test_every_hook_has_an_example(name: str) -> None:
    documented = getattr(hookspecs, name).__doc__ or ""
    assert "Example:" in documented
    assert f"def {name}(" in documented
