"""The training loop, for all models with gradients.

It runs in one or several processes. A run that is killed at any moment and resumed ends with the same weights: all that
decides the next step is in `State` or in the checkpoint that `_checkpoint` writes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from core.data.batching import MicroBatch, Steps, worker_count
from core.errors import Interrupted
from core.runtime.determinism import rng_state, set_rng_state
from core.runtime.hardware import Hardware
from core.runtime.memory import is_out_of_memory
from core.runtime.modules import load_trainable, trainable_state, training_mode, unwrap
from core.training.checkpoints import Checkpoints
from core.training.ema import Average
from core.training.optimizer import build_optimizer, clip_gradients, load_optimizer, schedule, set_learning_rate
from core.training.state import State, Watch, assert_finite_loss, assert_finite_weights, out_of_memory, total_steps

if TYPE_CHECKING:
    from core.contracts.components import AdapterMethod
    from core.contracts.model import LoadedModel, PreparedDataset
    from core.contracts.train_config import ResolvedTrain


@dataclass(kw_only=True)
class Loop:
    """One training. `fit()` runs it, and resumes from the newest checkpoint if there is one.

    Attributes:
        model: The model; its module is trained in place.
        method: The adapter method that was applied to it.
        prepared: The prepared training split.
        train: The options of training.
        hardware: Device, precision and processes.
        seed: The run's seed.
        checkpoints: The run's checkpoints.
        evaluate: Returns the scores on the validation split; the loop calls it when an evaluation is due.
        better: Whether the first value of the primary metric is better than the second.
        primary: The key of the primary metric.
        watch: Receives the progress.
    """

    model: LoadedModel
    method: AdapterMethod
    prepared: PreparedDataset
    train: ResolvedTrain
    hardware: Hardware
    seed: int
    checkpoints: Checkpoints
    evaluate: Callable[[], Mapping[str, float]]
    better: Callable[[float, float], bool]
    primary: str
    watch: Watch

    def fit(self) -> State:
        """Train to the end, load the weights to keep into the module, and return the final state.

        Raises:
            NumericalError: The loss or a weight is no longer a finite number.
            Interrupted: A signal asked the run to stop.
            RunError: A single example does not fit into memory, or a checkpoint cannot be written.
        """
        self._begin()
        while True:
            if self.state.evaluation_due(self.total, self.evaluate_every):
                self._validate()
                self._checkpoint()
            if self.state.step >= self.total or self.state.stopped:
                break
            self.tick = time.perf_counter()
            for batches in self.steps.stream(self.state.step, self.total, self.workers):
                self.state.data_seconds += time.perf_counter() - self.tick
                if not self._try_step(batches):
                    break  # out of memory: restart the stream with smaller micro-batches
                self._after_step(batches)
                if self.state.evaluation_due(self.total, self.evaluate_every) or self.state.stopped:
                    break
        return self._finish()

    def _begin(self) -> None:
        """Set everything up, then restore the newest checkpoint if there is one."""
        train, hardware = self.train, self.hardware
        # Each process takes its share of every batch, in one or more micro-batches.
        per_process = -(-train.batch_size // hardware.world)
        size = min(train.micro_batch_size or per_process, per_process)
        self.steps = Steps(
            self.model, self.prepared, train.batch_size, size, self.seed, train.bucket_by_length, hardware.rank,
            hardware.world,
        )  # fmt: skip
        self.workers = worker_count(train.workers, self.prepared)
        self.total = total_steps(train, len(self.prepared))
        every = round(self.steps.per_epoch / train.evals_per_epoch) if train.evals_per_epoch else self.total
        self.evaluate_every = max(1, every)

        # `model.module` is the wrapped module, which `loss` calls; `module` is the network itself.
        self.model.module = hardware.wrap(self.model.module)
        if train.compile:
            self.model.module = torch.compile(self.model.module)  # type: ignore[assignment]
        self.module = unwrap(self.model.module)
        training_mode(self.module)
        self.parameters = [p for p in self.module.parameters() if p.requires_grad]

        self.optimizer = build_optimizer(self.model, self.method, train, train.learning_rate)
        self.scaler = torch.amp.GradScaler(hardware.device, enabled=hardware.precision == "fp16")
        self.average = Average(self.module, train.ema) if train.ema else None
        self.state = State(micro_batch_size=size)
        # Loss and norm stay on the device, so that no step waits for them to be read.
        self.loss, self.norm = (torch.zeros((), device=hardware.device) for _ in range(2))
        self.saved_at, self.tick, self.lr = time.monotonic(), time.perf_counter(), 0.0
        if hardware.world > 1:
            torch.manual_seed(self.seed + hardware.rank)  # each process draws its own dropout masks
        if (newest := self.checkpoints.latest()) is not None:
            self._restore(newest[1])

    def _restore(self, saved: Mapping[str, Any]) -> None:
        """Restore what `_checkpoint` wrote."""
        self.state = State(**saved["state"])
        self.steps.micro_batch_size = self.state.micro_batch_size
        load_trainable(self.module, saved["weights"])
        if "optimizer" in saved:
            load_optimizer(self.optimizer, saved["optimizer"])
        self.scaler.load_state_dict(saved["scaler"])
        self.method.load_state_dict(saved["method"])
        if self.average is not None and "average" in saved:
            for name, value in saved["average"].items():
                self.average.state[name].copy_(value)
        self.loss.fill_(self.state.loss_sum)
        set_rng_state(saved["rng"][self.hardware.rank], self.hardware.device)

    def _try_step(self, batches: list[MicroBatch]) -> bool:
        """Do one step; return False if memory ran out and the step must be repeated with smaller micro-batches."""
        before = rng_state(self.hardware.device)
        try:
            self._step(batches)
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            self.optimizer.zero_grad(set_to_none=True)
            if self.hardware.device.startswith("cuda"):
                torch.cuda.empty_cache()
            # Several processes would have to agree on a smaller size, and one example cannot be halved.
            size = self.state.micro_batch_size
            if size == 1 or self.hardware.world > 1:
                raise out_of_memory(size, error) from error
            self.state.halve_micro_batch()
            self.steps.micro_batch_size = self.state.micro_batch_size
            set_rng_state(before, self.hardware.device)  # the step is repeated with the same random numbers
            return False
        return True

    def _step(self, batches: list[MicroBatch]) -> None:
        """Do one optimizer step over this process's micro-batches of one batch."""
        # The learning rate depends only on the step's number, so there is nothing to save.
        factor = schedule(self.state.step, self.total, self.train.warmup, self.train.schedule)
        self.lr = set_learning_rate(self.optimizer, factor)

        # Forward and backward pass for each micro-batch; gradients add up.
        total = torch.zeros((), device=self.hardware.device)
        for number, micro in enumerate(batches, start=1):
            batch = {name: value.to(self.hardware.device, non_blocking=True) for name, value in micro.tensors.items()}
            # Processes exchange gradients once, in the backward pass of the last micro-batch.
            with self.hardware.synchronized(self.model.module, only_if=number == len(batches)):
                with self.hardware.autocast():
                    losses = self.model.loss(batch)
                # Divide by the examples of the whole batch, so that the gradient does not depend on the
                # micro-batches. DDP averages over processes; `world` turns that back into a sum.
                summed = losses.sum() if losses.ndim else losses * micro.size
                loss = summed / micro.share if micro.share else summed * 0.0
                torch.autograd.backward(self.scaler.scale(loss * self.hardware.world))
            total += loss.detach()

        # Clip the unscaled gradients, then update the weights. In fp16 an overflow skips the update.
        self.scaler.unscale_(self.optimizer)
        self.norm = clip_gradients(self.parameters, self.train.clip_norm, self.hardware.on_cpu)
        self.scaler.step(self.optimizer)
        self.scaler.update()

        # The method may read the gradients before they are freed, as AdaLoRA does to adapt its ranks.
        self.method.after_step(self.model, self.state.step)
        self.optimizer.zero_grad(set_to_none=True)
        self.loss += total

    def _after_step(self, batches: list[MicroBatch]) -> None:
        """Count the step and report it; then save or stop if that is due."""
        state, train, hardware = self.state, self.train, self.hardware
        now = time.perf_counter()
        state.seconds, self.tick = state.seconds + now - self.tick, now
        state.step += 1
        state.loss_steps += 1
        state.examples += batches[0].share
        if self.average is not None:
            self.average.update(state.step)
        self.watch.stepped(state.step)
        logs = state.step % train.log_steps == 0
        if logs:
            values = {
                "step": state.step,
                "epoch": round(state.step / self.steps.per_epoch, 4),
                "loss": self._read_loss() / max(1, state.loss_steps),
                "lr": self.lr,
                "grad_norm": float(self.norm),
                "examples_per_second": round(state.examples / max(1e-9, state.seconds), 2),
            }
            self.loss.zero_()
            state.loss_steps = 0
            self.watch.logged(values)

        # Several processes agree on when to stop only in steps where they communicate anyway.
        if hardware.world == 1 or logs:
            if any(hardware.gather(self.watch.stop_requested())):
                self._checkpoint()
                raise Interrupted
            budget = train.time_budget_minutes * 60
            spent = max(hardware.gather(state.seconds))
            if budget and not state.stopped and spent >= budget and state.step < self.total:
                state.stop(f"time_budget: ended at step {state.step} of {self.total}")

        due = bool(train.checkpoint_steps) and state.step % train.checkpoint_steps == 0
        if train.checkpoint_minutes and hardware.world == 1:  # the clocks of several processes differ
            due = due or time.monotonic() - self.saved_at >= train.checkpoint_minutes * 60
        if due:
            self._checkpoint()
        self.tick = time.perf_counter()  # a checkpoint is neither training nor waiting for data

    def _read_loss(self) -> float:
        """Return the summed loss of all processes since the last reset; only this waits for the device."""
        value = float(sum(self.hardware.gather(float(self.loss))))
        assert_finite_loss(value, self.state.step, self.lr)
        return value

    def _validate(self) -> None:
        """Score the validation split, with the moving average if there is one, and keep the best weights."""
        self._read_loss()
        assert_finite_weights(self.parameters, self.state.step)
        state, train = self.state, self.train
        try:
            with nullcontext() if self.average is None else self.average.in_place():
                scores = dict(self.evaluate())
                value = scores.get(self.primary, math.nan)
                if not train.keep_best or state.best_step < 0 or self.better(value, state.best_value):
                    state.best_step, state.best_value, state.waiting = state.step, value, 0
                    if self.hardware.rank == 0:
                        state.best_file = self.checkpoints.save_best(state.step, trainable_state(self.module))
                else:
                    state.waiting += 1
        except Interrupted:
            self._checkpoint()  # the state before the evaluation, so that a resumed run repeats it
            raise
        state.evaluated = state.step
        epoch = round(state.step / self.steps.per_epoch, 4)
        state.history.append({"step": state.step, "epoch": epoch, "seconds": round(state.seconds, 3), "val": scores})
        if train.patience_evals and state.waiting >= train.patience_evals and state.step < self.total:
            state.stop(f"early_stopping: {state.waiting} evaluations without improvement, at step {state.step}")

    def _checkpoint(self) -> None:
        """Write all that decides the rest of the training; after its end, leave the optimizer out."""
        self._read_loss()
        assert_finite_weights(self.parameters, self.state.step)
        self.state.loss_sum = float(self.loss)
        self.saved_at = time.monotonic()
        rng = self.hardware.gather(rng_state(self.hardware.device))
        if self.hardware.rank != 0:
            return
        ended = (self.state.step >= self.total or self.state.stopped) and self.state.evaluated == self.state.step
        saved: dict[str, Any] = {"state": asdict(self.state), "weights": trainable_state(self.module)}
        saved |= {"scaler": self.scaler.state_dict(), "method": self.method.state_dict(), "rng": rng}
        if not ended:
            saved["optimizer"] = self.optimizer.state_dict()
            if self.average is not None:
                saved["average"] = self.average.state
        self.checkpoints.save(self.state.step, saved, self.state.best_file)

    def _finish(self) -> State:
        """Unwrap the module, load the weights to keep, and return the state."""
        self.hardware.barrier()
        self.model.module = self.module
        if best := self.hardware.gather(self.state.best_file)[0]:
            load_trainable(self.module, self.checkpoints.load_best(best))
        self.module.eval()
        return self.state
