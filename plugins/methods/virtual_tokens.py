"""Virtual tokens through peft: prompt and prefix tuning of text classifiers."""

from __future__ import annotations

from typing import Any

import torch

from core.contracts import LoadedModel, SupportsVirtualTokens
from core.errors import ConfigError, Problem
from plugins.methods.freezing import freeze_all_but
from plugins.methods.peft_model import AdaptedModel, refuse_ambiguous

_TASK = "SEQ_CLS"
_TAKEN_FOR_HEADS = ("classifier", "score")
"""Names that peft treats as heads by default in this task type."""
_DIMENSIONS = {"token_dim": ("hidden_size", "dim"), "num_attention_heads": ("num_attention_heads", "n_heads")}
"""Network dimensions that peft needs, and the names that configurations have for them."""


def add_prompt(model: LoadedModel, tokens: int, seed: int) -> LoadedModel:
    """Return the model with virtual tokens in front of each text.

    They start as the embeddings of random words, which Lester et al. (2021, section 3.2) found better than noise.

    Args:
        model: A text classifier that can reserve positions for them.
        tokens: Number of virtual tokens.
        seed: Seed of the random words.
    """
    from peft import PromptTuningConfig

    adapted = _wrapped(model, tokens, PromptTuningConfig)
    wrapped: Any = adapted.module
    words, virtual = wrapped.word_embeddings.weight, wrapped.prompt_encoder["default"].embedding.weight
    chosen = torch.randint(len(words), (tokens,), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        virtual.copy_(words[chosen.to(words.device)])
    return adapted


def add_prefix(model: LoadedModel, tokens: int) -> LoadedModel:
    """Return the model with keys and values in front of each layer's own.

    Args:
        model: A text classifier whose layers accept past keys and values.
        tokens: Number of virtual tokens.
    """
    from peft import PrefixTuningConfig

    return _wrapped(model, tokens, PrefixTuningConfig)


def _wrapped(model: LoadedModel, tokens: int, kind: Any) -> AdaptedModel:
    from peft import get_peft_model

    if not isinstance(model, SupportsVirtualTokens):
        message = f"{type(model).__name__} cannot reserve positions for virtual tokens (`reserve`)."
        raise ConfigError(Problem("method", message, "Use method=lora."))
    refuse_ambiguous(model.module, (*model.heads, *_TAKEN_FOR_HEADS))
    freeze_all_but(model.module, model.heads)
    model.reserve(tokens)
    known: Any = model.module.config
    found = {name: next((getattr(known, each) for each in places if hasattr(known, each)), None)
             for name, places in _DIMENSIONS.items()}  # fmt: skip
    config = kind(task_type=_TASK, num_virtual_tokens=tokens, modules_to_save=list(model.heads), **found)
    try:
        model.module = get_peft_model(model.module, config)
    except (ValueError, AttributeError) as error:
        message = f"peft cannot put virtual tokens before {type(model.module).__name__}: {error}."
        raise ConfigError(Problem("method", message, "Use method=lora.")) from error
    return AdaptedModel(model)
