"""Tiny decoders of every architecture, as checkpoints on disk, and texts of many lengths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from output_specs import output

from core.contracts.model import LoadRequest
from core.tasks.text import TextExample
from plugins.text.plugin import Decoder

LABELS = ("bad", "good", "so so")
SENTENCE = "the hammer broke after one day of light use and nobody answered my letters about it"
TEXTS = [" ".join(SENTENCE.split()[i % 7 : i % 7 + 1 + i % 9]) for i in range(40)]
SIZES = {"hidden_size": 16, "layers": 2, "attention_heads": 2, "vocabulary": 300, "max_length": 32}


def examples(target: str = "single") -> list[TextExample]:
    targets = {
        "single": lambda i: i % 3,
        "multi": lambda i: tuple(sorted({i % 3, i % 2})),
        "regression": lambda i: 100.0 + i,
    }
    return [TextExample(text, targets[target](i), place=f"t.csv:{i + 1}") for i, text in enumerate(TEXTS)]


def load_request(target: str = "single", **more: Any) -> LoadRequest:
    labels = () if target == "regression" else LABELS
    return LoadRequest(output(target, labels), more.pop("train", examples(target)), "f", **more)


def small_llama(**more: Any) -> Decoder:
    """A compact Llama from scratch."""
    return Decoder(init="scratch", architecture="llama", **{**SIZES, **more})


def checkpoint(folder: Path, architecture: str, **more: Any) -> Path:
    """A language model of any architecture with random weights and a tokenizer that knows neither padding nor pairs."""
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = bare_tokenizer()
    width = {"head_dim": 8} if architecture in ("gemma", "gemma2", "gemma3_text", "qwen3") else {}
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer), "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 2, "intermediate_size": 32, "ffn_dim": 32, "word_embed_proj_dim": 16,
        "max_position_embeddings": 64, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": None,
    }  # fmt: skip
    config = AutoConfig.for_model(architecture, **{**sizes, **width, **more})
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def bare_tokenizer() -> Any:
    """As GPT-2's: bytes, an end of text, nothing added to a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(["<s>", "<|endoftext|>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", padding_side="left", model_max_length=64
    )


def batch(model: Any, rows: list[TextExample]) -> dict[str, torch.Tensor]:
    prepared = model.prepare(rows, False)
    given: dict[str, torch.Tensor] = model.collate([prepared.fetch(i, 0, None) for i in range(len(rows))])
    return given


@torch.no_grad()
def predict(model: Any, rows: list[TextExample]) -> torch.Tensor:
    model.module.eval()
    predictions: torch.Tensor = model.predict(batch(model, rows))
    return predictions


def opened(directory: Path, rows: list[TextExample], size: int = 1) -> torch.Tensor:
    """Probabilities or values as transformers' own pipeline gives them, in the order of LABELS."""
    from transformers import pipeline

    pipe = pipeline("text-classification", model=str(directory), top_k=None)
    inputs = [{"text": row.text, "text_pair": row.pair} if row.pair else row.text for row in rows]
    if size == 1:
        given = [pipe(each, truncation=True) for each in inputs]
        given = [one[0] if isinstance(one[0], list) else one for one in given]
    else:
        given = pipe(inputs, truncation=True, batch_size=size)
    scores = [{each["label"]: each["score"] for each in one} for one in given]
    return torch.tensor(
        [[score[label] for label in LABELS if label in score] or list(score.values()) for score in scores]
    )
