"""From a preset to an image classifier: pretrained, from scratch, or as a run has saved it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from core.contracts import Finding, Need, Provenance
from core.errors import ConfigError, Problem, WeightsError, nearest
from core.weights import Found, find
from plugins.images.classifier import FeaturedImageModel, ImageModel
from plugins.images.pictures import size_of

if TYPE_CHECKING:
    from plugins.images.plugin import Timm

SMALL, STEP, SMALLEST_PRETRAINED = 64, 32, 128
"""Images up to 64 pixels are small; a model from scratch reads multiples of 32; a pretrained one at least 128."""
LARGEST_FROM_SCRATCH = 128
_SAMPLED = 256
_EXAMPLES_SEEN = 8000


@dataclass(frozen=True)
class Size:
    """The input size of a model, and why it is that: `side` in pixels."""

    side: int
    reason: str = ""


def load(options: Timm, need: Need) -> ImageModel:
    """The classifier that `options` describe, with a head for what is needed."""
    if need.saved is not None:
        found = Found(need.saved, Provenance("pretrained", str(need.saved), str(need.saved)))
    else:
        asked = options.checkpoint or (f"timm/{options.variant}" if options.variant else "")
        found = find(asked, options.init if asked else "scratch", options.sha256)
    if found.folder is None:
        return _from_scratch(options, need, found.provenance)
    return _pretrained(options, need, found.folder, found.provenance)


def _from_scratch(options: Timm, need: Need, provenance: Provenance) -> ImageModel:
    architecture = options.scratch or options.variant.partition(".")[0]
    if not architecture:
        cure = "model.scratch=resnet18, or any other name of timm's."
        raise WeightsError(Problem("model.scratch", f"{provenance.note} The architecture is not known.", cure))
    _refuse_unknown(architecture)
    size = _size_from_scratch(options, need)
    given = dict(options.scratch_args) if options.scratch else {}
    module, arguments = _create(architecture, need, size.side, _is_fixed(architecture), options, **given)
    preprocessing = _preprocessing(module) | {"crop_pct": 1.0, "crop_mode": "center"}
    count = f"{sum(p.numel() for p in module.parameters()) / 1e6:.1f}M parameters"
    note = f"{provenance.note} {architecture} ({count}) starts from random weights."
    epochs = _epochs(options.scratch_steps * 32, len(need.train), 5, 100)
    defaults = {"epochs": epochs, "learning_rate": options.scratch_learning_rate}
    return _assemble(module, arguments, options, need, replace(provenance, note=note), size, preprocessing, defaults)


def _pretrained(options: Timm, need: Need, folder: Path, provenance: Provenance) -> ImageModel:
    config = _config(folder)
    known = config.get("pretrained_cfg", config)
    architecture = str(config["architecture"])
    _refuse_unknown(architecture)
    fixed = bool(known.get("fixed_input_size", False))
    native = int(known.get("input_size", (3, 224, 224))[-1])
    size = Size(native) if need.saved is not None else _size_pretrained(options, need, native, fixed)
    set_size = fixed and size.side != native
    module, given = _create(f"local-dir:{folder}", need, size.side, set_size, options, pretrained=True)
    arguments = dict(config.get("model_args") or {}) | given
    names = tuple(config.get("label_names") or known.get("label_names") or ())
    if need.saved is None and names != need.labels:
        _renew_head(module, need)
    epochs = _epochs(_EXAMPLES_SEEN, len(need.train), 3, 20)
    defaults = {"epochs": epochs, "learning_rate": 2e-4}
    return _assemble(module, arguments, options, need, provenance, size, _preprocessing(module), defaults)


def _config(folder: Path) -> dict[str, Any]:
    """timm's `config.json`.

    Raises:
        WeightsError: There is none, or it is another library's.
    """
    path = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"{folder} holds no config.json that can be read ({error}), so it is not known what its weights are."
        raise WeightsError(Problem("model.checkpoint", message, "Pass a folder as timm saves it.")) from error
    if not isinstance(config, dict) or "architecture" not in config:
        message = f"{path} names no architecture of timm's"
        other = config.get("architectures") if isinstance(config, dict) else None
        hint = f"; it is a model of another library ({', '.join(other)})." if other else "."
        cure = "Give a checkpoint from huggingface.co/timm, or one that timm.models.save_for_hf wrote."
        raise WeightsError(Problem("model.checkpoint", message + hint, cure))
    return config


def _create(
    name: str, need: Need, side: int, set_size: bool, options: Timm, **given: Any
) -> tuple[nn.Module, dict[str, Any]]:
    """timm's model with a head for the task, seeded; and the arguments that its architecture was given.

    Raises:
        WeightsError: timm cannot build it, or the weights do not fit.
    """
    import timm
    from safetensors import SafetensorError

    given |= {"img_size": side} if set_size else {}
    given |= {"drop_rate": options.dropout} if options.dropout is not None else {}
    given |= {"drop_path_rate": options.drop_path} if options.drop_path is not None else {}
    try:
        with _seeded(need.seed), _missing_keys() as missing:
            module: nn.Module = timm.create_model(name, num_classes=need.outputs, **given)
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
    """The keys that `load_state_dict` did not find: timm reads weights for other classes without being strict."""
    missing: list[str] = []
    load_state_dict = nn.Module.load_state_dict

    def recording(module: nn.Module, *arguments: Any, **named: Any) -> Any:
        found = load_state_dict(module, *arguments, **named)
        missing.extend(found.missing_keys)
        return found

    nn.Module.load_state_dict = recording  # type: ignore[method-assign]
    try:
        yield missing
    finally:
        nn.Module.load_state_dict = load_state_dict  # type: ignore[method-assign]


def _refuse_missing(module: nn.Module, missing: list[str], folder: str) -> None:
    """Refuse weights that lack parameters of the backbone.

    Raises:
        WeightsError: They do.
    """
    heads = tuple(f"{head}." for head in _heads(module))
    backbone = {name for name, _ in module.named_parameters() if not name.startswith(heads)}
    lacking = [name for name in missing if name in backbone]
    if lacking:
        message = (
            f"{folder} does not hold the weights that its config.json describes: {len(lacking)} are missing, "
            f"such as {lacking[0]}."
        )
        raise WeightsError(Problem("model.checkpoint", message, "Check that both files are of one model."))


def _renew_head(module: Any, need: Need) -> None:
    """Start the head afresh: the one in the checkpoint was trained for other labels."""
    with _seeded(need.seed):
        module.reset_classifier(need.outputs)


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
        cure = f"{hint}timm.list_models('resnet*') names them."
        raise WeightsError(Problem("model.variant", f"timm has no model {architecture!r}.", cure))


def _is_fixed(architecture: str) -> bool:
    """Whether the architecture is built for one input size."""
    import timm

    found = timm.get_pretrained_cfg(architecture)
    return bool(found is not None and found.fixed_input_size)


def _preprocessing(module: nn.Module) -> dict[str, Any]:
    """timm's data configuration of a model: mean, std, interpolation, crop."""
    from timm.data import resolve_model_data_config

    found: dict[str, Any] = resolve_model_data_config(module)
    return found


# --- the input size -------------------------------------------------------------------------------------------------


def _size_from_scratch(options: Timm, need: Need) -> Size:
    if options.image_size:
        return Size(options.image_size)
    if not (short := _short_side(need)):
        return Size(STEP)
    side = min(LARGEST_FROM_SCRATCH, max(STEP, -(-short // STEP) * STEP))
    return Size(side, f"the short sides of the training images are {short} pixels (median)")


def _size_pretrained(options: Timm, need: Need, native: int, fixed: bool) -> Size:
    if options.image_size:
        return Size(options.image_size)
    short = _short_side(need)
    if fixed or not short:
        return Size(native, "the model was made for it")
    if short <= SMALL:
        side = min(native, SMALLEST_PRETRAINED)
        return Size(
            side, f"the short sides of the training images are {short} pixels (median), enlarged to what it can use"
        )
    return Size(native, "the model was trained at it")


def _short_side(need: Need) -> int:
    """The median short side of a sample of the training images, in pixels; 0 where there are none."""
    n = len(need.train)
    step = max(1, n // _SAMPLED)
    return round(statistics.median(min(size_of(need.train[i])) for i in range(0, n, step))) if n else 0


def _epochs(wanted: int, examples: int, fewest: int, most: int) -> float:
    """Epochs that show about `wanted` examples in all."""
    return float(min(most, max(fewest, round(wanted / max(1, examples)))))


# --- what is known of a model ---------------------------------------------------------------------------------------


def _assemble(
    module: Any,
    arguments: Mapping[str, Any],
    options: Timm,
    need: Need,
    provenance: Provenance,
    size: Size,
    preprocessing: Mapping[str, Any],
    defaults: Mapping[str, float],
) -> ImageModel:
    heads = _heads(module)
    layers = _layers(module, heads)
    module = module.to(need.device)
    apart = _runs_apart(module, size.side, need.device)
    known: dict[str, Any] = {
        "heads": heads,
        "layers": layers,
        "adapter_targets": _adapter_targets(module, layers, heads),
        "defaults": dict(defaults),
        "arguments": dict(arguments),
        "preprocessing": dict(preprocessing) | {"input_size": (3, size.side, size.side)},
    }
    kind = FeaturedImageModel if apart else ImageModel
    model = kind(module, options, need, provenance, **known)
    if size.reason:
        message = f"images are read at {size.side}×{size.side} pixels: {size.reason}; model.image_size changes it."
        model.findings.append(Finding("image_size", message, max(1, len(need.train)), level="info"))
    return model


def _heads(module: Any) -> tuple[str, ...]:
    """The classifier's name, or names, as timm declares them."""
    named = module.pretrained_cfg["classifier"]
    return (named,) if isinstance(named, str) else tuple(named)


def _layers(module: Any, heads: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Parameters by depth, as timm's layer-wise decay groups them, the head's alone in the last; empty if it cannot."""
    from timm.models._manipulate import group_with_matcher

    try:
        grouped = group_with_matcher(module.named_parameters(), module.group_matcher(coarse=True))
    except (AttributeError, AssertionError):  # a few architectures do not say
        return ()
    head = tuple(name for name, _ in module.named_parameters() if name.startswith(tuple(f"{each}." for each in heads)))
    body = [tuple(name for name in grouped[depth] if name not in head) for depth in sorted(grouped)]
    return (*(names for names in body if names), head)


def _adapter_targets(module: Any, layers: tuple[tuple[str, ...], ...], heads: tuple[str, ...]) -> tuple[str, ...]:
    """Linear layers and ungrouped convolutions between the stem and the head, by their whole names."""
    first = module.pretrained_cfg.get("first_conv") or ()
    stem = {name.rpartition(".")[0] for name in layers[0]} if layers else set(np.atleast_1d(first).tolist())

    def fits(name: str, layer: nn.Module) -> bool:
        adaptable = isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)
        return adaptable and name not in stem and not name.startswith(heads)

    return tuple(name for name, layer in module.named_modules() if fits(name, layer))


def _runs_apart(module: Any, side: int, device: str) -> bool:
    """Whether the classifier on timm's pooled features gives what the network gives: tried, not assumed.

    Raises:
        ConfigError: The network cannot read images of this size.
    """
    probe = torch.linspace(-1, 1, 3 * side * side, device=device).view(1, 3, side, side)
    was = module.training
    module.eval()
    try:
        with torch.inference_mode():
            whole = _whole(module, probe)
            features = module.forward_head(module.forward_features(probe), pre_logits=True)
            logits = module.get_classifier()(features)
    except (AttributeError, TypeError, RuntimeError, NotImplementedError):
        return False
    finally:
        module.train(was)
    return isinstance(whole, Tensor) and logits.shape == whole.shape and torch.allclose(logits, whole, atol=1e-5)


def _whole(module: nn.Module, probe: Tensor) -> Any:
    try:
        return module(probe)
    except (RuntimeError, AssertionError, ValueError) as error:
        side, reason = probe.shape[-1], " ".join(str(error).split())[:200]
        cure = "Choose another model.image_size, such as a multiple of 32; 0 lets Graft choose."
        raise ConfigError(
            Problem("model.image_size", f"the model cannot read {side}×{side}: {reason}", cure)
        ) from error
