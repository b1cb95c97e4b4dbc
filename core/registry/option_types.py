"""Check the types of options without OmegaConf, so that every start can check every plugin quickly."""

from __future__ import annotations

import dataclasses
import enum
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

PRIMITIVES = (bool, int, float, str, bytes, Path)
CURE = "Use bool, int, float, str, | None, list and dict."


def unsupported_options(component: type[Any]) -> Iterator[str]:
    """Yield a sentence for each option whose type OmegaConf does not support.

    Raises:
        Exception: An annotation cannot be evaluated.
    """
    options = dataclasses.fields(component)
    hints = get_type_hints(component) if options else {}
    for option in options:
        if not _supported(hints[option.name]):
            yield f"the option {option.name} has the type {option.type!r}, which cannot be configured. {CURE}"


def _supported(hint: Any) -> bool:
    if hint is Any or hint is type(None) or hint in PRIMITIVES:
        return True
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        members = [each for each in arguments if each is not type(None)]
        return _supported(members[0]) if len(members) == 1 else all(map(_primitive, members))
    if origin in (list, tuple):
        return all(each is Ellipsis or _supported(each) for each in arguments)
    if origin is dict:
        return _primitive(arguments[0]) and _supported(arguments[1])
    if hint in (list, tuple, dict):
        return True
    return isinstance(hint, type) and (issubclass(hint, enum.Enum) or dataclasses.is_dataclass(hint))


def _primitive(hint: Any) -> bool:
    return hint is Any or hint in PRIMITIVES or (isinstance(hint, type) and issubclass(hint, enum.Enum))
