"""Load an image classifier: pretrained, from scratch, or as saved by a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.contracts import LoadRequest, Provenance, epochs_for
from core.errors import Problem, WeightsError, nearest
from core.issues import DataIssue
from core.pretrained import FoundWeights, find_weights
from plugins.images import architecture as images_architecture
from plugins.images import input_size
from plugins.images.input_size import Size
from plugins.images.model import FeaturedImageModel, ImageModel
from plugins.images.options import TimmOptions

_EXAMPLES_SEEN = 8000


def load_image_model(options: TimmOptions, request: LoadRequest) -> ImageModel:
    """Return the classifier that `options` describe, with a head for the task."""
    if request.saved is not None:
        found = FoundWeights(request.saved, Provenance("pretrained", str(request.saved), str(request.saved)))
    else:
        asked = options.checkpoint or (f"timm/{options.variant}" if options.variant else "")
        found = find_weights(asked, options.init if asked else "scratch", options.sha256)
    if found.folder is None:
        return _from_scratch(options, request, found.provenance)
    return _pretrained(options, request, found.folder, found.provenance)


def _from_scratch(options: TimmOptions, request: LoadRequest, provenance: Provenance) -> ImageModel:
    architecture = options.scratch or options.variant.partition(".")[0]
    if not architecture:
        cure = "Set model.scratch=resnet18, or any other model name of timm."
        raise WeightsError(Problem("model.scratch", f"{provenance.note} The architecture is not known.", cure))
    _refuse_unknown(architecture)
    size = input_size.from_scratch(options, request)
    given = dict(options.scratch_args) if options.scratch else {}
    module, arguments = _create(architecture, request, size.side, _is_fixed(architecture), options, **given)
    preprocessing = _preprocessing(module) | {"crop_pct": 1.0, "crop_mode": "center"}
    count = f"{sum(p.numel() for p in module.parameters()) / 1e6:.1f}M parameters"
    note = f"{provenance.note} {architecture} ({count}) starts from random weights."
    epochs = epochs_for(options.scratch_steps * 32, len(request.train), 5, 100)
    defaults = {"epochs": epochs, "learning_rate": options.scratch_learning_rate}
    return _assemble(module, arguments, options, request, replace(provenance, note=note), size, preprocessing, defaults)


def _pretrained(options: TimmOptions, request: LoadRequest, folder: Path, provenance: Provenance) -> ImageModel:
    config = _config(folder)
    known = config.get("pretrained_cfg", config)
    architecture = str(config["architecture"])
    _refuse_unknown(architecture)
    fixed = bool(known.get("fixed_input_size", False))
    native = int(known.get("input_size", (3, 224, 224))[-1])
    size = Size(native) if request.saved is not None else input_size.pretrained(options, request, native, fixed)
    set_size = fixed and size.side != native
    module, given = _create(f"local-dir:{folder}", request, size.side, set_size, options, pretrained=True)
    arguments = dict(config.get("model_args") or {}) | given
    names = tuple(config.get("label_names") or known.get("label_names") or ())
    if request.saved is None and (not names or names != request.labels):
        _reset_head(module, request)
    epochs = epochs_for(_EXAMPLES_SEEN, len(request.train), 3, 20)
    defaults = {"epochs": epochs, "learning_rate": 2e-4}
    model = _assemble(module, arguments, options, request, provenance, size, _preprocessing(module), defaults)
    if request.saved is not None:  # otherwise the base's thresholds belong to another task
        model.thresholds = request.output.read_thresholds(config.get("graft", {}).get("thresholds"))
    return model


def _config(folder: Path) -> dict[str, Any]:
    """Return timm's `config.json`.

    Raises:
        WeightsError: There is none, or it belongs to another library.
    """
    path = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"{folder} has no readable config.json ({error}), so the architecture of its weights is unknown."
        raise WeightsError(Problem("model.checkpoint", message, "Pass a folder that timm saved.")) from error
    if not isinstance(config, dict) or "architecture" not in config:
        message = f"{path} does not name an architecture of timm"
        other = config.get("architectures") if isinstance(config, dict) else None
        hint = f"; it is a model of another library ({', '.join(other)})." if other else "."
        cure = "Use a checkpoint from huggingface.co/timm, or one that timm.models.save_for_hf wrote."
        raise WeightsError(Problem("model.checkpoint", message + hint, cure))
    return config


def _create(
    name: str, request: LoadRequest, side: int, set_size: bool, options: TimmOptions, **given: Any
) -> tuple[nn.Module, dict[str, Any]]:
    """Return timm's model with a seeded head for the task, and the arguments passed to its architecture.

    Raises:
        WeightsError: timm cannot build it, or the weights do not fit.
    """
    import timm
    from safetensors import SafetensorError

    given |= {"img_size": side} if set_size else {}
    given |= {"drop_rate": options.dropout} if options.dropout is not None else {}
    given |= {"drop_path_rate": options.drop_path} if options.drop_path is not None else {}
    try:
        with _seeded(request.seed), _missing_keys() as missing:
            module: nn.Module = timm.create_model(name, num_classes=request.output.width, **given)
    except (RuntimeError, TypeError, ValueError, AssertionError, KeyError, OSError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        what = name.removeprefix("local-dir:")
        shown = ", ".join(f"{key}={value}" for key, value in given.items() if key != "pretrained")
        message = f"timm cannot build {what}{f' with {shown}' if shown else ''}: {reason}"
        raise WeightsError(Problem("model", message, "Check model.variant, image_size and scratch_args.")) from error
    if given.get("pretrained"):
        _refuse_missing(module, missing, name.removeprefix("local-dir:"))
    return module, {key: value for key, value in given.items() if key != "pretrained"}


@contextmanager
def _missing_keys() -> Iterator[list[str]]:
    """Record the keys that a checkpoint lacks, which timm only logs when the number of classes differs.

    timm builds and loads in one call, so the hook is registered through timm's own loading function.
    """
    from timm.models import _builder

    missing: list[str] = []
    load_pretrained = _builder.load_pretrained

    def recording(model: nn.Module, *arguments: Any, **named: Any) -> None:
        hook = model.register_load_state_dict_post_hook(  # type: ignore[no-untyped-call]
            lambda _, keys: missing.extend(keys.missing_keys)
        )
        try:
            load_pretrained(model, *arguments, **named)
        finally:
            hook.remove()

    _builder.load_pretrained = recording
    try:
        yield missing
    finally:
        _builder.load_pretrained = load_pretrained


def _refuse_missing(module: nn.Module, missing: list[str], folder: str) -> None:
    """Refuse weights that lack parameters of the backbone.

    Raises:
        WeightsError: Parameters of the backbone are missing.
    """
    head = tuple(f"{each}." for each in images_architecture.heads(module))
    backbone = {name for name, _ in module.named_parameters() if not name.startswith(head)}
    lacking = [name for name in missing if name in backbone]
    if lacking:
        message = (
            f"{folder} does not contain the weights that its config.json describes: {len(lacking)} are missing, "
            f"such as {lacking[0]}."
        )
        raise WeightsError(Problem("model.checkpoint", message, "Check that both files belong to one model."))


def _reset_head(module: Any, request: LoadRequest) -> None:
    """Reinitialize the head: the one in the checkpoint was trained for other labels."""
    with _seeded(request.seed):
        module.reset_classifier(request.output.width)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _refuse_unknown(architecture: str) -> None:
    import timm

    if not timm.is_model(architecture):
        close = nearest(architecture, timm.list_models())
        hint = f"Did you mean {close!r}? " if close else ""
        cure = f"{hint}timm.list_models('resnet*') lists them."
        raise WeightsError(Problem("model.variant", f"timm has no model {architecture!r}.", cure))


def _is_fixed(architecture: str) -> bool:
    """Return whether the architecture has one fixed input size."""
    import timm

    found = timm.get_pretrained_cfg(architecture)
    return bool(found is not None and found.fixed_input_size)


def _preprocessing(module: nn.Module) -> dict[str, Any]:
    """Return timm's data configuration of a model: mean, std, interpolation, crop."""
    from timm.data import resolve_model_data_config

    found: dict[str, Any] = resolve_model_data_config(module)
    return found


def _fused(options: TimmOptions, request: LoadRequest) -> bool:
    """Return whether to fuse attention: not in bf16 on a CPU, where the fused kernel is slower."""
    if options.attention != "auto":
        return options.attention == "fused"
    return not (request.device == "cpu" and request.precision == "bf16")


def _assemble(
    module: Any,
    arguments: Mapping[str, Any],
    options: TimmOptions,
    request: LoadRequest,
    provenance: Provenance,
    size: Size,
    preprocessing: Mapping[str, Any],
    defaults: Mapping[str, float],
) -> ImageModel:
    images_architecture.fuse_attention(module, _fused(options, request))
    heads = images_architecture.heads(module)
    layers = images_architecture.layers(module, heads)
    module = module.to(request.device)
    apart = images_architecture.runs_separately(module, size.side, request.device)
    known: dict[str, Any] = {
        "heads": heads,
        "layers": layers,
        "adapter_targets": images_architecture.adapter_targets(module, layers, heads),
        "defaults": dict(defaults),
        "arguments": dict(arguments),
        "preprocessing": dict(preprocessing) | {"input_size": (3, size.side, size.side)},
    }
    kind = FeaturedImageModel if apart else ImageModel
    model = kind(module, options, request, provenance, **known)
    if size.reason:
        message = f"images are read at {size.side}×{size.side} pixels: {size.reason}; model.image_size changes it."
        model.findings.append(DataIssue("image_size", message, max(1, len(request.train)), level="info"))
    return model
