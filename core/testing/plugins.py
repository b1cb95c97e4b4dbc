"""What a plugin must be: found, light to import, made of whole components, with presets that compose."""

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
"""What the module of a plugin must not import: each costs every command, `--help` included, up to seconds."""

_PROBE = """
import importlib, json, sys
module = importlib.import_module(sys.argv[1])
for hook in json.loads(sys.argv[2]):
    getattr(module, hook, lambda: None)()
print(json.dumps([name for name in json.loads(sys.argv[3]) if name in sys.modules]))
"""


def check_plugin(name: str) -> None:
    """Check an installed plugin: it loads, it is light, its components are whole and its presets compose.

    Args:
        name: The name of its entry point, as `python -m core plugins` shows it.

    Raises:
        AssertionError: What is wrong, and what would put it right.
    """
    subject, registry = Subject(f"plugin {name}"), load_registry()
    found = {plugin.name: plugin for plugin in registry.plugins}
    known = ", ".join(found)
    subject.expect(name in found, f"is not installed; there are: {known}. `pip install` it, or set GRAFT_PLUGINS.")
    subject.expect(not found[name].failure, f"cannot be imported:\n{found[name].failure}")
    check_light(getattr(registry.manager.get_plugin(name), "__name__"))
    for component in _owned(name):
        check_component(component)
    for preset in presets.every():
        if preset.owner == name:
            check_preset(preset)


def _owned(plugin: str) -> list[type[Component]]:
    registry = load_registry()
    return [
        registry.components[socket][name]
        for socket, owners in registry.owners.items()
        for name, owner in owners.items()
        if owner == plugin
    ]


def check_light(module: str) -> None:
    """Check that a plugin's module, and the hooks called at start-up, import nothing heavy, in a fresh interpreter.

    Args:
        module: Its dotted name, such as `acme_graft.plugin`.

    Raises:
        AssertionError: It does, or it cannot be imported.
    """
    subject = Subject(module)
    arguments = [module, json.dumps(CALLED_AT_START), json.dumps(HEAVY)]
    result = subprocess.run([sys.executable, "-c", _PROBE, *arguments], capture_output=True, text=True, check=False)
    subject.expect(result.returncode == 0, f"cannot be imported by itself:\n{result.stderr}")
    heavy = json.loads(result.stdout.strip().splitlines()[-1])
    cure = "Import it inside the method that needs it, or in a module of your own that this method imports."
    subject.expect(not heavy, f"imports {', '.join(heavy)} when Graft starts. {cure}")


def _before(preset: Preset) -> list[str]:
    """What a recipe is for, by its name; of other presets, nothing."""
    model, _, method = preset.name.rpartition("-")
    return [f"model={model}", f"method={method}"] if preset.group == "recipe" and model else []


def check_preset(preset: Preset) -> None:
    """Check that a preset says what it is and composes with the defaults of everything else.

    Raises:
        AssertionError: What is wrong, and what would put it right.
    """
    from core.config.compose import resolve

    subject = Subject(f"preset {preset.group}/{preset.name} ({preset.path})")
    subject.expect(preset.summary, "needs a first comment line; it is what `list` shows.")
    try:
        resolve([*_before(preset), f"{preset.group}={preset.name}"])
    except GraftError as error:
        hint = ""
        if preset.owner != "graft" and not (preset.path.parents[1] / "__init__.py").is_file():
            hint = (
                f"\nHydra sees no folder of a package without an __init__.py: make {preset.path.parents[1]}/__init__.py"
            )
        subject.fail(f"does not compose:\n{error.report()}{hint}")
