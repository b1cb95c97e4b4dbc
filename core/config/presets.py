"""The presets of one command: YAML files of Graft, of the plugins, and of the folders in `--config-dir`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from core.errors import ConfigError, Problem
from core.registry.preset_files import GROUPS, Preset, directory, locate, presets_in
from core.registry.registry import Registry, load_registry


@dataclass(frozen=True)
class PresetFolders:
    """The folders in which a command looks for presets. The command line creates one and passes it on.

    Attributes:
        registry: The plugins, which can announce folders.
        own: The folders that the user gave with `--config-dir`.
    """

    registry: Registry
    own: tuple[Path, ...] = ()

    @classmethod
    def named(cls, folders: Sequence[str] = ()) -> PresetFolders:
        """Return the folders of Graft and of the plugins, and `folders`.

        Raises:
            ConfigError: A folder does not exist.
        """
        own = []
        for folder in folders:
            path = Path(folder).expanduser().absolute()
            if not folder or not path.is_dir():
                raise ConfigError(Problem("--config-dir", f"there is no folder {folder!r}."))
            own.append(path)
        return cls(load_registry(), tuple(dict.fromkeys(own)))

    @cached_property
    def folders(self) -> list[tuple[str, Path]]:
        """Every folder with its owner, Graft's first."""
        result = [("graft", directory())]
        result += [(owner, locate(path, owner)) for path, owner in self.registry.config_paths]
        return result + [("--config-dir", folder) for folder in self.own]

    @cached_property
    def presets(self) -> list[Preset]:
        """Every preset, sorted by group and name."""
        presets = [preset for owner, folder in self.folders for preset in presets_in(folder, owner)]
        return sorted(presets, key=lambda preset: (GROUPS.index(preset.group), preset.name))

    def names(self, group: str) -> list[str]:
        """Return the sorted names that can be chosen in a group: components and presets."""
        files = {path.stem for _, folder in self.folders for path in (folder / group).glob("*.yaml")}
        return sorted(files | set(self.registry.components.get(group, {})))

    def refuse_duplicates(self) -> None:
        """Refuse two presets with the same name; Hydra would silently use the first.

        Raises:
            ConfigError: Two presets of a group have the same name, or a preset has the name of a component.
        """
        seen: dict[tuple[str, str], Preset] = {}
        problems = []
        for preset in self.presets:
            other = seen.setdefault((preset.group, preset.name), preset)
            where = f"preset {preset.group}/{preset.name}"
            if other is not preset:
                problems.append(Problem(where, f"is in {other.path} and in {preset.path}.", "Rename one of them."))
            owner = self.registry.owners.get(preset.group, {}).get(preset.name)
            if owner is not None:
                message = f"has the name of a component (plugin {owner})."
                problems.append(Problem(where, message, f"Rename {preset.path}."))
        if problems:
            raise ConfigError(*problems)


def every() -> list[Preset]:
    """Return every preset of Graft and of the plugins, sorted by group and name."""
    return PresetFolders.named().presets
