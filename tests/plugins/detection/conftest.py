"""Networks in these tests are so small that threads cost more than they save. YOLO needs the extra `yolo`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest
import torch

if find_spec("ultralytics") is None:
    collect_ignore = ["yolo"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
