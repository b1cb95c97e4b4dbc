"""Checkpoints: written atomically and hashed, so that an interrupted run resumes from a whole one."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.errors import Problem, RunError
from core.files import new_file

KEEP = 2
"""Checkpoints kept: the newest, and the one before in case the newest is damaged."""


_SMALL = 256
"""Largest tensor, in numbers, that is always copied in case it shares its memory."""


def flatten(state: Any, tensors: dict[str, Tensor], prefix: str = "") -> Any:
    """Move the tensors of a nested state into `tensors`; returns the rest, as JSON values that name them."""
    if isinstance(state, Tensor):
        held = state.detach().cpu().contiguous()
        # An optimizer may share one small table among all parameters, and safetensors refuses shared memory.
        tensors[prefix] = held.clone() if held.numel() <= _SMALL else held
        return {"__tensor__": prefix}
    if isinstance(state, dict):
        pairs = [[key, flatten(value, tensors, f"{prefix}/{key}")] for key, value in state.items()]
        return {"__dict__": pairs}
    if isinstance(state, list | tuple):
        return [flatten(value, tensors, f"{prefix}/{index}") for index, value in enumerate(state)]
    return state


def unflatten(state: Any, tensors: dict[str, Tensor]) -> Any:
    """Invert `flatten`; tuples come back as lists."""
    if isinstance(state, dict) and "__tensor__" in state:
        return tensors[state["__tensor__"]]
    if isinstance(state, dict):
        return {key: unflatten(value, tensors) for key, value in state["__dict__"]}
    if isinstance(state, list):
        return [unflatten(value, tensors) for value in state]
    return state


@dataclass
class Checkpoints:
    """The checkpoints of one run, in its folder `checkpoints/`.

    Each is one file, `step-00000123.safetensors`, beside its `.json` with the state's plain values and the file's hash.
    The best weights so far are in a separate file, which the checkpoint names.
    """

    directory: Path

    def save(self, step: int, state: dict[str, Any], best: str = "") -> None:
        """Write a checkpoint, then remove all but the last two.

        Args:
            step: Optimizer steps done.
            state: Nested dictionaries and lists of tensors and JSON values.
            best: What `save_best` returned for the best weights so far, or empty.

        Raises:
            RunError: The disk is full or read-only; earlier checkpoints are intact.
        """
        tensors: dict[str, Tensor] = {}
        plain = flatten(state, tensors)
        path = self.directory / f"step-{step:08d}.safetensors"
        digest = self._write_tensors(path, tensors)
        manifest = {"step": step, "sha256": digest, "state": plain, "best": best}
        self._write_text(path.with_suffix(".json"), json.dumps(manifest | {"manifest_sha256": _own_hash(manifest)}))
        self._prune()

    def save_best(self, step: int, weights: dict[str, Tensor]) -> str:
        """Write the best weights so far; returns the file's name and hash, for the checkpoint's state."""
        path = self.directory / f"best-{step:08d}.safetensors"
        digest = self._write_tensors(
            path, {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}
        )
        return f"{path.name}:{digest}"

    def load_best(self, reference: str) -> dict[str, Tensor]:
        """Load the weights that `save_best` wrote.

        Raises:
            RunError: The file is missing or damaged.
        """
        name = reference.partition(":")[0]
        if not self._best_is_whole(reference):
            raise RunError(
                Problem(str(self.directory / name), "the best weights are missing or torn.", "Start the run anew.")
            )
        weights: dict[str, Tensor] = load_file(self.directory / name)
        return weights

    def latest(self) -> tuple[int, dict[str, Any]] | None:
        """Return step and state of the newest whole checkpoint, or None; damaged ones are skipped."""
        for manifest_path in sorted(self.directory.glob("step-*.json"), reverse=True):
            path = manifest_path.with_suffix(".safetensors")
            manifest = _manifest(manifest_path)
            if manifest and _whole(path, manifest["sha256"]) and self._best_is_whole(manifest["best"]):
                return manifest["step"], unflatten(manifest["state"], load_file(path))
        return None

    def _best_is_whole(self, reference: str) -> bool:
        name, _, digest = reference.partition(":")
        return not reference or _whole(self.directory / name, digest)

    def remove(self) -> None:
        """Delete all checkpoints, once the run is complete."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _write_tensors(self, path: Path, tensors: dict[str, Tensor]) -> str:
        """Write a safetensors file; returns its hash."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with new_file(path) as aside:
                save_file(tensors, aside)
                digest = _sha256(aside)
        except (OSError, SafetensorError) as error:  # safetensors has its own error for a full disk
            raise _unwritable(path, error) from error
        return digest

    def _write_text(self, path: Path, text: str) -> None:
        try:
            with new_file(path) as aside:
                aside.write_text(text, encoding="utf-8")
        except OSError as error:
            raise _unwritable(path, error) from error

    def _prune(self) -> None:
        manifests = sorted(self.directory.glob("step-*.json"))
        for stale in manifests[:-KEEP]:
            stale.unlink()
            stale.with_suffix(".safetensors").unlink(missing_ok=True)
        for orphan in self.directory.glob("step-*.safetensors"):  # its manifest was never written
            if not orphan.with_suffix(".json").exists():
                orphan.unlink()
        named = "".join(manifest.read_text(encoding="utf-8") for manifest in manifests[-KEEP:])
        for best in self.directory.glob("best-*.safetensors"):
            if best.name not in named:
                best.unlink()


def _own_hash(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest).encode()).hexdigest()


def _manifest(path: Path) -> dict[str, Any] | None:
    """Return what a checkpoint's `.json` holds, or None where it is damaged."""
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        claimed = manifest.pop("manifest_sha256")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return manifest if claimed == _own_hash(manifest) else None


def _whole(path: Path, digest: str) -> bool:
    return path.is_file() and _sha256(path) == digest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unwritable(path: Path, error: BaseException) -> RunError:
    cure = "Free some space, then `python -m core resume RUN` goes on from the last whole checkpoint."
    return RunError(Problem(str(path), f"the checkpoint cannot be written: {error}.", cure))
