"""Check a plugin: it is installed, light to import, and its components and presets are valid."""

from __future__ import annotations

import json
import subprocess
import sys

from core.component import Component
from core.config import presets
from core.errors import GraftError
from core.registry.hookspecs import CALLED_AT_START
from core.registry.preset_files import Preset
from core.registry.registry import load_registry
from core.testing.components import check_component
from core.testing.expect import Subject

HEAVY = (
    "accelerate", "cv2", "datasets", "matplotlib", "numpy", "pandas", "peft", "PIL", "pyarrow", "safetensors", "scipy",
    "sklearn", "timm", "tokenizers", "torch", "torchmetrics", "torchvision", "transformers", "ultralytics",
)  # fmt: skip
"""Packages that a plugin's module must not import: each slows every command, even `--help`, by up to seconds."""

_PROBE = """
import importlib, json, sys
module = importlib.import_module(sys.argv[1])
for hook in json.loads(sys.argv[2]):
    getattr(module, hook, lambda: None)()
print(json.dumps([name for name in json.loads(sys.argv[3]) if name in sys.modules]))
"""


def check_plugin(name: str) -> None:
    """Check an installed plugin.

    Requirements:

    - The plugin is installed and can be imported.
    - Its module imports nothing heavy; see `check_light`.
    - All its components pass `check_component`.
    - All its presets pass `check_preset`.

    Args:
        name: The name of its entry point, as `python -m core plugins` shows it.

    Raises:
        AssertionError: A requirement is not met.
    """
    subject, registry = Subject(f"plugin {name}"), load_registry()
    plugins = {plugin.name: plugin for plugin in registry.plugins}
    known = ", ".join(plugins)
    cure = "Install it with pip, or name its module in GRAFT_PLUGINS."
    subject.expect(name in plugins, f"is not installed; the installed plugins are {known}. {cure}")
    subject.expect(not plugins[name].failure, f"cannot be imported:\n{plugins[name].failure}")
    check_light(getattr(registry.manager.get_plugin(name), "__name__"))
    for component in _components_of(name):
        check_component(component)
    for preset in presets.every():
        if preset.owner == name:
            check_preset(preset)


def _components_of(plugin: str) -> list[type[Component]]:
    """Return the components that a plugin registers."""
    registry = load_registry()
    return [
        registry.components[group][name]
        for group, owners in registry.owners.items()
        for name, owner in owners.items()
        if owner == plugin
    ]


def check_light(module: str) -> None:
    """Check in a new interpreter that a plugin's module, and its hooks that run at start-up, import nothing heavy.

    `HEAVY` lists the packages that count as heavy.

    Args:
        module: The dotted name of the module, such as `acme_graft.plugin`.

    Raises:
        AssertionError: The module imports a heavy package, or it cannot be imported.
    """
    subject = Subject(module)
    arguments = [module, json.dumps(CALLED_AT_START), json.dumps(HEAVY)]
    result = subprocess.run([sys.executable, "-c", _PROBE, *arguments], capture_output=True, text=True, check=False)
    subject.expect(result.returncode == 0, f"cannot be imported in a new interpreter:\n{result.stderr}")
    heavy = json.loads(result.stdout.strip().splitlines()[-1])
    cure = "Import it inside the method that needs it, or in another module that this method imports."
    subject.expect(not heavy, f"imports {', '.join(heavy)} when Graft starts. {cure}")


def _base_options(preset: Preset) -> list[str]:
    """Return the model and the method that a recipe is for, from its name; nothing for other presets."""
    model, _, method = preset.name.rpartition("-")
    return [f"model={model}", f"method={method}"] if preset.group == "recipe" and model else []


def check_preset(preset: Preset) -> None:
    """Check that a preset begins with a comment and composes with the defaults of all other groups.

    Raises:
        AssertionError: The comment is missing, or the preset does not compose.
    """
    from core.config.compose import resolve

    subject = Subject(f"preset {preset.group}/{preset.name} ({preset.path})")
    subject.expect(preset.summary, "needs a comment in its first line, which `list` shows.")
    try:
        resolve([*_base_options(preset), f"{preset.group}={preset.name}"])
    except GraftError as error:
        hint = ""
        if preset.owner != "graft" and not (preset.path.parents[1] / "__init__.py").is_file():
            hint = (
                "\nHydra finds presets only in folders with an __init__.py. "
                f"Create {preset.path.parents[1]}/__init__.py."
            )
        subject.fail(f"does not compose:\n{error.report()}{hint}")
