"""Graft's cache, the only folder that it writes to besides the folder of a run."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def keep_caches_of_others() -> None:
    """Make other libraries write their caches, such as matplotlib's list of fonts, to Graft's cache."""
    os.environ.setdefault("MPLCONFIGDIR", str(cache_directory() / "matplotlib"))


def cache_directory() -> Path:
    """Return `$GRAFT_CACHE`, or `graft` in the platform's cache folder; it may not exist yet."""
    if given := os.environ.get("GRAFT_CACHE"):
        return Path(given).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "graft"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "graft" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graft"
