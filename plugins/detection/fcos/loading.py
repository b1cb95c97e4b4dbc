"""Load an FCOS detector from published weights, from a local file or folder, or from scratch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.contracts import LoadRequest, Provenance, epochs_for
from core.errors import Problem, WeightsError
from core.pretrained import sha256_of
from plugins.detection.defaults import side_for
from plugins.detection.fcos import network as parts
from plugins.detection.fcos import saving, torchvision_weights
from plugins.detection.fcos.model import FcosModel
from plugins.detection.fcos.network import FULL, LOGITS, FcosArchitecture
from plugins.detection.fcos.options import COCO, IMAGENET, LEAST_SIDE, FcosOptions
from plugins.detection.options import is_pickle
from plugins.detection.saving import WEIGHTS

BODY = "backbone.body."
"""Prefix of the names of the residual network's weights in a detector."""
_EXAMPLES_SEEN, _RATE = 16000, 2e-4
"""For a pretrained model: the number of training examples, repeats included, and the learning rate."""


@dataclass(frozen=True)
class BaseWeights:
    """The base weights.

    Attributes:
        architecture: The network's architecture.
        state: Weights by name, including those for other labels; empty from scratch.
        provenance: Where the weights came from.
    """

    architecture: FcosArchitecture
    state: Mapping[str, Any]
    provenance: Provenance


def load_fcos(options: FcosOptions, request: LoadRequest) -> FcosModel:
    """Return the detector that `options` describe, with a head for the labels."""
    if request.saved is not None:
        saved = saving.read(request.saved)
        provenance = Provenance("pretrained", str(request.saved), str(request.saved))
        base = BaseWeights(saved.architecture, saved.state, provenance)
        return _assembled(options, request, base, {}, saved.side, request.labels)
    if options.init == "scratch":
        return _from_scratch(options, request, "init=scratch was set.")
    asked = options.checkpoint or (COCO if options.variant == FULL.variant else IMAGENET)
    if asked in (COCO, IMAGENET):
        found = torchvision_weights.find(asked, options.variant, options.sha256)
        if found.path is None and options.init == "pretrained":
            raise WeightsError(Problem("model.checkpoint", found.why, found.cure))
        if found.path is None:
            return _from_scratch(options, request, found.why)
        return _pretrained(options, request, asked, found.path, found.source)
    path = Path(asked).expanduser()
    if path.is_dir():
        saved = saving.read(path)
        sha256 = sha256_of(path / WEIGHTS, options.sha256)
        base = BaseWeights(
            saved.architecture, saved.state, Provenance("pretrained", asked, str(path.resolve()), "", sha256)
        )
        return _assembled(options, request, base, _tuned(request), None, saved.labels)
    return _pretrained(options, request, asked, _file(path, asked), str(path.absolute()))


def _file(path: Path, asked: str) -> Path:
    if path.is_file() and is_pickle(path.name):
        return path
    what = (
        f"{path} is not a torchvision weights file."
        if path.is_file()
        else f"there is no file or folder {path.absolute()}."
    )
    cure = f"Use {COCO}, {IMAGENET}, a .pth file from torchvision, or the model/ folder of a run with this model."
    raise WeightsError(Problem("model.checkpoint", f"{asked!r}: {what}", cure))


def _tuned(request: LoadRequest) -> dict[str, float]:
    return {"epochs": epochs_for(_EXAMPLES_SEEN, len(request.train), 5, 100), "learning_rate": _RATE}


def _from_scratch(options: FcosOptions, request: LoadRequest, why: str) -> FcosModel:
    variant = options.scratch or options.variant
    small = FcosArchitecture(variant, options.channels or 96, options.convolutions or 2, False)
    provenance = Provenance("scratch", small.name, "its architecture", note=why)
    epochs = epochs_for(options.scratch_examples, len(request.train), 12, 300)
    defaults = {"epochs": epochs, "learning_rate": options.scratch_learning_rate}
    model = _assembled(options, request, BaseWeights(small, {}, provenance), defaults, None, ())
    count = f"{sum(p.numel() for p in model.module.parameters()) / 1e6:.1f}M parameters"
    note = f"{why} {small.name} ({count}) starts from random weights."
    model.provenance = replace(provenance, note=note)
    return model


def _pretrained(options: FcosOptions, request: LoadRequest, asked: str, path: Path, source: str) -> FcosModel:
    """Return a detector with weights from a torchvision file: a full detector's, or a residual network's."""
    sha256 = sha256_of(path, options.sha256)
    state = torchvision_weights.read(path)
    architecture = FULL
    if not any(name.startswith(BODY) for name in state):
        state = {BODY + name: value for name, value in state.items() if not name.startswith("fc.")}
        channels, convolutions = options.channels or FULL.channels, options.convolutions or FULL.convolutions
        architecture = FcosArchitecture(options.variant, channels, convolutions, frozen_norms=True)
    base = BaseWeights(architecture, state, Provenance("pretrained", asked, source, "", sha256))
    return _assembled(options, request, base, _tuned(request), None, None)


def _assembled(
    options: FcosOptions,
    request: LoadRequest,
    base: BaseWeights,
    defaults: Mapping[str, float],
    side: int | None,
    labels: tuple[str, ...] | None,
) -> FcosModel:
    """Build the network, load its weights, and return the model.

    Args:
        options: The component.
        request: The load request.
        base: The base weights.
        defaults: Options of `train` that suit the model.
        side: Side of the squares in pixels; None chooses it from options and images.
        labels: The labels that the base weights predict; None if unknown.
    """
    limits = {
        "score_thresh": options.score_threshold,
        "nms_thresh": options.nms_threshold,
        "detections_per_img": options.max_detections,
    }
    detector = parts.build(base.architecture, len(request.labels), request.seed, **limits)
    if base.state:
        _refuse_other_sizes(options, base)
        kept = base.state if labels == request.labels else _without_logits(base.state)
        _fill(detector, kept, base)
    side, findings = (side, []) if side is not None else side_for(options.image_size, request.train, LEAST_SIDE)
    model = FcosModel(detector.to(request.device), base.architecture, options, request, base.provenance, defaults, side)
    model.findings += findings
    return model


def _refuse_other_sizes(options: FcosOptions, base: BaseWeights) -> None:
    """Refuse configured sizes that differ from those of the weights, instead of ignoring them.

    Raises:
        WeightsError: They differ.
    """
    for name in ("channels", "convolutions"):
        asked, has = getattr(options, name), getattr(base.architecture, name)
        if asked not in (None, has):
            message = f"is {asked}, but the weights of {base.provenance.source} have {has}."
            cure = f"Leave it out, or use model.checkpoint={IMAGENET} or model.init=scratch."
            raise WeightsError(Problem(f"model.{name}", message, cure))


def _without_logits(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weights without those that predict labels, which belong to other labels."""
    return {name: value for name, value in state.items() if not name.startswith(LOGITS)}


def _fill(detector: Any, state: Mapping[str, Any], base: BaseWeights) -> None:
    """Load weights into a network. Only complete parts may be missing; they keep their random weights.

    Raises:
        WeightsError: The weights belong to another architecture.
    """
    own = detector.state_dict()
    strange = sorted(set(state) - set(own) - {name for name in state if name.endswith("num_batches_tracked")})
    other = sorted(name for name in set(state) & set(own) if state[name].shape != own[name].shape)
    lacking = sorted(
        name for name in set(own) - set(state) if name.startswith(BODY) and not name.endswith("num_batches_tracked")
    )
    if odd := strange or other or lacking:
        what = "unknown" if strange else "of another shape" if other else "missing"
        message = f"the weights of {base.provenance.source} do not fit {base.architecture.name}: "
        message += f"{', '.join(odd[:3])}{' …' if len(odd) > 3 else ''} {'is' if len(odd) == 1 else 'are'} {what}."
        cure = "Set model.variant to the residual network of these weights."
        raise WeightsError(Problem("model.checkpoint", message, cure))
    detector.load_state_dict(state, strict=False)
