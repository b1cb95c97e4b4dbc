"""Build a Llama classifier of any size with random weights on the device, without downloads or files."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from core.options import option

LABELS = ("no", "yes")


@dataclass
class Options:
    """The options of `python -m benchmarks gpu`; the default sizes are those of Llama 3 8B."""

    width: int = option(4096, "Width of the network.", low=8)
    layers: int = option(32, "Blocks.", low=1)
    heads: int = option(32, "Attention heads.", low=1)
    key_value_heads: int = option(8, "Number of heads for keys and values.", low=1)
    inner: int = option(14336, "Width of the feed-forward layer.", low=8)
    vocabulary: int = option(128256, "Number of tokens in the vocabulary.", low=16)
    length: int = option(512, "Number of tokens per text.", low=2)
    batch_size: int = option(8, "Number of texts per step.", low=1)
    steps: int = option(20, "Number of measured optimizer steps.", low=1)
    warmup: int = option(5, "Number of unmeasured steps before them.", low=1)
    rounds: int = option(2, "Number of rounds; the libraries alternate.", low=1)
    rank: int = option(16, "Rank of LoRA's updates.", low=1)
    methods: str = option("lora,qlora", "Methods, separated by commas; qlora needs bitsandbytes.")
    only: str = option("", "Only graft, or only trainer; empty for both.", choices=("", "graft", "trainer"))
    gradient_checkpointing: bool = option(True, "Recompute activations in the backward pass.")
    device: str = option("auto", "The device. auto: a GPU if available.")
    out: str = option("", "A JSON file for the result; empty: only standard output.")


def configuration(options: Options) -> Any:
    """Return the configuration for transformers."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=options.vocabulary, hidden_size=options.width, intermediate_size=options.inner,
        num_hidden_layers=options.layers, num_attention_heads=options.heads,
        num_key_value_heads=options.key_value_heads, max_position_embeddings=max(options.length, 64), pad_token_id=0,
        bos_token_id=1, eos_token_id=2, num_labels=len(LABELS), attention_dropout=0.0, use_cache=False,
        problem_type="single_label_classification", architectures=["LlamaForSequenceClassification"],
    )  # fmt: skip


def build_network(network: Any, options: Options, device: str, quantized: bool) -> nn.Module:
    """Return the network in bf16 with its head in float32, and optionally its body in NF4.

    Args:
        network: A class of transformers, or Graft's subclass of it.
        options: Sizes.
        device: Where the weights are drawn, from a fixed seed.
        quantized: Whether to quantize the linear layers with bitsandbytes.
    """
    torch.manual_seed(0)
    with torch.device(device):
        module: nn.Module = network._from_config(
            configuration(options), dtype=torch.bfloat16, attn_implementation="sdpa"
        )
    module.get_submodule("score").float()
    if quantized:
        _quantize(module, device)
    if device.startswith("cuda"):  # memory used for building in bf16 does not count as memory of training
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return module


def _quantize(module: nn.Module, device: str) -> None:
    """Replace all linear layers except the head by NF4 layers, one at a time."""
    import bitsandbytes as bnb

    from plugins.text.quantization import prevent_permanent_changes

    names = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear) and name != "score"]
    for name in names:
        layer = module.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        with torch.device("meta"):
            packed = bnb.nn.Linear4bit(
                layer.in_features, layer.out_features, bias=False, compute_dtype=torch.bfloat16,
                compress_statistics=True, quant_type="nf4",
            )  # fmt: skip
        weight = bnb.nn.Params4bit(
            layer.weight.detach(), requires_grad=False, compress_statistics=True, quant_type="nf4", module=packed
        )
        packed.weight = weight.to(device)
        parent, _, last = name.rpartition(".")
        setattr(module.get_submodule(parent), last, packed)
    prevent_permanent_changes(module, torch.bfloat16)


def linear_parameters(options: Options) -> int:
    """Return the number of weights in the linear layers of the body."""
    head = options.width // options.heads
    attention = 2 * options.width * head * (options.heads + options.key_value_heads)
    return options.layers * (attention + 3 * options.width * options.inner)


def flops_per_token(options: Options, recomputed: bool) -> float:
    """Return the floating-point operations per token of a training step with frozen base weights.

    The forward pass and the backward pass to the inputs (frozen weights get no gradient) take two operations per weight
    of the linear layers each. Causal attention adds two products, whose backward pass takes twice the forward's.

    Args:
        options: Sizes.
        recomputed: Whether to count the second forward pass of gradient checkpointing.
    """
    linear = 2.0 * linear_parameters(options)
    attention = (
        2.0 * options.layers * options.width * options.length
    )  # two products, half of each because attention is causal
    forwards = 2.0 if recomputed else 1.0
    return (forwards + 1.0) * linear + (forwards + 2.0) * attention
