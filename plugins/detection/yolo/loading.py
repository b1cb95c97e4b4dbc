"""Load a YOLO detector from scratch, from a local checkpoint, or as saved by a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.contracts import LoadRequest, Provenance, epochs_for
from core.errors import Problem, WeightsError
from core.pretrained import sha256_of
from plugins.detection.defaults import side_for
from plugins.detection.options import is_pickle
from plugins.detection.saving import WEIGHTS
from plugins.detection.yolo import network as parts
from plugins.detection.yolo import saving
from plugins.detection.yolo.model import YoloModel
from plugins.detection.yolo.network import YoloArchitecture
from plugins.detection.yolo.options import YoloOptions, untrusted
from plugins.detection.yolo.ultralytics import library

_EXAMPLES_SEEN, _RATE = 16000, 5e-4
"""For a pretrained model: the number of training examples, repeats included, and the learning rate."""


def load_yolo(options: YoloOptions, request: LoadRequest) -> YoloModel:
    """Return the detector that `options` describe, with a head for the labels."""
    if request.saved is not None:
        return _reopened(options, request, request.saved)
    if options.checkpoint and options.init != "scratch":
        return _pretrained(options, request)
    if options.init == "pretrained":
        cure = "Set model.checkpoint, or model.init=scratch."
        raise WeightsError(Problem("model.checkpoint", "is empty, but model.init=pretrained needs it.", cure))
    return _from_scratch(options, request)


def _reopened(options: YoloOptions, request: LoadRequest, folder: Path) -> YoloModel:
    saved = saving.read(folder)
    network = parts.build(saved.architecture, request.labels, seed=0)
    _fill(network, saved.state, folder)
    provenance = Provenance("pretrained", str(folder), str(folder))
    return YoloModel(network.to(request.device), saved.architecture, options, request, provenance, {}, saved.side)


def _fill(network: Any, state: Mapping[str, Any], folder: Path) -> None:
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        message = f"the weights in {folder} do not fit the architecture beside them: {reason}"
        raise WeightsError(Problem("model.checkpoint", message, "Check that all files belong to one model.")) from error


def _from_scratch(options: YoloOptions, request: LoadRequest) -> YoloModel:
    n = len(request.labels)
    architecture = parts.architecture_for(options.version, options.size, options.depth, options.width, n)
    architecture = architecture.with_heads(options.one_to_one)
    network = parts.build(architecture, request.labels, request.seed)
    count = f"{sum(p.numel() for p in network.parameters()) / 1e6:.1f}M parameters"
    why = (
        "init=scratch was set."
        if options.init == "scratch"
        else "model.checkpoint is empty, and Graft does not download Ultralytics' weights, which are pickles; "
        f"model.checkpoint={architecture.name}.pt model.trust=true uses your own file."
    )
    note = f"{why} {architecture.name} ({count}) starts from random weights."
    provenance = Provenance("scratch", architecture.name, "its architecture's YAML", note=note)
    epochs = epochs_for(options.scratch_examples, len(request.train), 12, 300)
    defaults = {"epochs": epochs, "learning_rate": options.scratch_learning_rate}
    return _assembled(network, architecture, options, request, provenance, defaults)


def _pretrained(options: YoloOptions, request: LoadRequest) -> YoloModel:
    path = Path(options.checkpoint).expanduser()
    if path.is_dir():
        saved = saving.read(path)
        sha256 = sha256_of(path / WEIGHTS, options.sha256)
        base = parts.build(saved.architecture, saved.labels, seed=0)
        _fill(base, saved.state, path)
        architecture = saved.architecture
    else:
        sha256 = _hash_of_pickle(path, options)
        base = _unpickled(path)
        architecture = YoloArchitecture(_plain(base.yaml) | {"graft_name": path.stem}, int(base.yaml["nc"]))
    architecture = architecture.with_heads(options.one_to_one)
    network = parts.build(architecture, request.labels, request.seed)
    network.load(base, verbose=False)
    provenance = Provenance("pretrained", options.checkpoint, str(path.absolute()), sha256=sha256)
    epochs = epochs_for(_EXAMPLES_SEEN, len(request.train), 5, 100)
    return _assembled(network, architecture, options, request, provenance, {"epochs": epochs, "learning_rate": _RATE})


def _hash_of_pickle(path: Path, options: YoloOptions) -> str:
    """Return the hash of a trusted `.pt` file.

    Raises:
        WeightsError: The file does not exist, is not trusted, or does not have the required hash.
    """
    if not path.is_file():
        message = f"there is no file or folder {options.checkpoint!r} (looked for {path.absolute()})"
        cure = "Pass the path of your own .pt file, or leave model.checkpoint out to train from scratch."
        raise WeightsError(Problem("model.checkpoint", f"{message}, and Graft does not download it.", cure))
    if not is_pickle(path.name):
        cure = "Pass a .pt file from Ultralytics, or the model/ folder of a run of Graft."
        raise WeightsError(Problem("model.checkpoint", f"{path} is not a YOLO checkpoint.", cure))
    if not options.trust:
        raise WeightsError(untrusted(options.checkpoint))
    return sha256_of(path, options.sha256)


def _unpickled(path: Path) -> Any:
    """Return the network in a `.pt` file, in float32.

    Raises:
        WeightsError: It contains no detector that this version of Ultralytics can read.
    """
    tasks = library().tasks
    try:
        network, _ = tasks.load_checkpoint(str(path))
    except Exception as error:  # unpickling can raise any error
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        message = f"Ultralytics {library().version} cannot read {path}: {reason}"
        raise WeightsError(Problem("model.checkpoint", message, "Check that the file is complete.")) from error
    if type(network) is not tasks.DetectionModel:
        message = f"{path} contains a {type(network).__name__}, not a detector of boxes."
        raise WeightsError(Problem("model.checkpoint", message, "Use a file such as yolo26n.pt."))
    if network.is_fused():
        cure = "Use the file as its training wrote it."
        raise WeightsError(Problem("model.checkpoint", f"{path} is fused for inference and cannot be trained.", cure))
    return network


def _plain(values: Any) -> Any:
    """Return nested values with only plain dictionaries and lists, for YAML."""
    if isinstance(values, Mapping):
        return {key: _plain(value) for key, value in values.items()}
    return [_plain(each) for each in values] if isinstance(values, list | tuple) else values


def _assembled(
    network: Any,
    architecture: YoloArchitecture,
    options: YoloOptions,
    request: LoadRequest,
    provenance: Provenance,
    defaults: Mapping[str, float],
) -> YoloModel:
    side, findings = side_for(options.image_size, request.train)
    model = YoloModel(network.to(request.device), architecture, options, request, provenance, defaults, side)
    model.findings += findings
    return model
