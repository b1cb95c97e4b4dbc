"""Labels are read by the layout of the target type, so that types that are `like` a built-in one read the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from image_samples import files

from core.contracts.components import RunConfig
from core.contracts.splits import Splits
from core.tasks.task import Task
from plugins.data.adapters.images import ImageFolder
from plugins.data.adapters.text import Table
from plugins.data.target_layout import layout_of

pytestmark = pytest.mark.usefixtures("vectors")
CELLS = ("red", "red;blue", "", "blue;green")


def targets(splits: Splits) -> dict[str, Any]:
    """Return the targets by place."""
    return {each.place: each.target for part in (splits.train, splits.val, splits.test) for each in part}


@pytest.mark.parametrize(
    ("target", "layout"),
    [("single", "single"), ("multi", "multi"), ("topics", "multi"), ("price", "regression"), ("vec", "vec")],
)
def test_the_layout_is_the_name_or_the_type_that_it_is_like(target: str, layout: str) -> None:
    assert layout_of(Task(target=target)) == layout


def test_several_labels_in_one_cell(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,tags\n" + "".join(f"text number {row},{CELLS[row % 4]}\n" for row in range(40)))
    data = Table(path=str(path), label_separator=";")
    own, built_in = (data.load(Task(target=target), 0) for target in ("topics", "multi"))
    assert own.labels == ("blue", "green", "red")
    assert targets(own) == targets(built_in)
    assert set(targets(own).values()) == {(2,), (0, 2), (), (0, 1)}


def test_a_column_per_label(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,red,blue\n" + "".join(f"text number {row},{row % 2},{row // 2 % 2}\n" for row in range(40)))
    data = Table(path=str(path), text="text", label_columns=["red", "blue"])
    assert not list(data.check(RunConfig(Task(target="topics"))))
    (problem,) = data.check(RunConfig(Task(target="price")))
    assert "columns of 0 and 1 are for multi" in problem.message
    own, built_in = (data.load(Task(target=target), 0) for target in ("topics", "multi"))
    assert own.labels == ("blue", "red")
    assert targets(own) == targets(built_in)


def test_images_with_several_labels(tmp_path: Path) -> None:
    made = files(tmp_path, 40)
    table = tmp_path / "t.csv"
    table.write_text("image,label\n" + "".join(f"{each.place},{CELLS[row % 4]}\n" for row, each in enumerate(made)))
    data = ImageFolder(path=str(table), label_separator=";")
    own, built_in = (data.load(Task(type="image-classification", target=target), 0) for target in ("topics", "multi"))
    assert own.labels == ("blue", "green", "red")
    assert targets(own) == targets(built_in)


def test_values(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,score,label\n" + "".join(f"text number {row},{row + 1}.50,x\n" for row in range(40)))
    own, built_in = (Table(path=str(path)).load(Task(target=target), 0) for target in ("price", "regression"))
    assert targets(own) == targets(built_in)
    assert not own.labels
