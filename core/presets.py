"""The presets: YAML files in `conf/`, Graft's own and those of plugins, with the line that says what each is."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from core.errors import ConfigError, PluginError, Problem
from core.registry import load

GROUPS = ("task", "data", "model", "method", "metrics", "train", "recipe", "experiment")
"""The groups that a command line chooses from, in the order of the road."""

own: list[Path] = []
"""Folders of presets that the person at the command line named with `--config-dir`."""


@dataclass(frozen=True)
class Preset:
    """One YAML file.

    Attributes:
        group: Its folder, such as `model`.
        name: Its name without `.yaml`.
        summary: Its first comment.
        path: The file.
        owner: `graft`, the plugin that announced its folder, or `--config-dir`.
    """

    group: str
    name: str
    summary: str
    path: Path
    owner: str


def directory() -> Path:
    """Graft's own `conf/`: inside the package when installed from a wheel, beside it in a checkout."""
    core = Path(__file__).resolve().parent
    inside = core / "conf"
    return inside if inside.is_dir() else core.parent / "conf"


def folders() -> list[tuple[str, Path]]:
    """Every folder of presets, with its owner, Graft's own first.

    Raises:
        PluginError: A plugin announced a folder that does not exist.
    """
    found = [("graft", directory())]
    for path, owner in load().config_paths:
        folder = _locate(path)
        if folder is None or not folder.is_dir():
            raise PluginError(
                Problem(f"plugin {owner}", f"announces presets in {path!r}, and there is no such folder.")
            )
        if path.startswith("pkg://") and not (folder / "__init__.py").is_file():
            message = f"announces presets in {path!r}, and Hydra sees no folder of a package without an __init__.py."
            raise PluginError(Problem(f"plugin {owner}", message, f"Make an empty {folder / '__init__.py'}."))
        found.append((owner, folder))
    return found + [("--config-dir", folder) for folder in own]


def use(folder: str) -> None:
    """Take presets from one more folder.

    Raises:
        ConfigError: There is no such folder.
    """
    path = Path(folder).expanduser().absolute()
    if not path.is_dir():
        raise ConfigError(Problem("--config-dir", f"there is no folder {folder!r}."))
    if path not in own:
        own.append(path)


def _locate(path: str) -> Path | None:
    """The folder of a Hydra search path: `pkg://acme.conf`, `file:///…`, or a plain path."""
    if path.startswith("pkg://"):
        package, _, rest = path.removeprefix("pkg://").partition(".")
        spec = importlib.util.find_spec(package)
        roots = list(spec.submodule_search_locations or ()) if spec else []
        return Path(roots[0], *rest.split(".")) if roots else None
    return Path(path.removeprefix("file://"))


def every() -> list[Preset]:
    """Every preset, by group and name."""
    found = []
    for owner, folder in folders():
        for path in sorted(folder.glob("*/*.yaml")):
            if path.parent.name in GROUPS:
                found.append(Preset(path.parent.name, path.stem, _summary(path), path, owner))
    return sorted(found, key=lambda preset: (GROUPS.index(preset.group), preset.name))


def _summary(path: Path) -> str:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and not line.startswith("# @package"):
            return line.lstrip("# ").strip()
    return ""


def refuse_duplicates() -> None:
    """Hydra takes the first of two presets of one name silently; Graft does not.

    Raises:
        PluginError: Two presets of a group bear one name, or a preset bears the name of a component.
    """
    seen: dict[tuple[str, str], Preset] = {}
    problems = []
    for preset in every():
        other = seen.setdefault((preset.group, preset.name), preset)
        where = f"preset {preset.group}/{preset.name}"
        if other is not preset:
            problems.append(Problem(where, f"is in {other.path} and in {preset.path}.", "Rename one of them."))
        if preset.name in load().components.get(preset.group, {}):
            owner = load().owners[preset.group][preset.name]
            problems.append(
                Problem(where, f"bears the name of a component (plugin {owner}).", f"Rename {preset.path}.")
            )
    if problems:
        raise PluginError(*problems)
