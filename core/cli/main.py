"""Dispatch a command line. A command imports what it needs when it runs, so that `--help` is fast."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import GraftError, Interrupted, nearest

if TYPE_CHECKING:
    from core.config.presets import PresetFolders
    from core.contracts.components import RunConfig

HELP = """\
Graft fine-tunes a pretrained model on your labeled data.

Train and evaluate (any command line of key=value arguments is a training run):
  python -m core task=sentiment model=roberta
  python -m core task=sentiment model=minilm method=lora data=table data.path=reviews.csv
  python -m core task=sentiment train=smoke            a smoke test of ten steps
  python -m core -m task=sentiment seed=0,1,2          one run per seed

Commands:
  list [GROUP]                list tasks, data, models, methods, metrics, …    --json
  show GROUP/NAME             describe a component or preset, with its options --json
  plugins                     list installed plugins and their errors          --json
  check key=value …           dry run: check everything, train nothing         --quick --json
  resume RUN                  resume an interrupted run
  evaluate RUN [data.KEY=…]   score a run's model, on other data if given      --split --json
  predict RUN [INPUT …]       predict for texts, images, --file or stdin       --format NAME --with RUN
  export RUN                  merge the adapter and write full weights         --out DIR --json

Options:  --config-dir DIR (your own presets)   --debug (show tracebacks)   --version   -h, --help

Environment variables:
  GRAFT_CACHE=DIR             folder of Graft's cache
  GRAFT_PLUGINS=FILE,MODULE   load plugins that are not installed
  GRAFT_DISABLE=NAME,NAME     do not load these plugins
  GRAFT_STRICT=1              a plugin with a problem is an error
  HF_HUB_OFFLINE=1            never contact the Hugging Face Hub

Each command has its own --help. Shell completion: eval "$(python -m core -sc install=bash)"
"""

EXIT_DEFECT = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

Command = Callable[[Sequence[str], "PresetFolders"], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code: 0 success, 1 defect, 2 bad input, 130 interrupted."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        return _dispatch(*_take_preset_folders(arguments))
    except GraftError as error:
        if debug:
            raise
        sys.stderr.write(error.report() + "\n")
        return EXIT_BAD_INPUT
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the output has exited
        return 0
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _dispatch(arguments: list[str], own_presets: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(HELP)
        return 0
    if arguments[0] in ("--version", "-V"):
        from core import __version__

        sys.stdout.write(f"graft {__version__}\n")
        return 0
    commands = _commands()
    if arguments[0] in commands:
        return commands[arguments[0]](arguments[1:], _folders(own_presets))
    if "=" in arguments[0] or arguments[0].startswith(("-", "~", "+")):
        return _train(arguments, _folders(own_presets))
    close = nearest(arguments[0], commands)
    hint = f"Did you mean {close!r}?" if close else "Arguments of a training run are key=value, such as task=sentiment."
    raise GraftError(f"there is no command {arguments[0]!r}. {hint} `python -m core --help` lists the commands.")


def _take_preset_folders(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return the arguments without `--config-dir DIR`, and every such DIR."""
    rest, others, folders = iter(arguments), [], []
    for argument in rest:
        flag, _, value = argument.partition("=")
        if flag in ("--config-dir", "-cd"):
            folders.append(value or next(rest, ""))
        else:
            others.append(argument)
    return others, folders


def _folders(own_presets: Sequence[str]) -> PresetFolders:
    from core.config.presets import PresetFolders

    return PresetFolders.named(own_presets)


def _commands() -> dict[str, Command]:
    """Return the commands by name; each imports its module when it is called."""

    def lazy(module: str, name: str) -> Command:
        def command(arguments: Sequence[str], folders: PresetFolders) -> int:
            from importlib import import_module

            implementation: Command = getattr(import_module(module), name)
            return implementation(arguments, folders)

        return command

    return {
        "list": lazy("core.cli.commands.list", "list_"),
        "show": lazy("core.cli.commands.show", "show"),
        "plugins": lazy("core.cli.commands.plugins", "plugins"),
        "check": lazy("core.cli.commands.check", "check"),
        "resume": lazy("core.cli.commands.resume", "resume"),
        "evaluate": lazy("core.cli.commands.evaluate", "evaluate_command"),
        "predict": lazy("core.cli.commands.predict", "predict_command"),
        "export": lazy("core.cli.commands.export", "export_command"),
    }


def _train(arguments: list[str], folders: PresetFolders) -> int:
    """Check the configuration, then let Hydra create the folder of each run, and train."""
    from core.config.compose import resolve
    from core.config.launch import launch

    overrides, flags = split_flags(arguments)
    if not any(flag.startswith(("-sc", "--shell", "--cfg", "-c", "--info")) for flag in flags):
        from core.config.validation import check

        several = any(flag in ("-m", "--multirun") for flag in flags)
        check(resolve(overrides, several, folders))
    outcome = _Outcome()
    launch(arguments, outcome.work, outcome.failed, folders)
    return outcome.code


class _Outcome:
    """The exit code of a run, or of all runs of a sweep."""

    def __init__(self) -> None:
        self.code = 0

    def work(self, config: RunConfig, folder: Path, choices: dict[str, str]) -> float:
        from core.runs.run import run

        return run(config, folder, choices=choices)

    def failed(self, error: Exception) -> None:
        self.code = max(self.code, print_failure(error))


def print_failure(error: Exception) -> int:
    """Print the error that ended a run, and return the exit code: 2 for bad input, 1 for a defect.

    Raises:
        SystemExit: The run was interrupted; a sweep starts no further runs.
    """
    if isinstance(error, GraftError):
        sys.stderr.write(error.report() + "\n")
        return EXIT_BAD_INPUT
    if isinstance(error, Interrupted):
        raise SystemExit(EXIT_INTERRUPTED) from error
    import traceback

    traceback.print_exception(error)
    sys.stderr.write("This is a defect in Graft or in a plugin; please report it with the lines above.\n")
    return EXIT_DEFECT


def split_flags(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the overrides, and the flags with their values."""
    overrides, flags, rest = [], [], iter(arguments)
    for argument in rest:
        if argument in ("--cfg", "-c", "--info", "-i", "--package", "-p", "--config-name", "-cn"):
            flags += [argument, next(rest, "")]
        elif argument.startswith("-"):
            flags.append(argument)
        else:
            overrides.append(argument)
    return overrides, flags
