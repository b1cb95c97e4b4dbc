"""Checkpoints: written atomically and hashed, so that an interrupted run resumes from an intact one."""

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
"""Number of checkpoints to keep: the newest, and the one before in case the newest is damaged."""

_SMALL = 256
"""Largest number of elements of a tensor that is always copied, in case it shares its memory."""


def flatten(state: Any, tensors: dict[str, Tensor], prefix: str = "") -> Any:
    """Move the tensors of a nested state into `tensors`, and return the rest as JSON values that name them."""
    if isinstance(state, Tensor):
        tensor = state.detach().cpu().contiguous()
        # An optimizer may share one small tensor among all parameters, and safetensors refuses shared memory.
        tensors[prefix] = tensor.clone() if tensor.numel() <= _SMALL else tensor
        return {"__tensor__": prefix}
    if isinstance(state, dict):
        pairs = [[key, flatten(value, tensors, f"{prefix}/{key}")] for key, value in state.items()]
        return {"__dict__": pairs}
    if isinstance(state, list | tuple):
        return [flatten(value, tensors, f"{prefix}/{index}") for index, value in enumerate(state)]
    return state


def unflatten(state: Any, tensors: dict[str, Tensor]) -> Any:
    """Return the nested state that `flatten` took apart; tuples become lists."""
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

    A checkpoint is a file `step-00000123.safetensors` with a manifest beside it. The manifest, a `.json`, has the plain
    values of the state and the hash of the file. The best weights so far are in a separate file, which the manifest
    names.

    Attributes:
        directory: The folder.
    """

    directory: Path

    def save(self, step: int, state: dict[str, Any], best: str = "") -> None:
        """Write a checkpoint, then remove all but the last two.

        Args:
            step: Optimizer steps done.
            state: Nested dictionaries and lists of tensors and JSON values.
            best: The result of `save_best` for the best weights so far, or empty.

        Raises:
            RunError: The disk is full or read-only. Earlier checkpoints stay intact.
        """
        tensors: dict[str, Tensor] = {}
        plain = flatten(state, tensors)
        path = self.directory / f"step-{step:08d}.safetensors"
        digest = self._write_tensors(path, tensors)
        manifest = {"step": step, "sha256": digest, "state": plain, "best": best}
        manifest |= {"manifest_sha256": _manifest_hash(manifest)}
        self._write_text(path.with_suffix(".json"), json.dumps(manifest))
        self._prune()

    def save_best(self, step: int, weights: dict[str, Tensor]) -> str:
        """Write the best weights so far, and return the file's name and hash for the checkpoint."""
        path = self.directory / f"best-{step:08d}.safetensors"
        digest = self._write_tensors(
            path, {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}
        )
        return f"{path.name}:{digest}"

    def load_best(self, reference: str) -> dict[str, Tensor]:
        """Return the weights that `save_best` wrote.

        Args:
            reference: The result of `save_best`.

        Raises:
            RunError: The file is missing or damaged.
        """
        name = reference.partition(":")[0]
        if not self._best_is_intact(reference):
            raise RunError(
                Problem(str(self.directory / name), "the best weights are missing or damaged.", "Start a new run.")
            )
        weights: dict[str, Tensor] = load_file(self.directory / name)
        return weights

    def latest(self) -> tuple[int, dict[str, Any]] | None:
        """Return the step and the state of the newest intact checkpoint, or None; damaged ones are skipped."""
        for manifest_path in sorted(self.directory.glob("step-*.json"), reverse=True):
            path = manifest_path.with_suffix(".safetensors")
            manifest = _read_manifest(manifest_path)
            if manifest and _is_intact(path, manifest["sha256"]) and self._best_is_intact(manifest["best"]):
                return manifest["step"], unflatten(manifest["state"], load_file(path))
        return None

    def _best_is_intact(self, reference: str) -> bool:
        name, _, digest = reference.partition(":")
        return not reference or _is_intact(self.directory / name, digest)

    def remove(self) -> None:
        """Delete all checkpoints, after the run is complete."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _write_tensors(self, path: Path, tensors: dict[str, Tensor]) -> str:
        """Write a safetensors file, and return its hash."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with new_file(path) as aside:
                save_file(tensors, aside)
                digest = _sha256(aside)
        except (OSError, SafetensorError) as error:  # safetensors raises its own error if the disk is full
            raise _unwritable(path, error) from error
        return digest

    def _write_text(self, path: Path, text: str) -> None:
        try:
            with new_file(path) as aside:
                aside.write_text(text, encoding="utf-8")
        except OSError as error:
            raise _unwritable(path, error) from error

    def _prune(self) -> None:
        """Delete all but the newest checkpoints, files without a manifest, and best weights that no manifest names."""
        manifests = sorted(self.directory.glob("step-*.json"))
        for stale in manifests[:-KEEP]:
            stale.unlink()
            stale.with_suffix(".safetensors").unlink(missing_ok=True)
        for orphan in self.directory.glob("step-*.safetensors"):  # interrupted before its manifest was written
            if not orphan.with_suffix(".json").exists():
                orphan.unlink()
        named = "".join(manifest.read_text(encoding="utf-8") for manifest in manifests[-KEEP:])
        for best in self.directory.glob("best-*.safetensors"):
            if best.name not in named:
                best.unlink()


def _manifest_hash(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest).encode()).hexdigest()


def _read_manifest(path: Path) -> dict[str, Any] | None:
    """Return the values of a checkpoint's manifest, or None if it is damaged."""
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        claimed = manifest.pop("manifest_sha256")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return manifest if claimed == _manifest_hash(manifest) else None


def _is_intact(path: Path, digest: str) -> bool:
    return path.is_file() and _sha256(path) == digest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unwritable(path: Path, error: BaseException) -> RunError:
    cure = "Free some space, then resume from the last intact checkpoint with `python -m core resume RUN`."
    return RunError(Problem(str(path), f"the checkpoint cannot be written: {error}.", cure))
