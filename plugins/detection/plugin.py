"""What the detection plugin announces: finding objects in images, and detectors to do it with."""

from __future__ import annotations

from collections.abc import Sequence

from core.contracts import ModelLoader
from core.hooks import hookimpl
from core.kinds import Kind, ObjectDetection


@hookimpl
def kinds() -> Sequence[type[Kind]]:
    """Finding objects."""
    return [ObjectDetection]


@hookimpl
def model_loaders() -> Sequence[type[ModelLoader]]:
    """Detectors."""
    return []
