"""Train the same steps with Graft's loop and with transformers' `Trainer`, timed between the same two points."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.networks import LABELS, Options, build_network

RATE = 1e-4
TARGETS = ("self_attn.q_proj", "self_attn.v_proj")


@dataclass
class Clock:
    """Measures the time from the end of the warm-up to the end of the last step, with the device idle at both points.

    Attributes:
        warmup: The step after which it starts.
        last: The step after which it stops.
        device: The device to synchronize.
        started, stopped: Times of `time.perf_counter`.
    """

    warmup: int
    last: int
    device: str
    started: float = 0.0
    stopped: float = 0.0

    def step(self, number: int) -> None:
        """Record the end of an optimizer step."""
        if number not in (self.warmup, self.last):
            return
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()
        if number == self.warmup:
            self.started = time.perf_counter()
        if number == self.last:
            self.stopped = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Return the measured time in seconds."""
        return self.stopped - self.started


@dataclass
class _Watch:
    """The observer of Graft's loop; it passes steps to the clock."""

    clock: Clock
    losses: list[float] = field(default_factory=list)

    def stop_requested(self) -> bool:
        return False

    def stepped(self, step: int) -> None:
        self.clock.step(step)

    def logged(self, values: Mapping[str, float]) -> None:
        self.losses.append(values["loss"])


def texts(options: Options) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return random token ids, int32 [n, length], one batch per step, all of full length; and labels, int64 [n]."""
    random, n = np.random.default_rng(0), options.batch_size * (options.warmup + options.steps)
    ids = random.integers(3, options.vocabulary, (n, options.length), dtype=np.int32)
    return ids, random.integers(0, len(LABELS), n)


def graft(options: Options, method: str, device: str) -> dict[str, Any]:
    """Train with `core.training.Loop`, with the method applied as in a run."""
    from benchmarks.gpu.networks import configuration
    from core.contracts import LoadRequest, Provenance, ResolvedTrain, TrainingPlan
    from core.registry import load_registry
    from core.runtime import Hardware, deterministic
    from core.tasks import Task
    from core.training import Checkpoints, Loop
    from plugins.methods.lora import Lora, Qlora
    from plugins.text.loading import describe
    from plugins.text.model import FeaturedEncoder
    from plugins.text.sequence_head import SEQUENCE
    from plugins.text.tokenization import TokenizedTexts

    steps = options.warmup + options.steps
    train = ResolvedTrain(
        epochs=1.0, max_steps=steps, batch_size=options.batch_size, learning_rate=RATE, warmup=0.0, weight_decay=0.0,
        evals_per_epoch=0, keep_best=False, checkpoint_minutes=0, log_steps=steps, bucket_by_length=False,
    )  # fmt: skip
    hardware = Hardware(device, "bf16")
    module = build_network(SEQUENCE.network_of(configuration(options)), options, device, method == "qlora")
    tokenizer = SimpleNamespace(model_input_names=["input_ids", "attention_mask"], pad_token_id=0)
    request = LoadRequest(load_registry().output(Task(), LABELS), device=device, precision="bf16", additive=True)
    model = FeaturedEncoder(describe(module, tokenizer, request, Provenance("scratch", ""), SEQUENCE))
    if options.gradient_checkpointing:
        model.enable_gradient_checkpointing()
    chosen = (Qlora if method == "qlora" else Lora)(rank=options.rank, alpha=2.0 * options.rank, dropout=0.0)
    adapted = chosen.apply(model, TrainingPlan(steps, 1.0, device, "bf16"))
    ids, labels = texts(options)
    offsets = np.arange(len(ids) + 1, dtype=np.int64) * options.length
    ends = np.full(len(ids), options.length, dtype=np.int64)
    prepared = TokenizedTexts(ids.reshape(-1), offsets, ends, np.empty(0, dtype=np.int64), labels)
    clock = Clock(options.warmup, steps, device)
    watch = _Watch(clock)
    with tempfile.TemporaryDirectory() as folder, deterministic(hardware):
        loop = Loop(
            model=adapted,
            method=chosen,
            prepared=prepared,
            train=train,
            hardware=hardware,
            seed=0,
            checkpoints=Checkpoints(Path(folder)),
            evaluate=lambda: {"none": 0.0},
            better=lambda new, old: new > old,
            primary="none",
            watch=watch,
        )
        loop.fit()
    return outcome(adapted.module, clock, options, watch.losses[-1])


def trainer(options: Options, method: str, device: str) -> dict[str, Any]:
    """Train with `transformers.Trainer` and the same adapter from peft."""
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaForSequenceClassification, Trainer, TrainerCallback, TrainingArguments

    steps = options.warmup + options.steps
    module: Any = build_network(LlamaForSequenceClassification, options, device, method == "qlora")
    config = LoraConfig(
        task_type="SEQ_CLS", r=options.rank, lora_alpha=2 * options.rank, lora_dropout=0.0,
        target_modules=list(TARGETS), modules_to_save=["score"],
    )  # fmt: skip
    module = get_peft_model(module, config)
    ids, labels = texts(options)
    rows = [
        {"input_ids": row.tolist(), "attention_mask": [1] * len(row), "labels": int(label)}
        for row, label in zip(ids, labels, strict=True)
    ]
    clock = Clock(options.warmup, steps, device)

    class Listener(TrainerCallback):  # type: ignore[misc]
        """Passes steps to the clock."""

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            clock.step(state.global_step)

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=options.batch_size, max_steps=steps, learning_rate=RATE,
            bf16=True, use_cpu=device == "cpu", gradient_checkpointing=options.gradient_checkpointing,
            gradient_checkpointing_kwargs={"use_reentrant": False}, save_strategy="no", logging_strategy="no",
            report_to=[], disable_tqdm=True, remove_unused_columns=False, seed=0,
        )  # fmt: skip
        found = Trainer(model=module, args=arguments, train_dataset=rows, callbacks=[Listener()]).train()
    return outcome(module, clock, options, float(found.training_loss))


WAYS: Mapping[str, Callable[[Options, str, str], dict[str, Any]]] = {"graft": graft, "trainer": trainer}


def outcome(module: torch.nn.Module, clock: Clock, options: Options, loss: float) -> dict[str, Any]:
    """Return the measurements of one training."""
    trains = sum(p.numel() for p in module.parameters() if p.requires_grad)
    tokens = options.steps * options.batch_size * options.length
    found = {
        "seconds": round(clock.seconds, 4),
        "tokens_per_second": round(tokens / clock.seconds, 1),
        "trainable": trains,
        "mean_loss": loss,
    }
    if clock.device.startswith("cuda"):
        found["peak_memory_mb"] = round(torch.cuda.max_memory_allocated() / 2**20, 1)
    return found
