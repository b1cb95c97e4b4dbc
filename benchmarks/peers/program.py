"""A peer that is a program of ours around another library: one file tells it what to do, it leaves another.

Its module does the work when it is run: `python -m benchmarks.peers.trainer FOLDER`, with `work.json` in the folder.
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
        name: For files and tables.
        summary: What is particular about it.
        module: Does the work.
        settings: JSON values that the module understands; they go into the record.
    """

    name: str
    summary: str
    module: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def command(self, overrides: Sequence[str], folder: Path) -> list[str]:
        """The module, told what to do by a file."""
        work = {"overrides": list(overrides), "settings": dict(self.settings)}
        (folder / WORK).write_text(json.dumps(work), encoding="utf-8")
        return [sys.executable, "-m", self.module, str(folder)]

    def result(self, folder: Path) -> Result:
        """What the process wrote."""
        return Result(**json.loads((folder / RESULT).read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Asked:
    """What such a program is asked to do.

    Attributes:
        config: As Graft composes it from the same words.
        splits: The examples that Graft trains, validates and tests on.
        settings: The peer's.
        folder: Its own, to write into.
    """

    config: RunConfig
    splits: Splits
    settings: Mapping[str, Any]
    folder: Path

    @classmethod
    def read(cls, folder: Path) -> Asked:
        """What `work.json` says, with the data read by Graft's own adapter."""
        from core.config import resolve

        told = json.loads((folder / WORK).read_text(encoding="utf-8"))
        config = resolve(told["overrides"])
        return cls(config, config.data.load(config.task, config.seed), told["settings"], folder)


def main(work: Callable[[Asked], Result]) -> None:
    """Do the work of the folder that is named on the command line."""
    folder = Path(sys.argv[1])
    result = work(Asked.read(folder))
    (folder / RESULT).write_text(json.dumps(asdict(result)), encoding="utf-8")


def device() -> str:
    """The device on which other libraries compute: `cuda` where there is a GPU, else `cpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def counted(module: Any) -> dict[str, int]:
    """Numbers of parameters, as the record names them: all, and those that train."""
    parameters = list(module.parameters())
    trainable = sum(each.numel() for each in parameters if each.requires_grad)
    return {"total": sum(each.numel() for each in parameters), "trainable": trainable}
