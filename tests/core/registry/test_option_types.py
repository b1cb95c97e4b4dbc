"""Types of options are accepted and refused as by OmegaConf, without importing it."""

from __future__ import annotations

from dataclasses import make_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Optional, Union

import pytest
from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from core.component import Component
from core.contracts.train_config import TrainConfig
from core.registry.option_types import unsupported_options


class Colour(Enum):
    RED = 1


TYPES: list[Any] = [
    int, float, str, bool, bytes, Path, Colour, Any, int | None, Optional[str], int | str, Union[int, float, None],  # noqa: UP007, UP045
    list, dict, tuple, list[str], dict[str, float], dict[str, list[int]], list[dict[str, int]], tuple[int, int],
    list[int] | None, dict[str, int] | None, TrainConfig, TrainConfig | None, list[int | None], dict[int, str],
    dict[Colour, int],
    str | dict, list[int] | str, Literal["a", "b"], set[int], set, object, Component, dict[TrainConfig, int], complex,
]  # fmt: skip


@pytest.mark.parametrize("type_", TYPES, ids=str)
def test_a_type_is_accepted_if_omegaconf_accepts_it(type_: Any) -> None:
    made = make_dataclass("Made", [("value", type_, MISSING)])
    try:
        OmegaConf.structured(made)
        supported = True
    except (OmegaConfBaseException, TypeError):
        supported = False
    found = list(unsupported_options(made))
    assert (not found) == supported
    assert all("the option value has the type" in each for each in found)
