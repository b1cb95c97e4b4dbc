"""The public names of every room resolve, and the three lists of them agree."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

PUBLIC = {
    "core": (
        "hookimpl option DataAdapter ModelLoader AdapterMethod Metric TaskType TargetType Task OutputSpec Splits "
        "SplitOptions LoadedModel WrappedModel LoadRequest TrainingPlan ParamGroup QuantizationConfig Provenance "
        "PreparedDataset SupportsFeatures SupportsFit SupportsPreview SupportsFastDropout Footprint capabilities "
        "RunConfig TrainConfig run resume Problem GraftError ConfigError DataError WeightsError"
    ),
    "core.tasks": (
        "TextExample ImageExample BoxExample Boxes Detections Predictions Targets Encoded Encoder ResultTable "
        "SingleLabel MultiLabel Regression BoxesTarget"
    ),
    "core.data": "Row Source RowIssue DataIssue build_splits",
    "core.training": "per_example_loss to_predictions",
    "core.runtime": "unwrap cache_directory",
    "core.images": "open_image",
    "core.pretrained": "find_weights",
    "core.inference": "Predictor",
    "core.testing": (
        "check_plugin check_component check_preset check_light check_data_adapter check_model_loader check_method "
        "check_cell check_metric check_target_type"
    ),
}
"""What a plugin's author imports, and from where."""
CORE = Path(__file__).parents[2] / "core"
ROOMS = sorted(
    ".".join(path.relative_to(CORE.parent).parent.parts)
    for path in CORE.rglob("__init__.py")
    if "lazy_face(" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_resolves(room: str) -> None:
    package = importlib.import_module(room)
    for name in package.__all__:
        assert getattr(package, name) is not None


@pytest.mark.parametrize("room", PUBLIC)
def test_a_plugin_finds_every_name_that_it_needs(room: str) -> None:
    package = importlib.import_module(room)
    for name in PUBLIC[room].split():
        assert name in package.__all__
        assert getattr(package, name) is not None


@pytest.mark.parametrize("folder", ["acme_plugin", "ordinal_plugin"])
def test_the_example_plugins_import_rooms_only(folder: str) -> None:
    """From `core` or from a room, never from a module inside a room or from another plugin."""
    imported = {
        node.module
        for path in (CORE.parent / "examples" / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ("core", "plugins")
    }
    assert imported
    assert imported <= set(PUBLIC)


@pytest.mark.parametrize("room", ROOMS)
def test_the_types_and_the_table_name_the_same(room: str) -> None:
    """A room lists its names for type checkers (`if TYPE_CHECKING`), for `lazy_face` (`else`), and in `__all__`."""
    package = importlib.import_module(room)
    assert package.__file__ is not None
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    (switch,) = [node for node in tree.body if isinstance(node, ast.If)]
    for_checkers = {
        (node.module, alias.name) for node in switch.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    lazy_face_call = switch.orelse[0].value  # type: ignore[attr-defined]
    table = ast.literal_eval(lazy_face_call.args[1])
    lazy = {(module, name) for module, names in table.items() for name in names}
    # A room may also import light names at once, outside the switch.
    eager = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    public = set(package.__all__)
    assert for_checkers == lazy
    assert {name for _, name in lazy} | (eager & public) == public


@pytest.mark.parametrize("room", ROOMS)
def test_importing_a_room_imports_nothing_heavy(room: str) -> None:
    code = f"import sys, {room}; print(*[m for m in ('numpy', 'torch', 'PIL', 'hydra') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CORE.parent)
    assert done.stdout.split() == []
