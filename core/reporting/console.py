"""Print to the terminal or to a log file: messages, banners, progress and tables."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

LINE_SECONDS = 10.0
"""Seconds between two lines of progress if the output is a file or a pipe."""


class Screen:
    """Prints progress and banners to standard error, and results to standard output; prints nothing if `quiet`."""

    def __init__(self, quiet: bool = False) -> None:
        self.out = Console(file=sys.stdout, quiet=quiet, highlight=False)
        if not self.out.is_terminal:
            self.out.width = 120  # a file or a pipe: wide enough for the tables
        self.err = Console(file=sys.stderr, quiet=quiet, highlight=False)
        self.quiet = quiet

    def say(self, text: str) -> None:
        """Print one line."""
        self.err.print(text, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print one line as a warning."""
        self.err.print(f"warning: {text}", style="yellow", markup=False, soft_wrap=True)

    def banner(self, text: str) -> None:
        """Print a text in a box."""
        self.err.print(Panel(Text(text), border_style="yellow", expand=False))

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table under its title; the first column is left-aligned, the others right."""
        self.out.print(Text(title, style="bold"))  # as the table's own title, it would be wrapped to the table's width
        table = Table()
        for number, column in enumerate(columns):
            table.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
        for row in rows:
            table.add_row(*row)
        self.out.print(table)

    @contextmanager
    def training(self, total: int, done: int) -> Iterator[Bar]:
        """Yield a progress bar over the optimizer steps; without a terminal, it prints a line every few seconds."""
        if self.quiet or not self.err.is_terminal:
            yield Bar(total, done, self, None)
            return
        columns = (
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.err, transient=False) as progress:
            yield Bar(total, done, self, progress)


class Bar:
    """Progress of one training; see `Screen.training`."""

    def __init__(self, total: int, done: int, screen: Screen, progress: Progress | None) -> None:
        self.total, self.screen, self.progress = total, screen, progress
        self.task = progress.add_task("training", total=total, completed=done, note="") if progress else None
        self.last_line = time.monotonic()
        self.note = ""

    def advance(self, step: int) -> None:
        """Show that `step` steps are done."""
        if self.progress is not None and self.task is not None:
            self.progress.update(self.task, completed=step)
        elif time.monotonic() - self.last_line >= LINE_SECONDS:
            self.last_line = time.monotonic()
            self.screen.say(f"training  step {step}/{self.total}  {self.note}")

    def describe(self, values: Mapping[str, Any]) -> None:
        """Show the latest loss, rate and speed."""
        self.note = f"loss {values['loss']:.4f}  lr {values['lr']:.2e}  {values['examples_per_second']:.0f} examples/s"
        if self.progress is not None and self.task is not None:
            self.progress.update(self.task, note=self.note)
