"""A Llama of any size as a classifier, its weights drawn at random on the device: nothing is fetched or written."""

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
    """What `python -m benchmarks gpu` takes; the sizes are those of Llama 3 8B."""

    width: int = option(4096, "Width of the network.", low=8)
    layers: int = option(32, "Blocks.", low=1)
    heads: int = option(32, "Attention heads.", low=1)
    key_value_heads: int = option(8, "Of them, those with keys and values of their own.", low=1)
    inner: int = option(14336, "Width of the feed-forward layer.", low=8)
    vocabulary: int = option(128256, "Tokens of the vocabulary.", low=16)
    length: int = option(512, "Tokens of each text.", low=2)
    batch_size: int = option(8, "Texts in a step.", low=1)
    steps: int = option(20, "Measured optimizer steps.", low=1)
    warmup: int = option(5, "Steps before them that are not measured.", low=1)
    rounds: int = option(2, "How often each is measured; they alternate.", low=1)
    rank: int = option(16, "Of LoRA's updates.", low=1)
    methods: str = option("lora,qlora", "Which methods, with commas between; qlora needs bitsandbytes.")
    only: str = option("", "graft or trainer alone; empty for both.", choices=("", "graft", "trainer"))
    gradient_checkpointing: bool = option(True, "Compute activations again in the backward pass.")
    device: str = option("auto", "auto takes a GPU where there is one.")
    out: str = option("", "A file for the result as JSON as well; empty for standard output alone.")


def configuration(options: Options) -> Any:
    """As transformers states it."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=options.vocabulary, hidden_size=options.width, intermediate_size=options.inner,
        num_hidden_layers=options.layers, num_attention_heads=options.heads,
        num_key_value_heads=options.key_value_heads, max_position_embeddings=max(options.length, 64), pad_token_id=0,
        bos_token_id=1, eos_token_id=2, num_labels=len(LABELS), attention_dropout=0.0, use_cache=False,
        problem_type="single_label_classification", architectures=["LlamaForSequenceClassification"],
    )  # fmt: skip


def built(network: Any, options: Options, device: str, quantized: bool) -> nn.Module:
    """The network in bf16 with its head in float32; its body in NF4 where asked for.

    Args:
        network: A class of transformers, or Graft's kin of it.
        options: Sizes.
        device: Where its weights are drawn, by the same seed each time.
        quantised: Whether to quantise the linear layers, as bitsandbytes does.
    """
    torch.manual_seed(0)
    with torch.device(device):
        module: nn.Module = network._from_config(
            configuration(options), dtype=torch.bfloat16, attn_implementation="sdpa"
        )
    module.get_submodule("score").float()
    if quantized:
        _quantize(module, device)
    if device.startswith("cuda"):  # what building took, in bf16 whatever comes of it, is not what training takes
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return module


def _quantize(module: nn.Module, device: str) -> None:
    """Put NF4 layers in the place of all linear layers but the head, one at a time."""
    import bitsandbytes as bnb

    from plugins.text.quantization import settle

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
    settle(module, torch.bfloat16)


def linear_parameters(options: Options) -> int:
    """Numbers in the linear layers of the body."""
    head = options.width // options.heads
    attention = 2 * options.width * head * (options.heads + options.key_value_heads)
    return options.layers * (attention + 3 * options.width * options.inner)


def flops_per_token(options: Options, recomputed: bool) -> float:
    """Floating-point operations of a training step with frozen base weights, for each token.

    Forward, and backward to the inputs (not to the weights, which do not train): two each for each number of the linear
    layers; causal attention on top, for whose two products the backward pass takes twice the forward's.

    Args:
        options: Sizes.
        recomputed: Whether to count the second forward pass that checkpointing makes.
    """
    linear = 2.0 * linear_parameters(options)
    attention = 2.0 * options.layers * options.width * options.length  # two products, half of each by causality
    forwards = 2.0 if recomputed else 1.0
    return (forwards + 1.0) * linear + (forwards + 2.0) * attention
