"""`python -m core` where some packages are not installed: `python without.py ultralytics,cv2 task=… model=…`."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

absent = set(sys.argv.pop(1).split(","))
find = PathFinder.find_spec


def _find(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
    return None if name.partition(".")[0] in absent else find(name, path, target)


PathFinder.find_spec = staticmethod(_find)  # type: ignore[assignment]

if __name__ == "__main__":
    from core.cli import main

    sys.exit(main(sys.argv[1:]))
