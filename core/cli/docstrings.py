"""Parse docstrings in Google style."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Docstring:
    """A docstring in Google style, split into its parts.

    Attributes:
        text: Everything before the first section.
        sections: The items of each section (`Args`, `Raises`, `Attributes`, …): name and description. The name is empty
            in a section that is plain text, such as `Returns`.
    """

    text: str
    sections: Mapping[str, Sequence[tuple[str, str]]]


SECTIONS = ("Attributes", "Args", "Returns", "Raises", "Example")


def parse(docstring: str) -> Docstring:
    """Split a cleaned docstring into its text and its sections."""
    text: list[str] = []
    blocks: dict[str, list[str]] = {}
    lines = text
    for line in docstring.splitlines():
        title = line.removesuffix(":")
        if line.endswith(":") and title in SECTIONS:
            lines = blocks.setdefault(title, [])
        elif lines is not text and line and not line.startswith(" "):
            text.append(line)  # text goes on after a section
            lines = text
        else:
            lines.append(line)
    return Docstring("\n".join(text).strip(), {title: list(_items(title, block)) for title, block in blocks.items()})


def _items(title: str, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the items of a section. A deeper indent continues the item above."""
    block = textwrap.dedent("\n".join(lines)).strip()
    if title in ("Returns", "Example"):
        yield "", " ".join(block.split()) if title == "Returns" else block
        return
    items: list[list[str]] = []
    for line in filter(str.strip, block.splitlines()):
        if line.startswith(" ") and items:
            items[-1].append(line.strip())
        else:
            items.append([line])
    for item in items:
        name, _, meaning = " ".join(item).partition(": ")
        yield name, meaning
