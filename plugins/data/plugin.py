"""The data plugin: adapters for texts, images, boxes and datasets of the Hub."""

from __future__ import annotations

from collections.abc import Sequence

from core import DataAdapter, hookimpl
from plugins.data.adapters import detection
from plugins.data.adapters.hub import Hub
from plugins.data.adapters.images import Digits, ImageFolder
from plugins.data.adapters.text import Lines, Reviews, Table


@hookimpl
def data_adapters() -> Sequence[type[DataAdapter]]:
    """Return the built-in data adapters."""
    return [Reviews, Table, Lines, Digits, ImageFolder, Hub, *detection.ADAPTERS]
