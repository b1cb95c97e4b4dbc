"""Import Ultralytics once, silently and offline, without side effects on the process.

On import it would resolve host names, read and write a settings file in the home folder, download a font for drawing,
report errors to its makers if their client is installed, set thread numbers and print options, and replace
`PIL.Image.open`, `torch.save` and environment variables. Here it finds its files in Graft's cache, and all other
changes are undone.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from core.files import new_file
from core.runtime import cache_directory, keep_caches_of_others

NAME = "ultralytics"
_SILENT = {"sync": False, "vscode_msg": False, "openvino_msg": False} | dict.fromkeys(
    ("clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb"), False
)
"""Ultralytics' settings: nothing is sent, and installed trackers are not used."""


@dataclass(frozen=True)
class Library:
    """The parts of Ultralytics that Graft uses.

    Attributes:
        version: The package's version.
        models: The folder with its architectures, as YAML files.
        tasks: `ultralytics.nn.tasks`: the networks, and the reader of `.pt` files.
        augment: `ultralytics.data.augment`: mosaic, perspective, color, flips, letterbox.
        instance: `ultralytics.utils.instance`: the boxes that these transforms move.
        nms: `ultralytics.utils.nms`.
        ops: `ultralytics.utils.ops`: converts boxes between the pixels of two images.
        tal: `ultralytics.utils.tal`: anchors, and boxes from distances to them.
        cv2: OpenCV, as Ultralytics uses it.
    """

    version: str
    models: Path
    tasks: Any
    augment: Any
    instance: Any
    nms: Any
    ops: Any
    tal: Any
    cv2: Any


@cache
def library() -> Library:
    """Return Ultralytics, imported on the first call."""
    keep_caches_of_others()
    _keep_offline()
    with _undo_import_effects():
        import torchvision.ops  # noqa: F401  (Ultralytics' choice of NMS depends on whether this is imported)
        import ultralytics
        from ultralytics.data import augment
        from ultralytics.nn import tasks
        from ultralytics.utils import LOGGER, SETTINGS, USER_CONFIG_DIR, instance, nms, ops, tal

        ours = Path(USER_CONFIG_DIR).is_relative_to(_folder())
        if any(SETTINGS.get(key) != value for key, value in _SILENT.items()):
            # If the program has imported it before, the settings file belongs to that program.
            (SETTINGS.update if ours else lambda values: dict.update(SETTINGS, values))(_SILENT)
        LOGGER.setLevel("ERROR")
    import cv2

    models = Path(ultralytics.__file__).parent / "cfg" / "models"
    return Library(str(ultralytics.__version__), models, tasks, augment, instance, nms, ops, tal, cv2)


@contextmanager
def one_thread() -> Iterator[None]:
    """Prevent OpenCV from starting threads, which compete with torch's and do not survive a fork."""
    cv2 = library().cv2
    before = cv2.getNumThreads()
    cv2.setNumThreads(0)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _folder() -> Path:
    return cache_directory() / NAME


def _keep_offline() -> None:
    """Keep Ultralytics, in this process and its children, offline and let it write only to Graft's cache."""
    os.environ["YOLO_OFFLINE"] = "true"
    os.environ["YOLO_AUTOINSTALL"] = "false"
    os.environ["YOLO_CONFIG_DIR"] = str(_folder())
    _put_font(_folder() / "Ultralytics" / "Arial.ttf")


def _put_font(path: Path) -> None:
    """Copy matplotlib's font to where Ultralytics would otherwise download one."""
    if path.is_file() or (matplotlib := find_spec("matplotlib")) is None or matplotlib.origin is None:
        return
    font = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path, shared=True) as aside:
            shutil.copyfile(font, aside)
    except OSError:  # a read-only cache; Graft never draws with this font
        pass


@contextmanager
def _undo_import_effects() -> Iterator[None]:
    """Undo what importing Ultralytics changes in the process."""
    import cv2
    import numpy as np
    import torch
    from PIL import Image

    environment, threads = dict(os.environ), cv2.getNumThreads()
    printing, torch_printing = np.get_printoptions(), vars(torch._tensor_str.PRINT_OPTS).copy()
    patched: list[tuple[ModuleType, str, Any]] = [(Image, "open", Image.open), (torch, "save", torch.save)]
    os.environ["YOLO_VERBOSE"] = "false"
    try:
        with warnings.catch_warnings():
            yield
    finally:
        for module, name, original in patched:
            setattr(module, name, original)
        np.set_printoptions(**printing)
        vars(torch._tensor_str.PRINT_OPTS).update(torch_printing)
        cv2.setNumThreads(threads)
        for name in set(os.environ) - set(environment):
            del os.environ[name]
        os.environ.update(environment)
