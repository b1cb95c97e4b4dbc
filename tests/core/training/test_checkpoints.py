"""Checkpoints: a damaged one is never used."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from core.errors import RunError
from core.runtime.determinism import rng_state, set_rng_state
from core.training.checkpoints import KEEP, Checkpoints


def state(step: int) -> dict[str, Any]:
    return {
        "state": {"step": step, "best_value": math.nan, "history": [{"val": {"f1": 0.1 + 0.2}}]},
        "weights": {"layer.weight": torch.full((2, 3), float(step)), "norm.count": torch.tensor(7)},
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"betas": (0.9, 0.999), "lr": 1e-5}]},
        "rng": rng_state("cpu"),
    }


def flip(path: Path, where: int) -> None:
    content = bytearray(path.read_bytes())
    content[where] ^= 0x01
    path.write_bytes(bytes(content))


def newest(checkpoints: Checkpoints) -> int:
    """The step of the newest whole checkpoint; 0 for none."""
    found = checkpoints.latest()
    return found[0] if found else 0


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    found = Checkpoints(tmp_path / "checkpoints")
    for step in (2, 4, 6):
        found.save(step, state(step))
    return found


def test_what_is_saved_comes_back(checkpoints: Checkpoints) -> None:
    found = checkpoints.latest()
    assert found is not None
    step, back = found
    assert step == 6
    assert torch.equal(back["weights"]["layer.weight"], torch.full((2, 3), 6.0))
    assert back["weights"]["norm.count"].dtype == torch.int64
    assert back["optimizer"]["state"][0]["step"] == 3  # keys keep their type
    assert back["optimizer"]["param_groups"][0]["lr"] == 1e-5
    assert back["state"]["history"] == [{"val": {"f1": 0.1 + 0.2}}]
    assert math.isnan(back["state"]["best_value"])


def test_there_is_none_at_first(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none").latest() is None
    assert newest(Checkpoints(tmp_path / "none")) == 0


def test_only_the_last_are_kept(checkpoints: Checkpoints) -> None:
    names = sorted(path.name for path in checkpoints.directory.iterdir())
    kept = [f"step-{step:08d}.{suffix}" for step in (4, 6)[-KEEP:] for suffix in ("json", "safetensors")]
    assert names == sorted(kept)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: flip(folder / "step-00000006.safetensors", -3),
        lambda folder: flip(folder / "step-00000006.safetensors", 20),
        lambda folder: (folder / "step-00000006.safetensors").write_bytes(b""),
        lambda folder: (folder / "step-00000006.safetensors").unlink(),
        lambda folder: (folder / "step-00000006.json").write_text('{"step": 6'),
        lambda folder: (folder / "step-00000006.json").write_text("[]"),
        lambda folder: (folder / "step-00000006.json").write_text("{}"),
        lambda folder: (folder / "step-00000006.json").write_bytes(b"\xff\xfe\x00"),
    ],
)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(checkpoints: Checkpoints, damage: Any) -> None:
    damage(checkpoints.directory)
    found = checkpoints.latest()
    assert found is not None
    assert found[0] == 4
    assert torch.equal(found[1]["weights"]["layer.weight"], torch.full((2, 3), 4.0))


def test_a_changed_number_in_the_manifest_is_noticed(checkpoints: Checkpoints) -> None:
    path = checkpoints.directory / "step-00000006.json"
    text = path.read_text()
    assert text.count("1e-05") == 1
    path.write_text(text.replace("1e-05", "1e-03"))
    assert newest(checkpoints) == 4


def test_all_damaged_means_none(checkpoints: Checkpoints) -> None:
    for path in checkpoints.directory.glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    assert checkpoints.latest() is None


def test_what_was_being_written_when_the_power_went_is_no_checkpoint(checkpoints: Checkpoints) -> None:
    (checkpoints.directory / "step-00000008.safetensors.partial").write_bytes(b"half")
    (checkpoints.directory / "step-00000008.safetensors").write_bytes(b"whole, but without its manifest")
    assert newest(checkpoints) == 6


def test_the_best_weights_live_as_long_as_a_checkpoint_names_them(checkpoints: Checkpoints) -> None:
    first = checkpoints.save_best(8, {"w": torch.ones(2)})
    checkpoints.save(8, state(8), first)
    second = checkpoints.save_best(10, {"w": torch.zeros(2)})
    checkpoints.save(10, state(10), second)
    assert torch.equal(checkpoints.load_best(first)["w"], torch.ones(2))
    checkpoints.save(12, state(12), second)
    assert sorted(path.name for path in checkpoints.directory.glob("best-*")) == ["best-00000010.safetensors"]
    assert torch.equal(checkpoints.load_best(second)["w"], torch.zeros(2))


def test_damaged_best_weights_are_never_used(checkpoints: Checkpoints) -> None:
    reference = checkpoints.save_best(6, {"w": torch.ones(2)})
    checkpoints.save(8, state(8), reference)
    flip(checkpoints.directory / reference.partition(":")[0], -1)
    with pytest.raises(RunError, match="best weights are missing or damaged"):
        checkpoints.load_best(reference)
    assert newest(checkpoints) == 6  # it names none, so training goes on from there and finds them again


def test_manifests_are_plain_json(checkpoints: Checkpoints) -> None:
    manifest = json.loads((checkpoints.directory / "step-00000006.json").read_text())
    assert manifest["step"] == 6
    assert len(manifest["sha256"]) == 64


def test_a_folder_that_cannot_be_written_ends_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"step-00000001\.safetensors.*the checkpoint cannot be written"):
        Checkpoints(tmp_path / "file").save(1, state(1))


def test_generators_go_on_where_they_were() -> None:
    before = rng_state("cpu")
    first = torch.rand(3)
    set_rng_state(before, "cpu")
    assert torch.equal(first, torch.rand(3))
