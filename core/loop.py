"""The one training loop, for every family that has gradients.

It is written for N processes, and so that a run killed at any instant and resumed ends with the same weights: all that
decides the next step is in `State` and in what `_checkpoint` writes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from core.batching import MicroBatch, Steps, worker_count
from core.checkpoint import Checkpoints, rng_state, set_rng_state
from core.environment import Hardware, unwrap
from core.errors import Interrupted, NumericalError, Problem, RunError
from core.optimize import (
    Average,
    build_optimizer,
    clip_gradients,
    load_optimizer,
    load_trainable,
    schedule,
    set_learning_rate,
    trainable_state,
    training_mode,
)
from core.progress import State, Watch, is_out_of_memory, total_steps

if TYPE_CHECKING:
    from core.config import Train
    from core.contracts import AdapterMethod, LoadedModel, Prepared


@dataclass
class Loop:
    """One training; `fit()` runs it, from its newest checkpoint where there is one.

    Attributes:
        model: Its module is trained in place.
        method: The adapter method that was applied.
        prepared: The training split, made ready.
        train: Options, with `epochs` and `learning_rate` resolved.
        hardware: Device, precision, processes.
        seed: The run's seed.
        checkpoints: Where to write them.
        evaluate: Scores the validation split; the loop calls it when an evaluation is due.
        better: Whether the first value of the primary metric beats the second.
        primary: The primary metric's key.
        watch: Told what happens.
    """

    model: LoadedModel
    method: AdapterMethod
    prepared: Prepared
    train: Train
    hardware: Hardware
    seed: int
    checkpoints: Checkpoints
    evaluate: Callable[[], Mapping[str, float]]
    better: Callable[[float, float], bool]
    primary: str
    watch: Watch

    def fit(self) -> State:
        """Train to the end; afterwards the module holds the weights that are kept.

        Raises:
            NumericalError: The loss or a weight stopped being a finite number.
            Interrupted: The run was asked to stop.
            RunError: A single example does not fit into memory, or a checkpoint cannot be written.
        """
        self._begin()
        while True:
            if self._evaluation_due():
                self._validate()
                self._checkpoint()
            if self.state.step >= self.total or self.state.stopped:
                break
            self.tick = time.perf_counter()
            for batches in self._stream():
                self.state.data_seconds += time.perf_counter() - self.tick
                if not self._try_step(batches):
                    break  # out of memory: the stream starts again with smaller micro-batches
                self._after_step(batches)
                if self._evaluation_due() or self.state.stopped:
                    break
        return self._finish()

    def _begin(self) -> None:
        train, world = self.train, self.hardware.world
        per_process = -(-train.batch_size // world)
        size = min(train.micro_batch_size or per_process, per_process)
        self.steps = Steps(
            self.model,
            self.prepared,
            train.batch_size,
            size,
            self.seed,
            train.bucket_by_length,
            self.hardware.rank,
            world,
        )
        assert train.epochs is not None
        assert train.learning_rate is not None
        self.total = total_steps(train, len(self.prepared))
        self.model.module = self.hardware.wrap(self.model.module)
        if train.compile:
            self.model.module = torch.compile(self.model.module)  # type: ignore[assignment]
        self.module = unwrap(self.model.module)
        training_mode(self.module)
        self.parameters = [p for p in self.module.parameters() if p.requires_grad]
        self.optimizer = build_optimizer(self.model, self.method, train, train.learning_rate)
        self.scaler = torch.amp.GradScaler(self.hardware.device, enabled=self.hardware.precision == "fp16")
        self.average = Average(self.module, train.ema) if train.ema else None
        self.state = State(micro_batch_size=size)
        self.loss = torch.zeros((), device=self.hardware.device)
        self.norm = torch.zeros((), device=self.hardware.device)
        self.saved_at, self.tick, self.lr = time.monotonic(), time.perf_counter(), 0.0
        if world > 1:
            torch.manual_seed(self.seed + self.hardware.rank)  # dropout masks of their own
        self._restore()

    def _restore(self) -> None:
        found = self.checkpoints.latest()
        if found is None:
            return
        _, saved = found
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

    def _stream(self) -> Iterator[list[MicroBatch]]:
        workers = worker_count(self.train.workers, self.prepared)
        return self.steps.stream(self.state.step, self.total, workers)

    def _try_step(self, batches: list[MicroBatch]) -> bool:
        """Do one step; False where memory ran out and smaller micro-batches are to be tried."""
        before = rng_state(self.hardware.device)
        try:
            self._step(batches)
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            self._back_off(error)
            set_rng_state(before, self.hardware.device)
            return False
        return True

    def _step(self, batches: list[MicroBatch]) -> None:
        factor = schedule(self.state.step, self.total, self.train.warmup, self.train.schedule)
        self.lr = set_learning_rate(self.optimizer, factor)
        total = torch.zeros((), device=self.hardware.device)
        for number, micro in enumerate(batches, start=1):
            batch = {name: value.to(self.hardware.device, non_blocking=True) for name, value in micro.tensors.items()}
            with self.hardware.synchronised(self.model.module, only_if=number == len(batches)):
                with self.hardware.autocast():
                    losses = self.model.loss(batch)
                summed = losses.sum() if losses.ndim else losses * micro.size
                loss = summed / micro.share if micro.share else summed * 0.0
                torch.autograd.backward(self.scaler.scale(loss * self.hardware.world))
            total += loss.detach()
        self.scaler.unscale_(self.optimizer)
        self.norm = clip_gradients(self.parameters, self.train.clip_norm, self.hardware.on_cpu)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.method.after_step(self.model, self.state.step)
        self.optimizer.zero_grad(set_to_none=True)
        self.loss += total

    def _back_off(self, error: BaseException) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        if self.hardware.device.startswith("cuda"):
            torch.cuda.empty_cache()
        size = self.state.micro_batch_size
        if size == 1 or self.hardware.world > 1:
            cure = "Set train.micro_batch_size lower, shorten the inputs, or use a smaller model or method=lora."
            raise RunError(Problem("memory", f"ran out with micro-batches of {size}: {error}.", cure)) from error
        self.state.micro_batch_size = self.steps.micro_batch_size = -(-size // 2)
        self.state.marks.append(f"oom_backoff: step {self.state.step}, micro-batch {size} to {-(-size // 2)}")

    def _after_step(self, batches: list[MicroBatch]) -> None:
        now = time.perf_counter()
        self.state.seconds, self.tick = self.state.seconds + now - self.tick, now
        self.state.step += 1
        self.state.loss_steps += 1
        self.state.examples += batches[0].share
        if self.average is not None:
            self.average.update(self.state.step)
        self.watch.stepped(self.state.step)
        if self.state.step % self.train.log_steps == 0:
            self._log()
        self._heed_limits()
        if self._checkpoint_due():
            self._checkpoint()
        self.tick = time.perf_counter()  # writing is neither training nor waiting for data

    def _heed_limits(self) -> None:
        if self.hardware.world > 1 and self.state.step % self.train.log_steps:
            return  # processes agree on when to end only where they talk anyway
        if any(self.hardware.gather(self.watch.stop_requested())):
            self._checkpoint()
            raise Interrupted
        budget = self.train.time_budget_minutes * 60
        spent = max(self.hardware.gather(self.state.seconds))
        if budget and not self.state.stopped and spent >= budget and self.state.step < self.total:
            self._stop(f"time_budget: ended at step {self.state.step} of {self.total}")

    def _stop(self, mark: str) -> None:
        self.state.stopped = True
        self.state.marks.append(mark)

    def _read_loss(self) -> float:
        """The mean loss over processes since it was last reset; the one place where the device is read."""
        value = float(sum(self.hardware.gather(float(self.loss))))
        if not math.isfinite(value):
            cure = (
                "Lower train.learning_rate, raise train.warmup, or set train.precision=fp32. "
                "The checkpoint before is whole and holds no such value."
            )
            message = f"the loss is {value} by step {self.state.step} (learning rate {self.lr:.2e})."
            raise NumericalError(Problem("training", message, cure))
        return value

    def _log(self) -> None:
        values = {
            "step": self.state.step,
            "epoch": round(self.state.step / self.steps.per_epoch, 4),
            "loss": self._read_loss() / max(1, self.state.loss_steps),
            "lr": self.lr,
            "grad_norm": float(self.norm),
            "examples_per_second": round(self.state.examples / max(1e-9, self.state.seconds), 2),
        }
        self.loss.zero_()
        self.state.loss_steps = 0
        self.watch.logged(values)

    def _evaluation_due(self) -> bool:
        step = self.state.step
        if step == 0 or self.state.evaluated == step:
            return False
        if step >= self.total or self.state.stopped:
            return True
        every = round(self.steps.per_epoch / self.train.evals_per_epoch) if self.train.evals_per_epoch else 0
        return bool(every) and step % max(1, every) == 0

    def _validate(self) -> None:
        """Score the validation split, with the averaged weights where there are some; keep the best."""
        self._read_loss()
        self._assert_finite()
        if self.average:
            self.average.swap()
        try:
            scores = dict(self.evaluate())
            value = scores.get(self.primary, math.nan)
            state = self.state
            if not self.train.keep_best or state.best_step < 0 or self.better(value, state.best_value):
                state.best_step, state.best_value, state.waiting = state.step, value, 0
                if self.hardware.rank == 0:
                    state.best_file = self.checkpoints.save_best(state.step, trainable_state(self.module))
            else:
                state.waiting += 1
        except Interrupted:
            if self.average:
                self.average.swap()
            self._checkpoint()  # before the evaluation, which is redone
            raise
        if self.average:
            self.average.swap()
        state.evaluated = state.step
        epoch = round(state.step / self.steps.per_epoch, 4)
        state.history.append({"step": state.step, "epoch": epoch, "seconds": round(state.seconds, 3), "val": scores})
        if self.train.patience_evals and state.waiting >= self.train.patience_evals and state.step < self.total:
            self._stop(f"early_stopping: {state.waiting} evaluations without improvement, at step {state.step}")

    def _assert_finite(self) -> None:
        if not all(bool(torch.isfinite(p).all()) for p in self.parameters):
            message = f"a weight is not a finite number after step {self.state.step}."
            raise NumericalError(Problem("training", message, "Lower train.learning_rate or set train.precision=fp32."))

    def _checkpoint_due(self) -> bool:
        if self.train.checkpoint_steps and self.state.step % self.train.checkpoint_steps == 0:
            return True
        minutes = self.train.checkpoint_minutes
        return bool(minutes) and self.hardware.world == 1 and time.monotonic() - self.saved_at >= minutes * 60

    def _checkpoint(self) -> None:
        self._read_loss()
        self._assert_finite()
        self.state.loss_sum = float(self.loss)
        self.saved_at = time.monotonic()
        rng = self.hardware.gather(rng_state(self.hardware.device))
        if self.hardware.rank != 0:
            return
        ended = (self.state.step >= self.total or self.state.stopped) and self.state.evaluated == self.state.step
        saved: dict[str, Any] = {
            "state": asdict(self.state),
            "weights": trainable_state(self.module),
            "scaler": self.scaler.state_dict(),
            "method": self.method.state_dict(),
            "rng": rng,
        }
        if not ended:
            saved["optimizer"] = self.optimizer.state_dict()
            if self.average is not None:
                saved["average"] = self.average.state
        self.checkpoints.save(self.state.step, saved, self.state.best_file)

    def _finish(self) -> State:
        """Put the kept weights into the module, unwrapped."""
        self.hardware.barrier()
        self.model.module = self.module
        references = self.hardware.gather(self.state.best_file)
        if references[0]:
            load_trainable(self.module, self.checkpoints.load_best(references[0]))
        self.module.eval()
        return self.state
