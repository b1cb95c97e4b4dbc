"""The machine: devices, precision, seeds, and its description in the report.

Covers: core/runtime/determinism.py, core/runtime/memory.py, core/runtime/modules.py, core/runtime/versions.py
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from core.errors import ConfigError
from core.runtime import hardware as runtime_hardware
from core.runtime.determinism import deterministic, seed_everything
from core.runtime.hardware import Hardware
from core.runtime.memory import peak_memory_mb
from core.runtime.modules import unwrap
from core.runtime.versions import describe


def test_auto_takes_bf16_only_where_it_is_native(monkeypatch: pytest.MonkeyPatch) -> None:
    for native, precision in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(runtime_hardware, "bf16_native", lambda device, native=native: native)
        assert Hardware.resolve("cpu").precision == precision


def test_a_device_that_is_not_here_is_refused_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"this machine has no device 'cuda'\.\n.*Available devices: cpu"):
        Hardware.resolve("cuda")
    with pytest.raises(ConfigError, match="this machine has no device 'tpu'"):
        Hardware.resolve("tpu")


def test_half_precision_on_a_cpu_is_refused() -> None:
    with pytest.raises(ConfigError, match="fp16 on a CPU is hundreds of times slower"):
        Hardware.resolve("cpu", "fp16")


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_matrix_products_run_in_the_precision(precision: str, dtype: torch.dtype) -> None:
    with Hardware("cpu", precision).autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_a_seed_decides_every_generator() -> None:
    def draw() -> tuple[Any, ...]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    seed_everything(2**33 + 5)
    first = draw()
    seed_everything(2**33 + 5)
    assert draw() == first
    seed_everything(6)
    assert draw() != first


def test_one_process_gathers_from_itself() -> None:
    hardware = Hardware("cpu", "fp32")
    assert hardware.gather({"a": 1}) == [{"a": 1}]
    hardware.barrier()
    module = nn.Linear(1, 1)
    assert hardware.wrap(module) is module
    with hardware.synchronized(module, only_if=False):
        pass


def test_unwrapping_a_plain_module_gives_itself() -> None:
    module = nn.Linear(2, 2)
    assert unwrap(module) is module


def test_a_cpu_is_deterministic_as_it_is() -> None:
    with deterministic(Hardware("cpu", "fp32")) as unsure:
        assert not torch.are_deterministic_algorithms_enabled()
    assert unsure == []


def test_the_report_describes_the_machine() -> None:
    found = describe(Hardware("cpu", "fp32"))
    assert found["device"] == "cpu"
    assert found["versions"]["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert found["cores"] >= 1
    assert found["memory_mb"] > 100
    assert found["processes"] == 1
    assert peak_memory_mb("cpu")["resident"] > 10
