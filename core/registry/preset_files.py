"""Find the folders of presets and the YAML files in them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import PluginError, Problem

GROUPS = ("task", "data", "model", "method", "metrics", "train", "recipe", "experiment")
"""The groups of presets on the command line, in the order of the pipeline."""


@dataclass(frozen=True)
class Preset:
    """A preset: one YAML file.

    Attributes:
        group: Its folder, such as `model`.
        name: Its name without `.yaml`.
        path: The file.
        owner: `graft`, the plugin that announced its folder, or `--config-dir`.
    """

    group: str
    name: str
    path: Path
    owner: str

    @property
    def summary(self) -> str:
        """The first comment of the file."""
        for line in self.path.read_text(encoding="utf-8").splitlines():
            if line.startswith("#") and not line.startswith("# @package"):
                return line.lstrip("# ").strip()
        return ""


def directory() -> Path:
    """Return Graft's folder `conf/`: inside the package if installed from a wheel, beside it in a checkout."""
    for folder in Path(__file__).resolve().parents:
        if (folder / "conf" / "config.yaml").is_file():
            return folder / "conf"
    raise FileNotFoundError("Graft's folder conf/ is missing; install Graft again.")


def locate(path: str, owner: str) -> Path:
    """Return the folder of a Hydra search path: `pkg://acme.conf`, `file:///…`, or a plain path.

    Raises:
        PluginError: The folder does not exist, or Hydra cannot find it.
    """
    folder = _folder(path)
    if folder is None or not folder.is_dir():
        raise PluginError(Problem(f"plugin {owner}", f"announces presets in {path!r}, but there is no such folder."))
    if path.startswith("pkg://") and not (folder / "__init__.py").is_file():
        message = f"announces presets in {path!r}, but Hydra finds a folder of a package only if it has an __init__.py."
        raise PluginError(Problem(f"plugin {owner}", message, f"Create an empty {folder / '__init__.py'}."))
    return folder


def _folder(path: str) -> Path | None:
    if not path.startswith("pkg://"):
        return Path(path.removeprefix("file://"))
    package, _, rest = path.removeprefix("pkg://").partition(".")
    spec = importlib.util.find_spec(package)
    roots = list(spec.submodule_search_locations or ()) if spec else []
    return Path(roots[0], *rest.split(".")) if roots else None


def presets_in(folder: Path, owner: str) -> Iterator[Preset]:
    """Yield the presets of a folder with the layout of `conf/`."""
    for path in sorted(folder.glob("*/*.yaml")):
        if path.parent.name in GROUPS:
            yield Preset(path.parent.name, path.stem, path, owner)
