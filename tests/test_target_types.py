"""Core knows no target type by name, every registered one keeps its contract, and plugins can add others."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import pytest
from program_server import Ended, Program

from core.contracts.model import LoadRequest
from core.registry.registry import load_registry
from core.tasks.detection.target import BoxesTarget
from core.tasks.targets.multi_label import MultiLabel
from core.tasks.targets.regression import Regression
from core.tasks.targets.single_label import SingleLabel
from core.tasks.targets.target import TargetType
from core.tasks.task import Task
from core.testing.components import check_component
from core.testing.data import check_data_adapter
from core.testing.metrics import check_metric
from core.testing.models import check_model_loader
from core.testing.targets import check_target_type

ROOT = Path(__file__).parents[1]
BUILT_IN: tuple[type[TargetType], ...] = (SingleLabel, MultiLabel, Regression, BoxesTarget)
NAMES = {each.name for each in BUILT_IN}
CLASSES = {each.__name__ for each in BUILT_IN}
CONSTANTS = {"SINGLE", "MULTI", "REGRESSION", "BOXES"}
COLUMNS = {"ap50", "ap50_95"}
OBJECTS = {"Boxes", "Detections"}
"""The classes of the targets and predictions of `boxes`."""
AT_HOME = ("core/tasks/", "core/testing/", "core/registry/builtin.py")
"""Where target types are defined, tested and announced."""
DOCUMENTS = {"core/cli/contracts_reference.py": OBJECTS}
"""Names that a module can use: the generated page of contracts documents the classes of examples and their targets."""


def switches(source: str, allowed: Set[str] = frozenset()) -> list[str]:
    """Return what a module knows about built-in target types, one description per place.

    Args:
        source: The module's source.
        allowed: Names of classes that it can use.
    """
    tree, found = ast.parse(source), []
    known_names = CLASSES | CONSTANTS | OBJECTS
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            if node.value in NAMES | COLUMNS:
                found.append(f"line {node.lineno}: the text {node.value!r}")
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names} & (known_names - allowed)
            found += [f"line {node.lineno}: the import of {name}" for name in sorted(names)]
        elif isinstance(node, ast.Attribute) and node.attr in known_names - allowed:
            found.append(f"line {node.lineno}: the attribute {node.attr}")
        elif isinstance(node, ast.Name) and node.id in OBJECTS - allowed:
            found.append(f"line {node.lineno}: a use of {node.id}")
        elif asks_for_objects(node):
            found.append(f"line {node.lineno}: a comparison of a dtype with object")
    return found


def is_object(node: ast.expr) -> bool:
    """Whether an expression is the dtype of objects: `object`, `np.object_`, "object" or "O"."""
    if isinstance(node, ast.Constant):
        return node.value in ("object", "O")
    return ast.unparse(node).rpartition(".")[2] in ("object", "object_")


def asks_for_objects(node: ast.AST) -> TypeGuard[ast.Compare | ast.Call]:
    """Whether a comparison, or a call of `np.issubdtype`, asks if a dtype or its kind is that of objects."""
    if isinstance(node, ast.Call):
        return "issubdtype" in ast.unparse(node.func) and any(map(is_object, node.args))
    if not isinstance(node, ast.Compare):
        return False
    sides = [node.left, *node.comparators]
    dtype = any(isinstance(side, ast.Attribute) and side.attr in ("dtype", "kind") for side in sides)
    return dtype and any(map(is_object, sides))


PLANTED = {
    'def width(task): return 1 if task.target == "regression" else 3': "the text 'regression'",
    "from core.tasks.targets.multi_label import MULTI": "the import of MULTI",
    "from core.tasks.targets.single_label import SingleLabel": "the import of SingleLabel",
    "def listed(values): return list(values) if values.dtype == object else values": "a dtype with object",
    "def listed(values): return list(values) if values.dtype.kind == 'O' else values": "a dtype with object",
    "def listed(values): return list(values) if values.dtype == 'object' else values": "a dtype with object",
    "def listed(values): return np.issubdtype(values.dtype, np.object_)": "a dtype with object",
    "def listed(values): return values.dtype != np.object_": "a dtype with object",
    'def title(row): return row["ap50"]': "the text 'ap50'",
    "def width(task): return 1 if task.target == tasks.REGRESSION else 3": "the attribute REGRESSION",
    "def single(target): return isinstance(target, tasks.SingleLabel)": "the attribute SingleLabel",
    "def boxes(target): return isinstance(target, tasks.Boxes)": "the attribute Boxes",
    "from core.tasks import Boxes": "the import of Boxes",
    "from core.tasks.detection.boxes import Detections": "the import of Detections",
    "def found(values): return isinstance(values[0], Detections)": "a use of Detections",
}


@pytest.mark.parametrize(("source", "message"), PLANTED.items())
def test_a_switch_on_a_target_type_is_caught(source: str, message: str) -> None:
    (found,) = switches(source)
    assert message in found


def test_words_in_docstrings_are_no_switches() -> None:
    assert not switches('"""single"""\nclass A:\n    """multi"""\n\n    def b(self):\n        """boxes"""\n')


def test_core_knows_no_target_type() -> None:
    paths = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "core").rglob("*.py"))]
    assert len(paths) > 80
    known = {
        path: found
        for path in paths
        if not path.startswith(AT_HOME)
        and (found := switches((ROOT / path).read_text(encoding="utf-8"), DOCUMENTS.get(path, set())))
    }
    assert not known


def test_only_the_allowed_names_are_left_out() -> None:
    source = "from core.tasks import Boxes, MULTI\n\nPARTS = (Boxes,)\n"
    assert switches(source, OBJECTS) == ["line 1: the import of MULTI"]


@pytest.mark.parametrize("name", sorted(load_registry().components["target_type"]))
def test_every_target_type_keeps_its_contract(name: str) -> None:
    check_component(load_registry().components["target_type"][name])
    check_target_type(load_registry().target(name))


# --- a fifth target type, as a package of its own -------------------------------------------------------------------

Installed = Callable[..., Ended]
SOURCE = ROOT / "examples" / "ordinal_plugin"
SIZES = (
    "model.hidden_size=16",
    "model.layers=1",
    "model.attention_heads=2",
    "model.vocabulary=300",
    "model.max_length=16",
)
WORDS = (
    "task=text_classification",
    "task.target=ordinal",
    "task.labels=[low,normal,high]",
    "model=bert",
    "model.init=scratch",
    *SIZES,
    "train.epochs=3",
    "train.batch_size=8",
    "train.precision=fp32",
    "train.bootstrap_resamples=50",
)
STOP = """
import os, signal
from core import hookimpl

@hookimpl
def step_logged(step):
    if step == 20:
        os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package installed from its wheel."""
    work = tmp_path_factory.mktemp("ordinal")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(work), str(SOURCE)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = work.glob("*.whl")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    subprocess.run([*install, str(work / "site"), str(wheel)], check=True, capture_output=True)
    return work / "site"


@pytest.fixture(scope="module")
def tickets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of texts whose urgency can be learned."""
    own = {"low": "whenever you like", "normal": "this week please", "high": "right now it burns"}
    things = ("lamp", "door", "printer", "window", "heater", "phone")
    rows = [
        f"{text} the {thing} number {n},{urgency}"
        for n in range(6)
        for thing in things
        for urgency, text in own.items()
    ]
    path = tmp_path_factory.mktemp("tickets") / "tickets.csv"
    path.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def installed(program: Program, site: Path) -> Installed:
    """Runs `python -m core …` with the package installed."""

    def run(*words: object, **variables: str) -> Ended:
        environment = {"GRAFT_PLUGINS": "", "GRAFT_CACHE": str(site.parent / "cache"), **variables}
        return program.run(*words, cwd=site.parent, path=(site,), **environment)

    return run


def digest(run: Path) -> str:
    return hashlib.sha256((run / "model" / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def trained(installed: Installed, site: Path, tickets: Path) -> Path:
    """A finished run of the fifth target type with a built-in encoder."""
    run = site.parent / "run"
    result = installed(*WORDS, f"data.path={tickets}", f"hydra.run.dir={run}")
    assert result.code == 0, result.err
    assert "Steps between truth and prediction, on the test split" in result.out
    return run


def test_a_fifth_target_type_trains_with_a_built_in_encoder(trained: Path) -> None:
    report = json.loads((trained / "report.json").read_text(encoding="utf-8"))
    assert report["status"] == "completed"
    assert report["self_test"]["passed"]
    assert json.loads((trained / "model" / "config.json").read_text(encoding="utf-8"))["label_names"] == [
        "low", "normal", "high",
    ]  # fmt: skip
    score = report["scores"]["test"]["accuracy"]
    assert score["low"] <= score["value"] <= score["high"]
    assert {"majority", "tfidf_linear"} <= set(report["scores"]["baselines"])
    assert [row["label"] for row in report["per_class"]] == ["low", "normal", "high"]
    assert [row["steps"] for row in report["steps_off"]] == [0, 1, 2]
    assert sum(row["examples"] for row in report["steps_off"]) == report["data"]["sizes"]["test"]
    lines = [json.loads(line) for line in (trained / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    for line in lines:
        assert line["label"] == max(line["probabilities"], key=line["probabilities"].__getitem__)
        assert sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-4)


def test_it_predicts(installed: Installed, trained: Path) -> None:
    result = installed("predict", str(trained), "right now it burns the door number 9")
    assert result.code == 0, result.err
    assert set(json.loads(result.out)["probabilities"]) == {"low", "normal", "high"}


def test_it_resumes_with_the_same_weights(installed: Installed, tickets: Path, trained: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "stop.py"
    plugin.write_text(STOP, encoding="utf-8")
    words = [*WORDS, f"data.path={tickets}", f"hydra.run.dir={tmp_path / 'run'}"]
    assert installed(*words, GRAFT_PLUGINS=str(plugin)).code == 130
    assert json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))["status"] == "interrupted"
    result = installed("resume", str(tmp_path / "run"))
    assert result.code == 0, result.err
    assert digest(tmp_path / "run") == digest(trained)


def test_labels_without_a_stated_order_are_refused(installed: Installed, tickets: Path) -> None:
    words = [word for word in WORDS if not word.startswith("task.labels")]
    result = installed("check", *words, f"data.path={tickets}")
    assert result.code == 2
    assert "the order of the labels (high, low, normal) is not known" in result.err


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("train.label_smoothing=0.1", "does not apply to the target type ordinal"),
        ("task.target=ordinl", "Did you mean 'ordinal'?"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_heavy(installed: Installed, word: str, message: str) -> None:
    result = installed("check", "--quick", *WORDS, word)
    assert result.code == 2
    assert message in result.err


def test_its_contract(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(site))
    from importlib import import_module

    ordinal: Any = import_module("ordinal_graft.plugin").Ordinal
    check_component(ordinal)
    check_target_type(ordinal())
    import torch

    logits = torch.tensor([[4.0, 2.0], [-3.0, 5.0]])
    predictions = ordinal().predictions(logits)
    assert predictions.sum(dim=1).tolist() == pytest.approx([1, 1])
    assert (predictions >= 0).all()
    far, near = (ordinal().losses(torch.tensor([[6.0, 6.0]]), torch.tensor([label])) for label in (0, 1))
    assert float(far) > float(near) > 0
    assert np.isfinite(float(far))


# --- a target type with arrays of objects, of many lengths ----------------------------------------------------------

TAGGING = (
    "task=tagging",
    "method=full",
    "train.epochs=4",
    "train.batch_size=16",
    "train.precision=fp32",
    "train.bootstrap_resamples=50",
)
TAGS = {"GRAFT_PLUGINS": "tags_plugin.plugin"}


@pytest.fixture(scope="module")
def tagged(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of `tests/support/tags_plugin`."""
    run = tmp_path_factory.mktemp("tags") / "run"
    result = program.run(*TAGGING, f"hydra.run.dir={run}", **TAGS)
    assert result.code == 0, result.err
    assert "Words by tag, on the test split" in result.out
    return run


def test_tags_are_trained_scored_and_written(tagged: Path) -> None:
    report = json.loads((tagged / "report.json").read_text(encoding="utf-8"))
    assert report["status"] == "completed"
    assert report["self_test"]["passed"]
    score = report["scores"]["test"]["tag_accuracy"]
    baseline = report["scores"]["baselines"]["most_frequent_tag"]["tag_accuracy"]
    assert baseline["low"] < baseline["value"] < baseline["high"] < score["low"] <= score["value"] <= score["high"]
    lines = [json.loads(line) for line in (tagged / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len({len(line["words"]) for line in lines}) > 3
    assert all([word for word, _ in line["target"]] == line["words"] for line in lines)
    pairs = [pair for line in lines for pair in zip(line["target"], line["tags"], strict=True)]
    assert [row["tag"] for row in report["per_tag"]] == ["other", "person", "place"]
    for row in report["per_tag"]:
        own = [tag for (_, true), tag in pairs if true == row["tag"]]
        assert (len(own), own.count(row["tag"])) == (row["words"], row["correct"])
    assert score["value"] == pytest.approx(sum(true == tag for (_, true), tag in pairs) / len(pairs))


def test_tags_are_predicted_as_rows_of_a_csv(program: Program, tagged: Path) -> None:
    result = program.run("predict", tagged, "Ann met Bob in Rome", "Oslo", "--format", "csv", **TAGS)
    assert result.code == 0, result.err
    assert result.out.splitlines() == [
        "word,tag", "Ann,person", "met,other", "Bob,person", "in,other", "Rome,place", "Oslo,place",
    ]  # fmt: skip


def test_tags_are_predicted_in_a_format_of_their_own(program: Program, tagged: Path, tmp_path: Path) -> None:
    words = ("predict", tagged, "Ann met Bob", "Oslo")
    result = program.run(*words, "--format", "conll", **TAGS)
    assert result.code == 0, result.err
    assert result.out == "Ann\tperson\nmet\tother\nBob\tperson\n\nOslo\tplace\n\n"
    other = shutil.copytree(tagged, tmp_path / "other")
    result = program.run(*words, "--with", other, "--format", "conll", **TAGS)
    assert result.code == 0, result.err
    first, second = f"# run = {tagged}", f"# run = {other}"
    assert [line for line in result.out.splitlines() if line[:1] == "#"] == [first, second] * 2


def test_a_format_that_does_not_exist_is_refused_with_the_nearest(program: Program, tagged: Path) -> None:
    result = program.run("predict", tagged, "Ann met Bob", "--format", "conl", **TAGS)
    assert result.code == 2
    assert result.out == ""
    assert "has the target type word_tags, which has no output format 'conl'." in result.err
    assert "Did you mean 'conll'? There are: conll, csv, jsonl." in result.err


def test_tags_resume_with_the_same_weights(program: Program, tagged: Path, tmp_path: Path) -> None:
    plugin, run = tmp_path / "stop.py", tmp_path / "run"
    plugin.write_text(STOP, encoding="utf-8")
    stopped = program.run(*TAGGING, f"hydra.run.dir={run}", GRAFT_PLUGINS=f"{TAGS['GRAFT_PLUGINS']},{plugin}")
    assert stopped.code == 130
    assert json.loads((run / "report.json").read_text(encoding="utf-8"))["status"] == "interrupted"
    result = program.run("resume", run, **TAGS)
    assert result.code == 0, result.err
    assert digest(run) == digest(tagged)


def test_tags_keep_every_contract(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tags_plugin import plugin

    registry = load_registry()
    for group, component in plugin.COMPONENTS.items():
        monkeypatch.setitem(registry.components[group], component.name, component)
    for component in plugin.COMPONENTS.values():
        check_component(component)
    task = Task(type="word-tagging", target="word_tags", primary="tag_accuracy")
    splits = plugin.TaggedWords().load(task, 0)
    check_target_type(plugin.Tags(), splits.labels, splits.test)
    check_data_adapter(plugin.TaggedWords(), task)
    check_metric(plugin.TagAccuracy())
    request = LoadRequest(registry.output(task, splits.labels), splits.train)
    check_model_loader(plugin.Tagger(), tmp_path, request=request)
