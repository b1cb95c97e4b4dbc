"""Models in these tests are so small that threads cost more time than they save."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from narrow_resnet import replace_resnet18


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _narrow_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_resnet18(monkeypatch)
