"""The options that encoders and decoders share, and what can be built from scratch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core import option

ARCHITECTURES = ("roberta", "bert", "distilbert", "modernbert")
"""Encoders that can be built from scratch, by the Hub's `model_type`."""
DECODERS = ("llama",)
"""Decoders that can be built from scratch."""


@dataclass
class TextOptions:
    """Options about base weights, text length, and the compact model built from scratch."""

    causal: ClassVar[bool]
    """Whether the networks are decoders: tokens attend to earlier tokens, and the last one feeds the head."""

    checkpoint: str = option(
        "",
        "A Hub id (org/name or org/name@revision), a local folder, or pkg:NAME for weights in a Python package.",
        folder=True,
    )
    init: str = option(
        "auto",
        "auto: pretrained weights, or a compact model from scratch if there is no network. pretrained: fail if "
        "they cannot be loaded. scratch: never use the network.",
        choices=("auto", "pretrained", "scratch"),
    )
    architecture: str = option(
        "", "The architecture to build from scratch. If empty, the checkpoint must name it.", choices=("",)
    )
    sha256: str = option("", "Required SHA-256 of model.safetensors. Empty: not checked.")
    max_length: int = option(
        256, "Maximum number of tokens per text (or pair). Longer texts are truncated and counted.", low=8, high=32768
    )
    dropout: float | None = option(
        None,
        "Dropout of hidden states and attention. null: the checkpoint's own (0.3 from scratch).",
        low=0,
        high=0.9,
    )
    hidden_size: int = option(128, "From scratch: width of the compact model, a multiple of twice its heads.", low=8)
    layers: int = option(2, "From scratch: layers of the compact model.", low=1)
    attention_heads: int = option(4, "From scratch: attention heads of the compact model.", low=1)
    vocabulary: int = option(4000, "From scratch: maximum vocabulary of its tokenizer.", low=300)

    def buildable(self) -> tuple[str, ...]:
        """Return the architectures that can be built from scratch."""
        return DECODERS if self.causal else ARCHITECTURES
