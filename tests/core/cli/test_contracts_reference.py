"""The generated page of contracts: it has every public class, and reads docstrings and signatures correctly.

Covers: core/cli/docstrings.py
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from core import contracts
from core.cli.contracts_reference import contract_page
from core.cli.docstrings import parse

PAGE = contract_page()


def section(title: str, level: str = "###") -> str:
    _, _, rest = PAGE.partition(f"\n{level} `{title}`")
    return rest.partition("\n### ")[0]


CLASSES = [
    name
    for name in contracts.__all__
    if name[0].isupper() and not name.isupper() and name not in ("Train", "TrainConfig", "ResolvedTrain")
]


@pytest.mark.parametrize("name", CLASSES)
def test_every_public_contract_is_documented(name: str) -> None:
    assert f"\n### `{name}`\n" in PAGE


def test_a_method_is_shown_with_its_signature_arguments_and_errors() -> None:
    adapter = section("DataAdapter")
    assert "#### `load` (required)" in adapter
    assert "load(self, task: Task, seed: int) -> Splits" in adapter
    assert "- `seed`: " in adapter
    assert "Raises:\n\n- `DataError`: " in adapter
    assert "#### `unlabelled`\n" in adapter


def test_an_attribute_is_shown_with_its_default_and_its_meaning() -> None:
    (row,) = [line for line in section("ModelLoader").splitlines() if line.startswith("| `own_fit`")]
    name, annotation, default, meaning = (cell.strip("| ") for cell in row.split(" | "))
    assert (name, annotation, default) == ("`own_fit`", "`ClassVar[bool]`", "`False`")
    assert meaning


def test_an_attribute_of_a_base_class_is_shown_where_its_meaning_differs() -> None:
    rows = [line for line in section("TargetType").splitlines() if line.startswith("| `task_types`")]
    assert len(rows) == 1
    assert "ClassVar[tuple[str, ...]]" in rows[0]


def test_an_option_is_shown_with_its_default_and_its_help() -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith("| `val_fraction`")]
    assert "`0.1`" in row
    assert "validation split" in row


def test_private_members_are_left_out() -> None:
    assert "#### `_" not in PAGE
    assert "| `_" not in PAGE


def test_sections_of_a_docstring_are_separated() -> None:
    parsed = parse(
        "Do it.\n\nArgs:\n    first: One\n        line more.\n    second: Two.\n\n"
        "More text.\n\nReturns:\n    A number\n    of them."
    )
    assert parsed.text == "Do it.\n\nMore text."
    assert parsed.sections == {
        "Args": [("first", "One line more."), ("second", "Two.")],
        "Returns": [("", "A number of them.")],
    }


def test_nothing_heavy_is_imported() -> None:
    heavy = "'torch', 'numpy', 'PIL', 'hydra'"
    probe = f"import sys, core.cli.contracts_reference; print(*(m for m in ({heavy}) if m in sys.modules))"
    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
