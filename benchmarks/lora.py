"""`python -m benchmarks lora`: full fine-tuning and LoRA by its recipe, fused and not, alternating on the same work."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.peers import command
from benchmarks.peers.graft import Graft
from core.config import resolve


def peers(model: str) -> tuple[Graft, ...]:
    """Return the peers; the first is the reference, and LoRA trains for the epochs of its recipe."""
    epochs = resolve(["task=text_classification", f"model={model}", "method=lora"]).train.epochs
    longer = () if epochs is None else (f"train.epochs={epochs:g}",)
    return (
        Graft("graft", "method=full at its defaults", ("method=full",)),
        Graft("lora", "method=lora with the recipe of this model", ("method=lora", *longer)),
        Graft("lora-unfused", "the same in peft's chain of operations", ("method=lora", "method.fused=false", *longer)),
    )


def lora(asked: Sequence[str], as_json: bool) -> int:
    """Run the comparison and return the exit code."""
    work, rest = command.chosen_work(asked)
    models = [word.partition("=")[2] for word in rest if word.startswith("model=")] or ["minilm"]
    return command.command("lora", work, peers(models[-1]), rest, as_json)
