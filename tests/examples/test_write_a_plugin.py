"""The how-to shows code that exists: each excerpt is in the example, word for word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "write-a-plugin.md").read_text(encoding="utf-8")
EXCERPTS = re.findall(r"^```(?:python|toml|yaml)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SOURCES = [
    path.read_text(encoding="utf-8")
    for suffix in ("py", "toml", "yaml")
    for path in (ROOT / "examples" / "acme_plugin").rglob(f"*.{suffix}")
]


@pytest.mark.parametrize("excerpt", EXCERPTS, ids=lambda excerpt: excerpt.strip().splitlines()[-1][:40].strip())
def test_excerpt_is_real(excerpt: str) -> None:
    assert any(excerpt in source for source in SOURCES), f"this is not in examples/acme_plugin:\n{excerpt}"


def test_every_check_is_described() -> None:
    import core.testing

    described = set(re.findall(r"^\| `(check_\w+)\(", PAGE, re.MULTILINE))
    small = {"check_light", "check_preset"}  # parts of check_plugin
    assert described == {name for name in core.testing.__all__ if name.startswith("check_")} - small
