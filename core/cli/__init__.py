"""The command line: arguments, exit codes, and one file per command in `commands/`."""

from core.cli.main import main

__all__ = ["main"]
