"""The command line: a thin front that imports what a command needs when it is asked for, and nothing before."""

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
Graft fine-tunes a pretrained model on your labelled data.

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
  predict RUN [INPUT …]       predict for texts, images, --file or stdin       --format jsonl|csv --with RUN
  export RUN                  merge the adapter and write full weights         --out DIR --json

Options:  --config-dir DIR (your own presets)   --debug (show tracebacks)   --version   -h, --help

Environment variables:
  GRAFT_CACHE=DIR             folder of Graft's cache
  GRAFT_PLUGINS=FILE,MODULE   load plugins that are not installed
  GRAFT_DISABLE=NAME,NAME     do not load these plugins
  GRAFT_STRICT=1              a broken plugin is an error
  HF_HUB_OFFLINE=1            never contact the Hugging Face Hub

Each command has its own --help. Shell completion: eval "$(python -m core -sc install=bash)"
"""

EXIT_DEFECT = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

Command = Callable[[Sequence[str], "PresetFolders"], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code (0 well, 2 bad input, 130 interrupted)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        return _dispatch(*_take_presets(words))
    except GraftError as error:
        if debug:
            raise
        sys.stderr.write(error.report() + "\n")
        return EXIT_BAD_INPUT
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone; nothing to say
        return 0
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _dispatch(words: list[str], own_presets: Sequence[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write(HELP)
        return 0
    if words[0] in ("--version", "-V"):
        from core import __version__

        sys.stdout.write(f"graft {__version__}\n")
        return 0
    commands = _commands()
    if words[0] in commands:
        return commands[words[0]](words[1:], _folders(own_presets))
    if "=" in words[0] or words[0].startswith(("-", "~", "+")):
        return _train(words, _folders(own_presets))
    close = nearest(words[0], commands)
    hint = f"Did you mean {close!r}?" if close else "A training run is made of key=value, such as task=sentiment."
    raise GraftError(f"there is no command {words[0]!r}. {hint} `python -m core --help` shows all.")


def _take_presets(words: list[str]) -> tuple[list[str], list[str]]:
    """Return the words without `--config-dir DIR`, and every such DIR."""
    rest, left, folders = iter(words), [], []
    for word in rest:
        flag, _, value = word.partition("=")
        if flag in ("--config-dir", "-cd"):
            folders.append(value or next(rest, ""))
        else:
            left.append(word)
    return left, folders


def _folders(own_presets: Sequence[str]) -> PresetFolders:
    from core.config.presets import PresetFolders

    return PresetFolders.named(own_presets)


def _commands() -> dict[str, Command]:
    def lazily(module: str, name: str) -> Command:
        def command(words: Sequence[str], folders: PresetFolders) -> int:
            from importlib import import_module

            chosen: Command = getattr(import_module(module), name)
            return chosen(words, folders)

        return command

    return {
        "list": lazily("core.cli.commands.list", "list_"),
        "show": lazily("core.cli.commands.show", "show"),
        "plugins": lazily("core.cli.commands.plugins", "plugins"),
        "check": lazily("core.cli.commands.check", "check"),
        "resume": lazily("core.cli.commands.resume", "resume"),
        "evaluate": lazily("core.cli.commands.evaluate", "evaluate_command"),
        "predict": lazily("core.cli.commands.predict", "predict_command"),
        "export": lazily("core.cli.commands.export", "export_command"),
    }


def _train(words: list[str], folders: PresetFolders) -> int:
    """Check first, then let Hydra make the folder (or folders) and train."""
    from core.config import compose

    overrides, flags = split_flags(words)
    if not any(flag.startswith(("-sc", "--shell", "--cfg", "-c", "--info")) for flag in flags):
        from core.config.validation import check

        several = any(flag in ("-m", "--multirun") for flag in flags)
        check(compose.resolve(overrides, several, folders))
    outcome = _Outcome()
    compose.launch(words, outcome.work, outcome.failed, folders)
    return outcome.code


class _Outcome:
    """What became of a run, or of the members of a sweep."""

    def __init__(self) -> None:
        self.code = 0

    def work(self, config: RunConfig, folder: Path, choices: dict[str, str]) -> float:
        from core.runs.run import run

        return run(config, folder, choices=choices)

    def failed(self, error: Exception) -> None:
        self.code = max(self.code, say_failure(error))


def say_failure(error: Exception) -> int:
    """Tell a person what ended a run; returns the exit code that goes with it: 2 for bad input, 1 for a defect.

    Raises:
        SystemExit: The run was interrupted: the other members of a sweep are not begun.
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


def split_flags(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Overrides, and the flags of Hydra's own with their values."""
    overrides, flags, rest = [], [], iter(words)
    for word in rest:
        if word in ("--cfg", "-c", "--info", "-i", "--package", "-p", "--config-name", "-cn"):
            flags += [word, next(rest, "")]
        elif word.startswith("-"):
            flags.append(word)
        else:
            overrides.append(word)
    return overrides, flags
