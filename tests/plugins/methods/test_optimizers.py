"""Optimizers with moments in 8 bits: announced, and refused on hardware that has no kernels for them.

Covers: plugins/methods/plugin.py
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import graft_toy
import pytest

from plugins.methods import optimizers, plugin


def problems(optimizer: Any, device: str) -> list[str]:
    config = graft_toy.config()
    return [str(each) for each in optimizer.check(replace(config, train=replace(config.train, device=device)))]


def test_the_plugin_announces_each_method_and_optimizer_once() -> None:
    names = [each.name for each in (*plugin.adapter_methods(), *plugin.optimizers())]
    assert len(set(names)) == len(names)
    assert {"full", "head", "lora", "qlora", "adamw8bit", "paged_adamw8bit"} <= set(names)


@pytest.mark.parametrize("optimizer", [optimizers.AdamW8bit(), optimizers.PagedAdamW8bit()], ids=lambda each: each.name)
def test_a_graphics_processor_of_apple_is_refused(optimizer: Any) -> None:
    (problem,) = problems(optimizer, "mps")
    assert problem.startswith("train.optimizer: ")


def test_paging_needs_a_gpu_to_page_from(monkeypatch: pytest.MonkeyPatch) -> None:
    paged = optimizers.PagedAdamW8bit()
    (problem,) = problems(paged, "cpu")
    assert "this run has none" in problem
    assert problems(paged, "cuda:1") == []
    assert problems(optimizers.AdamW8bit(), "cpu") == []
    for present in (True, False):
        monkeypatch.setattr(optimizers, "gpu_at_hand", lambda present=present: present)
        assert bool(problems(paged, "auto")) != present


def test_they_need_a_package_and_a_quarter_of_the_state() -> None:
    for optimizer in (optimizers.AdamW8bit, optimizers.PagedAdamW8bit):
        assert set(optimizer.requires) == {"bitsandbytes"}
        assert optimizer.state_bytes == 2.0
