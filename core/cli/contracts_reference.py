"""Generate `docs/reference/contracts.md` from the code: what a plugin implements, receives and returns."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from core import issues
from core.cli.docstrings import Docstring, parse
from core.component import Component
from core.contracts import components, model, protocols
from core.contracts.components import RunConfig
from core.contracts.footprint import Footprint
from core.contracts.model import LoadedModel, ParamGroup, PreparedDataset, TrainingPlan, epochs_for
from core.contracts.splits import SplitOptions, Splits
from core.contracts.wrapped import WrappedModel
from core.data import build
from core.data.rows import Row, Source
from core.errors import ConfigError, DataError, GraftError, Problem, WeightsError
from core.options import limits, option
from core.tasks import task
from core.tasks.detection.boxes import Boxes, BoxExample, Detections, NamedBox
from core.tasks.image import ImageExample
from core.tasks.output import OutputSpec
from core.tasks.targets import encoded, target
from core.tasks.targets.target import TargetType
from core.tasks.task_type import TaskType
from core.tasks.text import TextExample

INTRODUCTION = """\
# Contracts

What a plugin implements, and what it receives and returns. [Write a plugin](../how-to/write-a-plugin.md) explains how
to use them. A method marked *required* is abstract. Every other method has a default that you can override.

Array shapes use these letters: `n` examples in a split, `b` examples in a batch, `c` labels, `s` tokens, `d` width of a
hidden state, `r` bootstrap resamples, `h` and `w` height and width of an image in pixels, `k` objects in an image.
"""

GROUPS: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    (
        "Components",
        "One class per extension point. Subclass it with `@dataclass`, and return your class from the matching hook.",
        (
            Component,
            components.Configurable,
            components.DataAdapter,
            components.ModelLoader,
            components.AdapterMethod,
            components.Optimizer,
            components.Metric,
            TaskType,
            TargetType,
        ),
    ),
    (
        "Models",
        "What `ModelLoader.load` and `LoadedModel.prepare` return, and a function for `LoadedModel.defaults`.",
        (LoadedModel, WrappedModel, PreparedDataset, epochs_for),
    ),
    (
        "Optional protocols",
        "Graft looks for these with `isinstance`. Implement the methods; you do not need to subclass anything.",
        (
            protocols.SupportsFeatures,
            protocols.SupportsFit,
            protocols.SupportsPreview,
            protocols.SupportsVirtualTokens,
            protocols.SupportsDequantizedLoad,
            protocols.SupportsFastDropout,
            protocols.NeedsWorkers,
        ),
    ),
    (
        "What components receive",
        "Graft builds these and passes them to your methods.",
        (RunConfig, task.Task, OutputSpec, model.LoadRequest, TrainingPlan),
    ),
    (
        "What components return",
        "Your methods build these.",
        (
            Splits,
            ParamGroup,
            model.QuantizationConfig,
            model.Provenance,
            Footprint,
            issues.DataIssue,
            encoded.Encoder,
            encoded.Encoded,
            target.ResultTable,
        ),
    ),
    (
        "Reading data",
        "A data adapter fills a `Source` with `Row` objects and passes it to the function at the end of this section.",
        (SplitOptions, Source, Row, issues.RowIssue, build.build_splits),
    ),
    (
        "Examples",
        "The built-in task types use these classes.",
        (
            TextExample,
            ImageExample,
            BoxExample,
            NamedBox,
            Boxes,
            Detections,
        ),
    ),
    (
        "Options and errors",
        "How a component declares its options, and how it reports a problem to the user.",
        (option, Problem, GraftError, ConfigError, DataError, WeightsError),
    ),
)
"""The sections of the page, in order: title, introduction, and the classes and functions in it."""


def contract_page() -> str:
    """Return the page as Markdown."""
    parts = [INTRODUCTION]
    for title, introduction, members in GROUPS:
        parts.append(f"## {title}\n\n{introduction}\n")
        parts += ["\n".join(_class(each) if isinstance(each, type) else _function(each)) for each in members]
    return "\n".join(parts)


def _class(documented: type) -> Iterator[str]:
    """Yield the lines for one class: its docstring, its attributes, its methods."""
    tree = _tree(documented)
    assert isinstance(tree, ast.ClassDef)
    bases = [base.__name__ for base in documented.__bases__ if base.__name__ not in ("object", "Protocol", "ABC")]
    parsed = parse(inspect.cleandoc(documented.__doc__ or ""))
    yield f"### `{documented.__name__}`\n\n{parsed.text}\n"
    if bases:
        yield f"Extends {', '.join(f'`{base}`' for base in bases)}.\n"
    rows = list(_attributes(documented, tree, parsed))
    if rows:
        yield "| attribute | type | default | meaning |\n|---|---|---|---|"
        yield from rows
        yield ""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield from _callable(node)


def _function(documented: Callable[..., Any]) -> Iterator[str]:
    node = _tree(documented)
    assert isinstance(node, ast.FunctionDef)
    yield f"### `{documented.__name__}`\n"
    yield from _callable(node, heading=False)


def _callable(node: ast.FunctionDef, heading: bool = True) -> Iterator[str]:
    """Yield the lines for one method or function: its signature and its docstring."""
    marks = {ast.unparse(each) for each in node.decorator_list}
    marker = "required" if "abstractmethod" in marks else ", ".join(sorted(marks & {"property", "classmethod"}))
    if heading:
        yield f"#### `{node.name}`{f' ({marker})' if marker else ''}\n"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    if "property" not in marks:
        yield f"```python\n{_signature(node, returns)}\n```\n"
    parsed = parse(inspect.cleandoc(ast.get_docstring(node) or ""))
    if parsed.text:
        yield f"{parsed.text}\n"
    for title, items in parsed.sections.items():
        if title == "Example":
            yield f"```python\n{items[0][1]}\n```\n"
        elif title == "Returns":
            yield f"Returns: {items[0][1]}\n"
        else:
            yield f"{'Arguments' if title == 'Args' else title}:\n"
            yield from (f"- `{name}`: {meaning}" for name, meaning in items)
            yield ""


def _signature(node: ast.FunctionDef, returns: str) -> str:
    """Return `name(arguments) -> type`, with one argument per line if it is long."""
    short = f"{node.name}({ast.unparse(node.args)}){returns}"
    if len(short) <= 100:
        return short
    arguments = ast.unparse(node.args)
    pieces, depth, start = [], 0, 0
    for at, letter in enumerate(arguments):  # split at commas outside brackets
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            pieces.append(arguments[start:at].strip())
            start = at + 1
    pieces.append(arguments[start:].strip())
    return f"{node.name}(\n" + "".join(f"    {piece},\n" for piece in pieces) + f"){returns}"


def _attributes(documented: type, tree: ast.ClassDef, parsed: Docstring) -> Iterator[str]:
    """Yield one table row for each annotated attribute."""
    described = {
        name.strip(): text for names, text in parsed.sections.get("Attributes", ()) for name in names.split(",")
    }
    fields = getattr(documented, "__dataclass_fields__", {})
    for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)) or node.target.id[0] == "_":
            continue
        name = node.target.id
        if isinstance(node.value, ast.Call) and ast.unparse(node.value.func).startswith("_"):
            continue  # a delegated attribute, which the base class describes
        help_ = limits(fields[name]).help if name in fields else ""
        meaning = described.pop(name, "") or _string(after) or help_
        yield _row(f"`{name}`", f"`{ast.unparse(node.annotation)}`", _default(node.value), meaning)
    for name, meaning in described.items():  # inherited attributes that this class describes again
        annotations = (vars(base).get("__annotations__", {}) for base in documented.__mro__)
        annotation = next((found[name] for found in annotations if name in found), "")
        yield _row(f"`{name}`", f"`{annotation}`" if annotation else "", "", meaning)


def _row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def _default(value: ast.expr | None) -> str:
    """Return the default as code; for a call of `option` or `field`, the default in its arguments."""
    if isinstance(value, ast.Call) and ast.unparse(value.func) in ("option", "field"):
        factory = [each.value for each in value.keywords if each.arg in ("factory", "default_factory")]
        value = value.args[0] if value.args else None
        if factory:
            return f"`{ast.unparse(factory[0])}()`"
    return "" if value is None else f"`{ast.unparse(value)}`"


def _string(node: ast.stmt | None) -> str:
    """Return the string literal below an attribute, or an empty text."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return node.value.value
    return ""


def _tree(documented: Any) -> ast.stmt:
    return ast.parse(textwrap.dedent(inspect.getsource(documented))).body[0]
