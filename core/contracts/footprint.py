"""The sizes of a network, to estimate memory before it is loaded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Footprint:
    """The sizes of a network before it is built, in numbers, not bytes.

    Attributes:
        parameters: All parameters without the head.
        linear: Parameters of the body's linear layers, which can be quantized.
        head: Parameters of the head.
        adapted: Sum of inputs and outputs of all modules that an adapter wraps by default.
        layers: Number of blocks.
        width: Width of the hidden state between blocks.
        kept: Activations per token and block that the backward pass needs.
        pairs: Activations per pair of tokens and block, if attention is not a single kernel; else 0.
        tokens: Largest number of tokens of an example.
        halves: Whether weights that do not train may be in half precision.
    """

    parameters: int
    linear: int
    head: int
    adapted: int
    layers: int
    width: int
    kept: int
    pairs: int
    tokens: int
    halves: bool = False
