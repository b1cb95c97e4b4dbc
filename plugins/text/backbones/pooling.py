"""Decoders as classifiers: the head reads the last token of each text, found with the attention mask."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from plugins.text.backbones.decoders import DECODERS

_LEFT_OUT = ("labels", "return_dict", "use_cache", "token_type_ids")


class LastToken(nn.Module):
    """A mixin for transformers' sequence-classification classes that replaces how they compute logits.

    transformers takes the last token that is not the padding token. Given embeddings (peft's prompt tuning), it takes
    the last position, which may be padding. Here the attention mask decides, and positions are counted along it.
    Padding on either side and tokens in front then give the same logits.
    """

    score: nn.Linear
    base_model: nn.Module
    config: Any

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        if getattr(config, "problem_type", None) == "regression" and hasattr(self, "score"):
            # Regression needs a bias, which no decoder head of transformers has.
            self.score = nn.Linear(self.score.in_features, self.score.out_features)
            nn.init.normal_(self.score.weight, std=getattr(config, "initializer_range", 0.02))
            nn.init.zeros_(self.score.bias)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        cache: Any = None,
        inputs_embeds: Tensor | None = None,
        padded_right: bool | None = None,
        **more: Any,
    ) -> Any:
        """Return logits [b, c] in the class's own output type.

        Args:
            input_ids: int64 [b, s]; or `inputs_embeds`, [b, s, d].
            attention_mask: [b, s], or [b, p + s] with p cached positions (prefix tuning); 1 for tokens, 0 for padding.
            position_ids: int64 [b, s]; None counts them along the mask.
            past_key_values, cache: Keys and values of earlier positions; the name depends on transformers' version.
            inputs_embeds: Embeddings in place of `input_ids`.
            padded_right: Whether all padding is on the right; None derives it from the mask.
            more: Passed to the backbone, except arguments that only the original class uses.
        """
        from transformers.modeling_outputs import SequenceClassifierOutput

        past = cache if cache is not None else past_key_values
        pooled = self.pooled(input_ids, attention_mask, position_ids, past, inputs_embeds, padded_right, **more)
        return SequenceClassifierOutput(logits=self.score(pooled.to(self.score.weight.dtype)))

    def pooled(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past: Any = None,
        inputs_embeds: Tensor | None = None,
        padded_right: bool | None = None,
        **more: Any,
    ) -> Tensor:
        """Return the hidden state of each text's last token, [b, d]. Arguments are those of `forward`."""
        given = {name: value for name, value in more.items() if name not in _LEFT_OUT}
        given |= {"inputs_embeds": inputs_embeds} if input_ids is None else {"input_ids": input_ids}
        names = _accepted(self.base_model)
        if past is not None:
            given["cache" if "cache" in names else "past_key_values"] = past
        width = (input_ids if input_ids is not None else inputs_embeds).shape[1]  # type: ignore[union-attr]
        if attention_mask is not None and not (past is None and self._needs_no_mask(attention_mask, padded_right)):
            given["attention_mask"] = attention_mask
            if position_ids is None and "position_ids" in names:
                position_ids = (attention_mask.long().cumsum(-1) - 1).clamp(min=0)[:, -width:]
        if position_ids is not None:
            given["position_ids"] = position_ids
        hidden: Tensor = self.base_model(**given, use_cache=False).last_hidden_state
        if attention_mask is None:
            return hidden[:, -1]
        return hidden[torch.arange(len(hidden), device=hidden.device), last(attention_mask[:, -width:])]

    def _needs_no_mask(self, mask: Tensor, padded_right: bool | None) -> bool:
        """Return whether causal attention alone hides all padding, which holds if padding is on the right.

        Without a mask, attention uses fast causal kernels. `padded_right` avoids reading the mask, which would make
        the host wait for the GPU.
        """
        if self.config.model_type not in DECODERS or getattr(self.config, "use_bidirectional_attention", None):
            return False
        if padded_right is not None:
            return padded_right
        return bool((mask[:, 1:] <= mask[:, :-1]).all()) and bool(mask[:, 0].all())


def last(mask: Tensor) -> Tensor:
    """Return the position of the last 1 in each row of a mask [b, s], int64 [b]; 0 if a row has none."""
    columns = torch.arange(mask.shape[1], device=mask.device)
    return (columns * (mask != 0)).argmax(dim=-1)


def _accepted(backbone: nn.Module) -> frozenset[str]:
    """Return the argument names of a backbone's forward."""
    return _arguments(type(backbone).forward)


@cache
def _arguments(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


@cache
def classifier(network: type[Any]) -> type[Any]:
    """Return a sequence-classification class with this pooling. It keeps transformers' class name, which is saved."""
    return type(network.__name__, (LastToken, network), {"__module__": network.__module__, "__doc__": network.__doc__})
