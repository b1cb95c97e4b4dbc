"""A third party's package, built, installed and run as a user would: discovery, training, and broken plugins."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from program_server import Ended, Program

SOURCE = Path(__file__).parents[2] / "examples" / "acme_plugin"
QUICK = ("train.bootstrap_resamples=50",)

Installed = Callable[..., Ended]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plugin installed from its wheel; on PYTHONPATH its entry point is found."""
    work = tmp_path_factory.mktemp("acme")
    copy = shutil.copytree(SOURCE, work / "source", ignore=shutil.ignore_patterns("__pycache__", "dist"))
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(work / "dist"), str(copy)]
    _succeed(build, work)
    (wheel,) = (work / "dist").glob("*.whl")
    install = ["install", "--quiet", "--no-deps", "--no-index", "--target", str(work / "site"), str(wheel)]
    _succeed([sys.executable, "-m", "pip", *install], work)
    return work / "site"


def _succeed(command: list[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture
def run_installed(program: Program, site: Path, tmp_path: Path) -> Installed:
    """Runs `python -m core …` in an empty folder, with the plugin installed."""

    def run(*words: str, path: tuple[Path, ...] = (), **variables: str) -> Ended:
        environment = {"GRAFT_PLUGINS": "", "GRAFT_CACHE": str(tmp_path / "cache"), **variables}
        return program.run(*words, cwd=tmp_path, path=(site, *path), **environment)

    return run


def answer(result: Ended) -> Any:
    assert result.code == 0, result.err
    return json.loads(result.out)


def distribution(folder: Path, name: str, point: str, module: str) -> Path:
    """An installed package, as far as entry points go."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[graft.plugins]\n{point} = {module}\n", encoding="utf-8")
    return folder


# --- found ----------------------------------------------------------------------------------------------------------


def test_it_is_listed_with_what_it_announces(run_installed: Installed) -> None:
    plugins = {plugin["name"]: plugin for plugin in answer(run_installed("plugins", "--json"))}
    acme = plugins["acme"]
    assert acme["origin"] == "acme-graft 0.1.0"
    assert not acme["failure"]
    assert acme["announces"] == {
        "model": ["bag", "naive_bayes"], "data": ["tickets"], "method": ["anchor"], "metric": ["quadratic_kappa"],
    }  # fmt: skip
    assert acme["presets"] == ["pkg://acme_graft.conf"]


def test_its_components_and_presets_stand_beside_the_built_in_ones(run_installed: Installed) -> None:
    entries = {(entry["group"], entry["name"]): entry for entry in answer(run_installed("list", "--json"))}
    ours = {key for key, entry in entries.items() if entry["owner"] == "acme"}
    assert ours == {
        ("task", "urgency"), ("data", "tickets"), ("model", "bag"), ("model", "bag_small"), ("model", "naive_bayes"),
        ("method", "anchor"), ("metric", "quadratic_kappa"), ("metrics", "ordinal"),
    }  # fmt: skip
    assert entries["model", "bag_small"]["summary"] == "A small bag of words: trains in seconds."
    assert ("model", "roberta") in entries


def test_python_itself_finds_it_by_its_entry_point(site: Path, tmp_path: Path) -> None:
    """Once as the operating system starts it; the other tests start faster."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GRAFT_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "core", "list", "model", "--json"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert {"bag", "bag_small", "roberta"} <= {entry["name"] for entry in json.loads(result.stdout)}


def test_show_gives_its_options(run_installed: Installed) -> None:
    shown = answer(run_installed("show", "model/bag_small", "--json"))
    assert {"width", "vocabulary"} <= {option["name"] for option in shown["options"]}


def test_a_misspelt_option_of_it_is_corrected(run_installed: Installed) -> None:
    result = run_installed("task=urgency", "model.widht=8")
    assert result.code == 2
    assert "Did you mean model.width?" in result.err


# --- runs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "loader", "method"),
    [
        ((), "bag", "full"),
        (("model=bag", "method=anchor", "train.epochs=10"), "bag", "anchor"),
        (("method=lora", "train.epochs=10"), "bag", "lora"),
        (("model=naive_bayes",), "naive_bayes", "full"),
    ],
)
def test_its_task_trains(
    run_installed: Installed, tmp_path: Path, words: tuple[str, ...], loader: str, method: str
) -> None:
    """Its task, data, model, method and metric on Graft's road; then its model answers in another process."""
    result = run_installed("task=urgency", *words, *QUICK, f"hydra.run.dir={tmp_path / 'run'}")
    assert result.code == 0, result.err
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["status"] == "completed"
    assert report["data"]["adapter"] == "tickets"
    assert (report["model"]["loader"], report["model"]["method"]) == (loader, method)
    assert report["self_test"]["passed"]
    assert set(report["scores"]["test"]) == {"quadratic_kappa", "accuracy", "f1_macro"}
    assert report["per_class"][0]["label"] == "low"

    predicted = answer(run_installed("predict", str(tmp_path / "run"), "The lamp is smoking, help me right now!"))
    assert predicted["label"] in ("low", "normal", "high")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("model=naive_bayes", "train.epochs=5"), "train.epochs: does not apply to naive_bayes"),
        (("model=naive_bayes", "method=anchor"), "anchor cannot adapt naive_bayes"),
        (("data.path=missing.toml",), "missing.toml cannot be read"),
    ],
)
def test_what_cannot_work_is_refused(run_installed: Installed, words: tuple[str, ...], message: str) -> None:
    result = run_installed("task=urgency", *words, *QUICK)
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err


def test_its_own_tests_pass(site: Path, tmp_path: Path) -> None:
    """The conformance kit as an author runs it."""
    tests = shutil.copytree(SOURCE / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


# --- goes wrong -----------------------------------------------------------------------------------------------------

SECOND = '''
"""A second plugin with a component of the same name."""
from dataclasses import dataclass
from typing import ClassVar
from core import hookimpl
from core.contracts.components import DataAdapter

@dataclass
class Tickets(DataAdapter):
    """Other tickets."""
    name: ClassVar[str] = "tickets"
    def load(self, task, seed):
        raise NotImplementedError

@hookimpl
def data_adapters():
    return [Tickets]
'''


def test_of_two_plugins_with_one_name_both_are_left_out(run_installed: Installed, tmp_path: Path) -> None:
    second = tmp_path / "second.py"
    second.write_text(SECOND, encoding="utf-8")
    result = run_installed("list", "data", GRAFT_PLUGINS=str(second))
    assert result.code == 0
    assert "tickets" not in result.out
    lines = result.err.splitlines()
    assert len(lines) == 2
    assert "plugin acme (acme-graft 0.1.0) is left out: the data 'tickets' is announced by second too" in lines[0]
    assert "plugin second (GRAFT_PLUGINS) is left out: the data 'tickets' is announced by acme too" in lines[1]
    assert run_installed("list", GRAFT_PLUGINS=str(second), GRAFT_STRICT="1").code == 2
    named = run_installed("data=tickets", GRAFT_PLUGINS=str(second))
    assert named.code == 2
    assert "the data 'tickets' belongs to the plugin " in named.err

    # either of them can be switched off
    for disabled in ("second", "acme"):
        entries = answer(run_installed("list", "data", "--json", GRAFT_PLUGINS=str(second), GRAFT_DISABLE=disabled))
        owners = {entry["name"]: entry["owner"] for entry in entries}
        assert owners["tickets"] == {"second": "acme", "acme": "second"}[disabled]


def test_of_one_entry_point_in_two_packages_neither_is_used(run_installed: Installed, tmp_path: Path) -> None:
    other = distribution(tmp_path / "other", "other_graft", "acme", "json")
    result = run_installed("list", path=(other,))
    assert result.code == 0
    assert "tickets" not in result.out
    (line,) = result.err.splitlines()
    assert "acme-graft 0.1.0" in line
    assert "other_graft 1.0" in line
    assert run_installed("list", path=(other,), GRAFT_STRICT="1").code == 2


def test_an_entry_point_with_the_name_of_a_built_in_one_does_not_take_its_place(
    run_installed: Installed, tmp_path: Path
) -> None:
    other = distribution(tmp_path / "other", "other_graft", "methods", "json")
    result = run_installed("list", "methods", path=(other,))
    assert result.code == 0
    assert "lora" in result.out
    (line,) = result.err.splitlines()
    assert "other_graft 1.0" in line


def test_a_switched_off_entry_point_is_not_in_the_way(run_installed: Installed, tmp_path: Path) -> None:
    """The cure that the error names works."""
    other = distribution(tmp_path / "other", "other_graft", "acme", "json")
    names = {
        plugin["name"] for plugin in answer(run_installed("plugins", "--json", path=(other,), GRAFT_DISABLE="acme"))
    }
    assert "acme" not in names
    assert "text" in names


def test_a_broken_plugin_costs_one_line(run_installed: Installed, tmp_path: Path) -> None:
    folder = distribution(tmp_path / "broken", "broken_graft", "broken", "broken_graft")
    (folder / "broken_graft.py").write_text("import a_package_that_is_not_there\n", encoding="utf-8")
    result = run_installed("list", "--json", path=(folder,))
    assert ("task", "urgency") in {(entry["group"], entry["name"]) for entry in answer(result)}
    (line,) = result.err.splitlines()
    assert "broken" in line
    assert "a_package_that_is_not_there" in line

    shown = {plugin["name"]: plugin for plugin in answer(run_installed("plugins", "--json", path=(folder,)))}
    assert "Traceback" in shown["broken"]["failure"]
    assert "import a_package_that_is_not_there" in shown["broken"]["failure"]

    strict = run_installed("list", path=(folder,), GRAFT_STRICT="1")
    assert strict.code == 2
    assert "broken_graft 1.0" in strict.err

    off = run_installed("list", path=(folder,), GRAFT_DISABLE="broken", GRAFT_STRICT="1")
    assert off.code == 0
    assert not off.err


def test_a_hook_that_fails_costs_one_line(run_installed: Installed, tmp_path: Path) -> None:
    plugin = tmp_path / "late.py"
    source = "from core import hookimpl\n@hookimpl\ndef metrics():\n    raise RuntimeError('no licence')\n"
    plugin.write_text(source, encoding="utf-8")
    result = run_installed("list", GRAFT_PLUGINS=str(plugin))
    assert result.code == 0
    (line,) = result.err.splitlines()
    assert "late" in line
    assert "no licence" in line


def test_a_plugin_can_be_switched_off(run_installed: Installed) -> None:
    entries = answer(run_installed("list", "--json", GRAFT_DISABLE="acme"))
    assert "acme" not in {entry["owner"] for entry in entries}
    result = run_installed("task=urgency", GRAFT_DISABLE="acme")
    assert result.code == 2
    assert "there is no task 'urgency'" in result.err
