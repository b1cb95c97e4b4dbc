"""A peer that wraps another library in a program: it reads the work from one file and writes its result to another.

Running its module does the work: `python -m benchmarks.peers.trainer FOLDER`, with `work.json` in the folder.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers.measure import Result

if TYPE_CHECKING:
    from core.contracts import RunConfig, Splits

WORK, RESULT = "work.json", "result.json"


@dataclass(frozen=True)
class Program:
    """A module with given settings.

    Attributes:
        name: Its name in files and tables.
        summary: How it differs from other peers.
        module: The module that does the work.
        settings: The module's settings as JSON values; they are recorded.
    """

    name: str
    summary: str
    module: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def command(self, overrides: Sequence[str], folder: Path) -> list[str]:
        """Write the work into `folder`, and return the command that does it."""
        work = {"overrides": list(overrides), "settings": dict(self.settings)}
        (folder / WORK).write_text(json.dumps(work), encoding="utf-8")
        return [sys.executable, "-m", self.module, str(folder)]

    def result(self, folder: Path) -> Result:
        """Return the result that the process wrote."""
        return Result(**json.loads((folder / RESULT).read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Asked:
    """The work of such a program.

    Attributes:
        config: Graft's configuration of the same work.
        splits: The examples that Graft trains, validates and tests on.
        settings: The peer's settings.
        folder: The folder to write into.
    """

    config: RunConfig
    splits: Splits
    settings: Mapping[str, Any]
    folder: Path

    @classmethod
    def read(cls, folder: Path) -> Asked:
        """Return the work in `work.json`, with the data read by Graft's adapter."""
        from core.config import resolve

        stated = json.loads((folder / WORK).read_text(encoding="utf-8"))
        config = resolve(stated["overrides"])
        return cls(config, config.data.load(config.task, config.seed), stated["settings"], folder)


def main(work: Callable[[Asked], Result]) -> None:
    """Do the work in the folder named on the command line."""
    folder = Path(sys.argv[1])
    result = work(Asked.read(folder))
    (folder / RESULT).write_text(json.dumps(asdict(result)), encoding="utf-8")


def device() -> str:
    """Return the device for other libraries: `cuda` if there is a GPU, else `cpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def counted(module: Any) -> dict[str, int]:
    """Return the numbers of all and of trainable parameters, by their names in the record."""
    parameters = list(module.parameters())
    trainable = sum(each.numel() for each in parameters if each.requires_grad)
    return {"total": sum(each.numel() for each in parameters), "trainable": trainable}
