"""`python -m benchmarks lora`: full fine-tuning and LoRA by its recipe, fused and not, alternating on the same work."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.peers import command
from benchmarks.peers.graft import Graft
from core.config import resolve


def peers(model: str) -> tuple[Graft, ...]:
    """Return the peers; the first is the reference, and LoRA has the epochs and the learning rate of its recipe."""
    config = resolve(["task=text_classification", f"model={model}", "method=lora"])
    given = {name: getattr(config.train, name) for name in ("epochs", "learning_rate")}
    # A work can state both for full fine-tuning, so they are stated here.
    own = dict(config.method.defaults) | {name: value for name, value in given.items() if value is not None}
    recipe = tuple(f"train.{name}={value:g}" for name, value in own.items())
    return (
        Graft("graft", "method=full at its defaults", ("method=full",)),
        Graft("lora", "method=lora with the recipe of this model", ("method=lora", *recipe)),
        Graft("lora-unfused", "the same in peft's chain of operations", ("method=lora", "method.fused=false", *recipe)),
    )


def lora(asked: Sequence[str], as_json: bool) -> int:
    """Run the comparison and return the exit code."""
    work, rest = command.chosen_work(asked)
    models = [word.partition("=")[2] for word in rest if word.startswith("model=")] or ["minilm"]
    return command.command("lora", work, peers(models[-1]), rest, as_json)
