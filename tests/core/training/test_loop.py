"""The training loop: what it guarantees about weights when a run is interrupted, fails or resumes.

Covers: core/training/state.py
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import graft_toy
import pytest
import torch
from output_specs import output

from core.contracts.model import LoadedModel, LoadRequest
from core.contracts.splits import Splits
from core.contracts.train_config import ResolvedTrain
from core.errors import Interrupted, NumericalError, RunError
from core.runtime.determinism import seed_everything
from core.runtime.hardware import Hardware
from core.tasks.task import Task
from core.training.checkpoints import Checkpoints
from core.training.loop import Loop
from core.training.state import State

DATA: Splits = graft_toy.Words(examples=48).load(Task(), 0)
CPU = Hardware("cpu", "fp32")


@dataclass
class Watch:
    """Notes what it is told; asks for an end after some steps."""

    stop_after: int = 0
    steps: list[int] = field(default_factory=list)
    logs: list[dict[str, float]] = field(default_factory=list)

    def stop_requested(self) -> bool:
        return bool(self.stop_after) and len(self.steps) >= self.stop_after

    def stepped(self, step: int) -> None:
        self.steps.append(step)

    def logged(self, values: Mapping[str, float]) -> None:
        self.logs.append(dict(values))


@dataclass
class Case:
    """One training of the toy; `run()` gives the state and the weights that were kept."""

    folder: Path
    options: dict[str, Any] = field(default_factory=dict)
    watch: Watch = field(default_factory=Watch)
    values: Callable[[int], float] | None = None
    toy: graft_toy.Toy = field(default_factory=graft_toy.Toy)
    request: LoadRequest = field(default_factory=lambda: LoadRequest(output(labels=graft_toy.LABELS)))
    evaluations: list[int] = field(default_factory=list)
    break_at: int = 0
    model: Any = None
    loop: Any = None

    def run(self) -> tuple[State, dict[str, torch.Tensor]]:
        seed_everything(0)
        self.model = self.toy.load(self.request)
        train = ResolvedTrain(**({"epochs": 2, "learning_rate": 1e-2, "batch_size": 16, "log_steps": 2} | self.options))
        prepared = self.model.prepare(DATA.train, True)
        method = graft_toy.Whole()
        self.loop = Loop(
            model=self.model,
            method=method,
            prepared=prepared,
            train=train,
            hardware=CPU,
            seed=0,
            checkpoints=Checkpoints(self.folder),
            evaluate=self._evaluate,
            better=graft_toy.better_is_higher,
            primary="accuracy",
            watch=self.watch,
        )
        state = self.loop.fit()
        return state, {name: value.clone() for name, value in self.model.module.state_dict().items()}

    def _evaluate(self) -> dict[str, float]:
        step = self.loop.state.step
        self.evaluations.append(step)
        if self.break_at == step:
            self.break_at = 0
            raise Interrupted
        return {"accuracy": self.values(step) if self.values else self._score()}

    def _score(self) -> float:
        """A number that depends on every weight."""
        return -sum(float(p.detach().abs().sum()) for p in self.model.module.parameters())


@pytest.fixture
def case(tmp_path: Path) -> Callable[..., Case]:
    count = iter(range(1000))

    def make(watch: Watch | None = None, values: Any = None, toy: Any = None, **options: Any) -> Case:
        given = {"toy": graft_toy.Toy(**toy)} if toy else {}
        return Case(tmp_path / str(next(count)), options, watch or Watch(), values, **given)

    return make


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def close(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], tolerance: float = 1e-5) -> bool:
    return all(torch.allclose(value, other[name], atol=tolerance, rtol=0) for name, value in one.items())


# --- length -----------------------------------------------------------------------------------------------------------


def test_epochs_decide_the_number_of_steps(case: Callable[..., Case]) -> None:
    for epochs, steps in ((2, 6), (1, 3), (0.5, 2), (0.01, 1)):
        state, _ = case(epochs=epochs).run()
        assert state.step == steps


def test_max_steps_ends_training_before_the_epochs_do(case: Callable[..., Case]) -> None:
    state, _ = case(epochs=100, max_steps=4).run()
    assert state.step == 4
    state, _ = case(epochs=1, max_steps=400).run()
    assert state.step == 3


def test_the_time_budget_ends_it_and_leaves_a_mark(case: Callable[..., Case]) -> None:
    spent = case(epochs=1000, time_budget_minutes=1e-9)
    state, _ = spent.run()
    assert state.step == 1
    assert state.marks == ["time_budget: ended at step 1 of 3000"]
    assert spent.evaluations == [1]


# --- accumulation, clipping, schedules --------------------------------------------------------------------------------


def test_micro_batches_give_the_weights_of_the_whole_batch(case: Callable[..., Case]) -> None:
    _, whole = case(toy={"dropout": 0.0}).run()
    for size in (4, 5, 16, 100):
        _, parts = case(toy={"dropout": 0.0}, micro_batch_size=size).run()
        assert close(whole, parts)


def test_clipping_bounds_the_first_step_and_the_norm_is_logged(case: Callable[..., Case]) -> None:
    free, tight = case(clip_norm=0, log_steps=1), case(clip_norm=1e-4, log_steps=1)
    (_, loose), (_, held) = free.run(), tight.run()
    assert free.watch.logs[0]["grad_norm"] == tight.watch.logs[0]["grad_norm"] > 1e-4
    assert not close(loose, held)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_the_learning_rate_follows_its_schedule(case: Callable[..., Case], schedule: str) -> None:
    made = case(epochs=4, warmup=0.25, schedule=schedule, log_steps=1)
    made.run()
    rates = [line["lr"] for line in made.watch.logs]
    assert rates[0] < rates[2] < rates[3] == pytest.approx(1e-2)
    assert (rates[-1] == pytest.approx(1e-2)) == (schedule == "constant")


def test_the_log_has_the_progress_of_training(case: Callable[..., Case]) -> None:
    made = case(log_steps=2)
    made.run()
    assert [line["step"] for line in made.watch.logs] == [2, 4, 6]
    assert made.watch.logs[-1]["epoch"] == 2.0
    assert all(math.isfinite(line["loss"]) and line["examples_per_second"] > 0 for line in made.watch.logs)
    assert made.watch.steps == [1, 2, 3, 4, 5, 6]


# --- evaluations ------------------------------------------------------------------------------------------------------


def test_evaluations_come_as_often_as_asked_and_always_at_the_end(case: Callable[..., Case]) -> None:
    for often, expected in ((1, [3, 6]), (3, [1, 2, 3, 4, 5, 6]), (0, [6]), (0.5, [6])):
        made = case(evals_per_epoch=often)
        made.run()
        assert made.evaluations == expected


def test_the_best_weights_are_the_ones_that_are_kept(case: Callable[..., Case]) -> None:
    options = {"epochs": 4, "schedule": "constant", "warmup": 0.0}
    _, after_two = case(**options | {"epochs": 2, "keep_best": False}).run()
    state, kept = case(values=lambda step: 1.0 if step == 6 else 0.5, **options).run()
    assert (state.step, state.best_step, state.best_value) == (12, 6, 1.0)
    assert same(kept, after_two)
    _, last = case(keep_best=False, values=lambda step: 1.0 if step == 6 else 0.5, **options).run()
    assert not same(last, after_two)


def test_of_equals_the_first_is_the_best(case: Callable[..., Case]) -> None:
    state, _ = case(epochs=4, values=lambda step: 0.5).run()
    assert state.best_step == 3


def test_patience_counts_evaluations(case: Callable[..., Case]) -> None:
    made = case(epochs=50, patience_evals=2, evals_per_epoch=3, values=lambda step: -abs(step - 4.0))
    state, _ = made.run()
    assert made.evaluations == [1, 2, 3, 4, 5, 6]
    assert state.best_step == 4
    assert state.marks == ["early_stopping: 2 evaluations without improvement, at step 6"]


def test_patience_at_the_last_step_is_no_early_stop(case: Callable[..., Case]) -> None:
    state, _ = case(epochs=2, patience_evals=1, values=lambda step: -float(step)).run()
    assert state.marks == []


def test_history_has_an_entry_for_each_evaluation(case: Callable[..., Case]) -> None:
    state, _ = case(values=lambda step: step / 10).run()
    assert [(entry["step"], entry["epoch"], entry["val"]) for entry in state.history] == [
        (3, 1.0, {"accuracy": 0.3}),
        (6, 2.0, {"accuracy": 0.6}),
    ]


def test_the_average_is_what_is_evaluated_and_kept(case: Callable[..., Case]) -> None:
    plain = case(keep_best=False)
    averaged = case(keep_best=False, ema=0.9)
    (_, last), (_, kept) = plain.run(), averaged.run()
    assert not same(last, kept)
    trained = averaged.loop.checkpoints.latest()[1]["weights"]
    assert same(trained, last)  # training itself goes on with the plain weights


# --- two runs, and workers --------------------------------------------------------------------------------------------


def test_two_runs_with_one_seed_are_identical(case: Callable[..., Case]) -> None:
    (one, first), (other, second) = case().run(), case().run()
    assert same(first, second)
    assert [entry["val"] for entry in one.history] == [entry["val"] for entry in other.history]


def test_the_number_of_workers_changes_nothing(case: Callable[..., Case]) -> None:
    (_, alone), (_, helped) = case().run(), case(workers=2).run()
    assert same(alone, helped)


# --- exact resume -----------------------------------------------------------------------------------------------------

EVERYTHING = {"epochs": 3, "ema": 0.9, "micro_batch_size": 5, "evals_per_epoch": 1, "patience_evals": 9}


@pytest.mark.parametrize("stop_after", range(1, 10))
def test_interrupted_after_any_step_it_ends_with_the_same_weights(case: Callable[..., Case], stop_after: int) -> None:
    reference, weights = case(**EVERYTHING).run()
    made = case(watch=Watch(stop_after=stop_after), **EVERYTHING)
    with pytest.raises(Interrupted):
        made.run()
    made.watch = Watch()
    state, resumed = made.run()
    assert made.watch.steps == list(range(stop_after + 1, 10))
    assert same(weights, resumed)
    assert state.best_step == reference.best_step
    assert [entry["val"] for entry in state.history] == [entry["val"] for entry in reference.history]


@pytest.mark.parametrize("step", [3, 6, 9])
def test_an_interrupted_evaluation_is_rerun(case: Callable[..., Case], step: int) -> None:
    reference, weights = case(**EVERYTHING).run()
    made = case(**EVERYTHING)
    made.break_at = step
    with pytest.raises(Interrupted):
        made.run()
    state, resumed = made.run()
    assert same(weights, resumed)
    assert [entry["val"] for entry in state.history] == [entry["val"] for entry in reference.history]


def test_a_checkpoint_at_the_last_step_but_before_its_evaluation_loses_nothing(case: Callable[..., Case]) -> None:
    options = EVERYTHING | {"checkpoint_steps": 3}
    _, weights = case(**options).run()
    made = case(**options)
    made.break_at = 9
    with pytest.raises(Interrupted):
        made.run()
    _, resumed = made.run()
    assert same(weights, resumed)


def test_early_stopping_is_remembered_by_a_resume(case: Callable[..., Case]) -> None:
    options = {"epochs": 50, "patience_evals": 2, "evals_per_epoch": 3, "ema": 0.5}
    made = case(watch=Watch(stop_after=5), values=lambda step: -abs(step - 4.0), **options)
    with pytest.raises(Interrupted):
        made.run()
    made.watch = Watch()
    state, _ = made.run()
    assert (state.step, state.best_step) == (6, 4)


def test_resuming_with_workers_is_exact(case: Callable[..., Case]) -> None:
    _, weights = case(**EVERYTHING, workers=2).run()
    made = case(watch=Watch(stop_after=4), **EVERYTHING, workers=2)
    with pytest.raises(Interrupted):
        made.run()
    made.watch = Watch()
    _, resumed = made.run()
    assert same(weights, resumed)


def test_a_damaged_checkpoint_costs_steps_but_not_the_result(case: Callable[..., Case]) -> None:
    options = EVERYTHING | {"checkpoint_steps": 1}
    _, weights = case(**options).run()
    made = case(watch=Watch(stop_after=5), **options)
    with pytest.raises(Interrupted):
        made.run()
    newest = made.folder / "step-00000005.safetensors"
    newest.write_bytes(newest.read_bytes()[:-7])
    made.watch = Watch()
    _, resumed = made.run()
    assert made.watch.steps[0] == 5
    assert same(weights, resumed)


def test_damaged_best_weights_are_found_again(case: Callable[..., Case]) -> None:
    options = EVERYTHING | {"checkpoint_steps": 1, "epochs": 3}
    _, weights = case(values=float, **options).run()
    made = case(watch=Watch(stop_after=3), values=float, **options)
    with pytest.raises(Interrupted):
        made.run()
    made.watch = Watch(stop_after=1)
    with pytest.raises(Interrupted):
        made.run()
    (best,) = made.folder.glob("best-*")
    best.write_bytes(b"torn")
    made.watch = Watch()
    _, resumed = made.run()
    assert same(weights, resumed)


def test_a_finished_training_is_not_trained_again(case: Callable[..., Case]) -> None:
    made = case(**EVERYTHING)
    _, weights = made.run()
    made.watch = Watch()
    _, again = made.run()
    assert made.watch.steps == []
    assert same(weights, again)


# --- out of memory ----------------------------------------------------------------------------------------------------

FRUGAL = {"dropout": 0.0}


def test_out_of_memory_halves_the_micro_batch_and_keeps_the_batch(case: Callable[..., Case]) -> None:
    _, roomy = case(toy=FRUGAL).run()
    state, tight = case(toy=FRUGAL | {"memory": 4}).run()
    assert state.micro_batch_size == 4
    assert state.marks == ["oom_backoff: step 0, micro-batch 16 to 8", "oom_backoff: step 0, micro-batch 8 to 4"]
    assert close(roomy, tight)


def test_the_back_off_survives_a_resume(case: Callable[..., Case]) -> None:
    toy = {"dropout": 0.2, "memory": 4}
    _, weights = case(toy=toy).run()
    made = case(watch=Watch(stop_after=2), toy=toy)
    with pytest.raises(Interrupted):
        made.run()
    made.watch = Watch()
    state, resumed = made.run()
    assert len(state.marks) == 2
    assert same(weights, resumed)


def test_memory_that_runs_out_in_the_middle_of_a_step_leaves_no_trace(
    case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, roomy = case(toy=FRUGAL, micro_batch_size=8).run()
    real, count = graft_toy.ToyModel.loss, iter(range(1000))

    def once_too_much(self: Any, batch: Any) -> Any:
        if next(count) == 3:  # the second micro-batch of the second step
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")
        return real(self, batch)

    monkeypatch.setattr(graft_toy.ToyModel, "loss", once_too_much)
    state, tight = case(toy=FRUGAL, micro_batch_size=8).run()
    assert state.marks == ["oom_backoff: step 1, micro-batch 8 to 4"]
    assert close(roomy, tight)


def test_one_example_that_does_not_fit_ends_with_a_cure(
    case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(self: Any, batch: Any) -> Any:
        raise torch.OutOfMemoryError("no memory at all")

    monkeypatch.setattr(graft_toy.ToyModel, "loss", never)
    with pytest.raises(RunError, match="ran out with micro-batches of 1"):
        case().run()


def test_other_errors_are_not_mistaken_for_memory(case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, batch: Any) -> Any:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(graft_toy.ToyModel, "loss", broken)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        case().run()


# --- what is not a number ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loss_that_is_not_a_number_ends_it_and_no_checkpoint_holds_one(
    case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    real, count = graft_toy.ToyModel.loss, iter(range(1000))

    def diverges(self: Any, batch: Any) -> Any:
        return real(self, batch) * (math.nan if next(count) >= 4 else 1.0)

    monkeypatch.setattr(graft_toy.ToyModel, "loss", diverges)
    made = case(log_steps=100, checkpoint_steps=1, epochs=3, workers=workers)
    with pytest.raises(NumericalError, match=r"the loss is nan by step 5"):
        made.run()
    step, saved = made.loop.checkpoints.latest()
    assert step == 4
    assert all(torch.isfinite(value).all() for value in saved["weights"].values())


def test_a_weight_that_is_not_a_number_is_seen_before_it_is_written(
    case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = graft_toy.Whole.after_step

    def spoils(self: Any, model: LoadedModel, step: int) -> None:
        real(self, model, step)
        if step == 3:
            with torch.no_grad():
                next(model.module.parameters()).view(-1)[0] = math.nan

    monkeypatch.setattr(graft_toy.Whole, "after_step", spoils)
    monkeypatch.setattr(graft_toy.ToyModel, "loss", lambda self, batch: self.module(batch["bags"] * 0).sum(-1) * 0)
    made = case(checkpoint_steps=1, log_steps=100)
    with pytest.raises(NumericalError):
        made.run()
    _, saved = made.loop.checkpoints.latest()
    assert all(torch.isfinite(value).all() for value in saved["weights"].values())


# --- weights of labels, smoothing -------------------------------------------------------------------------------------


def test_class_weights_change_what_is_learned(case: Callable[..., Case]) -> None:
    plain, weighted = case(), case()
    weighted.request = LoadRequest(output(labels=graft_toy.LABELS), class_weights=(10.0, 0.1, 1.0))
    (_, even), (_, uneven) = plain.run(), weighted.run()
    assert uneven["head.bias"][0] - uneven["head.bias"][1] > even["head.bias"][0] - even["head.bias"][1]


def test_a_checkpoint_can_be_asked_for_every_few_steps(case: Callable[..., Case]) -> None:
    made = case(checkpoint_steps=4, checkpoint_minutes=0, evals_per_epoch=0)
    made.run()
    assert sorted(path.name for path in made.folder.glob("step-*.json")) == [
        "step-00000004.json",
        "step-00000006.json",
    ]
