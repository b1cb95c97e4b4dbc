"""Read tickets. Graft then checks, counts, encodes and splits them."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core import DataError, Problem, SplitOptions, Splits, Task
from core.data import Row, RowIssue, Source, build_splits
from core.tasks import TextExample

OWN = Path(__file__).with_name("tickets.toml")
EMPTY = RowIssue("empty_text", "the text is empty", "Give the ticket a text, or remove it.")


def load(path: str, options: SplitOptions, task: Task, seed: int) -> Splits:
    """Read a file of tickets and split it.

    Raises:
        DataError: The file is missing, is not valid TOML, or contains a ticket that cannot be used.
    """
    file = Path(path).expanduser() if path else OWN
    content = _read(file)
    rows = list(_rows(file.name, content))
    source = Source(
        rows=rows,
        take=lambda numbers: [rows[number].example for number in numbers],
        digest=hashlib.sha256(content).hexdigest(),
        origin=file.name,
    )
    return build_splits(source, task, seed, options)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DataError(Problem("data.path", f"{file} cannot be read: {error.strerror}.")) from error


def _rows(name: str, content: bytes) -> Iterator[Row]:
    try:
        tickets: list[dict[str, Any]] = tomllib.loads(content.decode("utf-8")).get("ticket", [])
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(Problem(name, f"is not TOML in UTF-8: {error}.")) from error
    for number, ticket in enumerate(tickets, start=1):
        place = f"{name}:ticket {number}"
        text = str(ticket.get("text", "")).strip()
        fault = None if text else EMPTY
        yield Row(TextExample(text, place=place), ticket.get("urgency"), place, fault=fault)
