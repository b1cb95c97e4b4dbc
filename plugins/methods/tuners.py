"""What peft is asked for, for each method; and AdaLoRA's ranks, which move while it trains."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from core.contracts import HasWholeWeights, LoadedModel, Plan
from core.environment import unwrap
from core.errors import ConfigError, Problem
from plugins.methods.adapted import put_on
from plugins.methods.fused import fuse
from plugins.methods.initial import ALTERS_BASE, LOFTQ, from_what_is_lost, plain_again, refuse_rank
from plugins.methods.targets import CONVOLUTION, TRANSPOSED, chosen

if TYPE_CHECKING:
    from plugins.methods.plugin import Lora
    from plugins.methods.updates import AdaLora, Ia3, Loha, Lokr, Oft, Vera

_NOT_BY_PEFT = "peft's update is for those that lie the usual way"


def lora(options: Lora, model: LoadedModel) -> LoadedModel:
    """The model with low-rank updates on its linear layers and convolutions."""
    from peft import LoraConfig

    start = options.init

    def config(modules: list[str], heads: list[str]) -> Any:
        return LoraConfig(
            r=options.rank,
            lora_alpha=options.alpha,
            lora_dropout=options.dropout,
            target_modules=modules,
            modules_to_save=heads,
            use_dora=options.dora,
            use_rslora=options.rslora,
            init_lora_weights=True if start in ("default", LOFTQ) else start,
        )

    unfit = {}
    if start in ALTERS_BASE:
        unfit[CONVOLUTION] = f"method.init={start} factors a matrix"
        refuse_rank(model.module, chosen(model, options.targets, unfit), options.rank)
    if start == "olora":
        unfit[TRANSPOSED] = "peft's olora takes them as they lie"
    whole = _whole(model) if start == LOFTQ else None
    adapted = put_on(model, options.targets, config, unfit)
    if whole is not None:
        from_what_is_lost(unwrap(adapted.module), whole)
    if options.fused:
        fuse(unwrap(adapted.module))
    if start in ALTERS_BASE:
        adapted.saving = plain_again(unwrap(adapted.module))
    return adapted


def _whole(model: LoadedModel) -> nn.Module:
    if not isinstance(model, HasWholeWeights):
        message = "loftq starts from what quantisation loses, and this family does not load its weights whole again."
        raise ConfigError(Problem("method.init", message, "Leave it at default."))
    return model.whole()


def ia3(options: Ia3, model: LoadedModel) -> LoadedModel:
    """The model with its targets' outputs (or inputs) scaled."""
    from peft import IA3Config

    inputs = list(options.feedforward or ())
    targets = options.targets if not inputs else [*(options.targets or model.adapter_targets), *inputs]
    return put_on(
        model,
        targets,
        lambda modules, heads: IA3Config(target_modules=modules, feedforward_modules=inputs, modules_to_save=heads),
    )


def vera(options: Vera, model: LoadedModel, seed: int) -> LoadedModel:
    """The model with shared random matrices on its linear layers, scaled by trained vectors."""
    from peft import VeraConfig

    def config(modules: list[str], heads: list[str]) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that projections are not saved, which the option's help says
            return VeraConfig(
                r=options.rank,
                vera_dropout=options.dropout,
                d_initial=options.scale,
                projection_prng_key=seed,
                save_projection=options.projections,
                target_modules=modules,
                modules_to_save=heads,
            )

    return put_on(model, options.targets, config, {CONVOLUTION: "VeRA shares its matrices among linear layers"})


def oft(options: Oft, model: LoadedModel) -> LoadedModel:
    """The model with its targets' inputs rotated, in blocks."""
    from peft import OFTConfig

    def config(modules: list[str], heads: list[str]) -> Any:
        return OFTConfig(
            r=0,
            oft_block_size=options.block_size,
            module_dropout=options.dropout,
            target_modules=modules,
            modules_to_save=heads,
        )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a block size was fitted to a layer: said in the option's help
        unfit = {CONVOLUTION: "rotations of a convolution's patches would not merge", TRANSPOSED: _NOT_BY_PEFT}
        adapted = put_on(model, options.targets, config, unfit)
    for name, module in adapted.module.named_modules():
        if name.endswith(".oft_R.default"):
            module.register_forward_pre_hook(_as_rows)
            module.register_forward_hook(_shaped_again)
    return adapted


def _as_rows(module: Any, inputs: tuple[Tensor]) -> tuple[Tensor]:
    """Inputs [..., d] of a linear layer as [n, d]: peft takes any that have four dimensions for images."""
    module.seen_shape = inputs[0].shape
    return (inputs[0].flatten(0, -2),)


def _shaped_again(module: Any, inputs: tuple[Tensor], output: Tensor) -> Tensor:
    """What was rotated, in the shape in which it came."""
    return output.view(module.seen_shape)


def loha(options: Loha, model: LoadedModel) -> LoadedModel:
    """The model with updates that are Hadamard products of two low-rank matrices."""
    from peft import LoHaConfig

    def config(modules: list[str], heads: list[str]) -> Any:
        return LoHaConfig(
            r=options.rank,
            alpha=options.alpha,
            module_dropout=options.dropout,
            target_modules=modules,
            modules_to_save=heads,
        )

    return put_on(model, options.targets, config, {TRANSPOSED: _NOT_BY_PEFT})


def lokr(options: Lokr, model: LoadedModel) -> LoadedModel:
    """The model with updates that are Kronecker products."""
    from peft import LoKrConfig

    def config(modules: list[str], heads: list[str]) -> Any:
        return LoKrConfig(
            r=options.rank,
            alpha=options.alpha,
            module_dropout=options.dropout,
            decompose_factor=options.factor,
            target_modules=modules,
            modules_to_save=heads,
        )

    return put_on(model, options.targets, config, {TRANSPOSED: _NOT_BY_PEFT})


def adalora(options: AdaLora, model: LoadedModel, plan: Plan) -> LoadedModel:
    """The model with updates in the form of singular values and vectors, whose ranks will be moved."""
    from peft import AdaLoraConfig

    start, end = phases(plan.total_steps, options.start, options.end)

    def config(modules: list[str], heads: list[str]) -> Any:
        return AdaLoraConfig(
            init_r=options.first_rank,
            target_r=options.rank,
            tinit=start,
            tfinal=end,
            deltaT=options.every,
            total_step=plan.total_steps,
            lora_alpha=options.alpha,
            lora_dropout=options.dropout,
            orth_reg_weight=options.orthogonality,
            target_modules=modules,
            modules_to_save=heads,
        )

    adapted = put_on(model, options.targets, config)
    wrapped: Any = unwrap(adapted.module)
    adapted.saving = _ranks_by_weights
    if options.orthogonality:
        vectors = [each for name, each in wrapped.named_parameters() if ".lora_A." in name or ".lora_B." in name]
        adapted.penalty = lambda: options.orthogonality * _skew(vectors)
    return adapted


def phases(total: int, start: float, end: float) -> tuple[int, int]:
    """Steps before ranks begin to move, and after they have settled; at least one step lies between.

    Args:
        total: Steps in the whole run.
        start: Share of them before.
        end: Share of them after.
    """
    before = min(int(total * start), max(0, total - 2))
    return before, min(int(total * end), max(0, total - before - 1))


def _skew(vectors: Sequence[Tensor]) -> Tensor:
    """How far singular vectors are from being orthonormal, the mean over matrices of a Frobenius norm, []."""
    terms = []
    for each in vectors:
        square = each @ each.T if each.shape[0] <= each.shape[1] else each.T @ each
        terms.append(torch.linalg.matrix_norm(square - torch.eye(len(square), device=each.device)))
    return torch.stack(terms).mean()


@contextmanager
def _ranks_by_weights(wrapped: Any, with_base: bool) -> Iterator[None]:
    """Saves the ranks that the weights have: those kept may be of an earlier step than the allocator's last word."""
    config = wrapped.peft_config["default"]
    kept, config.rank_pattern = config.rank_pattern, _pattern(wrapped)
    try:
        yield
    finally:
        config.rank_pattern = kept


def _pattern(wrapped: Any) -> dict[str, list[bool]]:
    """Which singular values of each matrix are in use; one at least, as peft cannot hold a matrix of rank 0."""
    found = {}
    for name, values in wrapped.base_model.model.named_parameters():
        if ".lora_E.default" in name:
            used = (values.detach() != 0).view(-1).tolist()
            found[name] = used if any(used) else [True, *used[1:]]
    return found


def move_ranks(model: LoadedModel, step: int) -> None:
    """Weigh every singular value by its gradient, and drop those that the budget of this step does not hold."""
    wrapped: Any = unwrap(model.module)
    wrapped.base_model.update_and_allocate(step)


def rank_state(model: LoadedModel) -> dict[str, Any]:
    """What the allocator remembers: smoothed importances and their uncertainty, by parameter, and who was kept."""
    tuner: Any = unwrap(model.module).base_model
    allocator = tuner.rankallocator
    return {
        "importance": dict(allocator.exp_avg_ipt),
        "uncertainty": dict(allocator.exp_avg_unc),
        "pattern": dict(tuner.peft_config["default"].rank_pattern or {}),
    }


def take_rank_state(model: LoadedModel, state: dict[str, Any]) -> None:
    """Take back what `rank_state` gave."""
    tuner: Any = unwrap(model.module).base_model
    allocator, device = tuner.rankallocator, next(tuner.parameters()).device
    allocator.exp_avg_ipt, allocator.exp_avg_unc = (
        {name: value.to(device) for name, value in state[key].items()} for key in ("importance", "uncertainty")
    )
    allocator.ipt = {name: torch.zeros_like(value) for name, value in allocator.exp_avg_ipt.items()}
    tuner.peft_config["default"].rank_pattern = state["pattern"] or None
