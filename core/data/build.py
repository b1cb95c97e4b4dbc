"""Build splits from the rows of a data adapter: check, encode and split them.

An adapter passes a `Source`: rows in order, and a function that fetches their examples again. This module reads the
rows once. It keeps a few numbers per row (a hash of the content, a code for the target), never the examples.

A split by seed orders examples by a hash of the seed and their content. So it is the same on every machine, and adding
rows to a file changes little of it.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, overload

from core.contracts.splits import Splits
from core.data.rows import NAMES, SHOWN, TEST, TRAIN, VAL
from core.errors import DataError, Problem
from core.issues import DataIssue, RowIssue
from core.registry.registry import load_registry
from core.tasks.task import Task
from core.tasks.task_type import TaskType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.contracts.splits import SplitOptions
    from core.data.rows import Source
    from core.data.splitting import SplitRows
    from core.tasks.targets.encoded import Encoded, Encoder

_CHUNK = 1024


class Examples(Sequence[Any]):
    """One split: examples with their targets, fetched from the source on access."""

    def __init__(self, source: Source, rows: NDArray[np.int64], targets: Encoded) -> None:
        """Create a split.

        Args:
            source: Where the examples are fetched.
            rows: int64 [n], row numbers in the source.
            targets: The targets of these rows, [n].
        """
        self._source, self._rows, self._targets = source, rows, targets

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Examples(self._source, self._rows[index], self._targets.take(index))
        (example,) = self._source.take(self._rows[[index]])
        return replace(example, target=self._targets[index])

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, len(self), _CHUNK):
            for offset, example in enumerate(self._source.take(self._rows[start : start + _CHUNK])):
                yield replace(example, target=self._targets[start + offset])


def build_splits(source: Source, task: Task, seed: int, options: SplitOptions) -> Splits:
    """Return the splits of a source: read, checked and encoded.

    Splits that the source names are kept as they are. Missing ones are split off from the training rows by seed. These
    splits are stratified, keep duplicates and groups together, and leave every label in the training split. The task
    type decides which examples are duplicates. If a row has a group, `Splits.groups` has the groups of all examples.

    Raises:
        DataError: Bad rows (unless `on_bad_row` skips them), no usable or no training rows, a complaint of the encoder
            (such as equal targets in all rows), a label that is missing from the training split, or too few examples or
            labels to split. The error contains all problems that one of these checks found.
    """
    from core.data import checks, splitting

    registry = load_registry()
    read = _read_rows(source, registry.task_type(task.type), registry.target(task.target).encoder(task))
    problems = read.tally.problems() if options.on_bad_row == "error" or not read.rows else []
    if not read.rows:
        raise DataError(
            Problem(source.origin, "contains no usable examples.", "Check the path and its options."), *problems
        )
    encoded, complaints = read.encoder.finish()
    problems += [Problem(source.origin, *complaint) for complaint in complaints]
    if problems:
        raise DataError(*problems)
    split_rows = splitting.SplitRows(
        identity=read.numbers("identity"),
        strata=encoded.strata(),
        group=read.numbers("group") if read.grouped else None,
        encoded=encoded,
    )
    given = read.numbers("split")
    assigned, rule = splitting.split(split_rows, given, options, seed)
    assigned = splitting.limit(split_rows, assigned, options.max_examples, seed)
    rows = read.numbers("rows")
    train, val, test = parts = [
        Examples(source, rows[assigned == part], encoded.take(assigned == part)) for part in (TRAIN, VAL, TEST)
    ]
    checks.refuse_unknown_labels(parts, encoded, assigned, source.origin)
    issues = (
        *source.findings,
        *read.tally.findings(),
        *checks.find_issues(split_rows, assigned, lambda at: [each.place for each in source.take(rows[at])]),
    )
    counts = ", ".join(f"{len(each):,} {name}" for each, name in zip(parts, NAMES, strict=True))
    return Splits(
        train,
        val,
        test,
        labels=encoded.labels,
        fingerprint=_fingerprint(source, task, split_rows, assigned),
        findings=issues,
        description=f"{source.origin}; {rule}: {counts}.",
        groups=splitting.number_groups(split_rows, assigned),
    )


@dataclass
class _ReadRows:
    """The numbers that are kept per usable row, each int64, and the issues of all rows."""

    encoder: Encoder
    tally: Tally
    rows: array[int] = field(default_factory=lambda: array("q"))
    identity: array[int] = field(default_factory=lambda: array("q"))
    split: array[int] = field(default_factory=lambda: array("q"))
    group: array[int] = field(default_factory=lambda: array("q"))
    grouped: bool = False

    def numbers(self, name: str) -> NDArray[np.int64]:
        import numpy as np

        return np.frombuffer(getattr(self, name), dtype=np.int64)


def _read_rows(source: Source, task_type: TaskType, encoder: Encoder) -> _ReadRows:
    """Read and encode every row once, and tally its issues."""
    read = _ReadRows(encoder, Tally())
    for number, row in enumerate(source.rows):
        issue = row.fault
        for place, part in row.parts:
            read.tally.add(part, place)
        if issue is None or issue.level == "note":
            issue = encoder.add(row.label) or issue
        if issue is not None:
            read.tally.add(issue, row.place)
            if issue.level != "note":
                continue
        identity = _hash(task_type.identity(row.example))
        read.rows.append(number)
        read.identity.append(identity)
        read.split.append(row.split)
        read.group.append(identity if row.group is None else _hash(row.group.encode("utf-8", "surrogatepass")))
        read.grouped = read.grouped or row.group is not None
    return read


def _hash(content: bytes) -> int:
    """Return 64 bits of BLAKE2b as a signed number."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little", signed=True)


class Tally:
    """Counts the issues of rows by code, and keeps the first few places of each."""

    def __init__(self) -> None:
        self._issues: dict[str, RowIssue] = {}
        self._counts: dict[str, int] = {}
        self._places: dict[str, list[str]] = {}

    def add(self, issue: RowIssue, place: str) -> None:
        """Count the issue of one row, or of one part of a row."""
        self._issues.setdefault(issue.code, issue)
        self._counts[issue.code] = self._counts.get(issue.code, 0) + 1
        places = self._places.setdefault(issue.code, [])
        if len(places) < SHOWN:
            places.append(place)

    def problems(self) -> list[Problem]:
        """Return one problem for each code that makes rows unusable."""
        return [
            Problem(
                self._places[code][0],
                f"{issue.message}{self._others(code)}.",
                f"{issue.cure} To skip and count such {issue.what}s: data.on_bad_row=skip".strip(),
            )
            for code, issue in self._issues.items()
            if issue.level == "error"
        ]

    def findings(self) -> Iterator[DataIssue]:
        """Yield one issue of the data for each code."""
        for code, issue in self._issues.items():
            count, places = self._counts[code], tuple(self._places[code])
            what = issue.what if count == 1 else f"{issue.what}s"
            if issue.level == "note":
                yield DataIssue(code, f"{count:,} {what}: {issue.message}.", count, places, "info")
            else:
                level = "warning" if issue.level == "error" else "info"
                yield DataIssue(code, f"{count:,} {what} left out: {issue.message}.", count, places, level)

    def _others(self, code: str) -> str:
        count, places = self._counts[code], self._places[code]
        if count == 1:
            return ""
        more = ", …" if count > len(places) else ""
        return f" ({count:,} such {self._issues[code].what}s: {', '.join(places)}{more})"


def _fingerprint(source: Source, task: Task, rows: SplitRows, assigned: NDArray[np.int64]) -> str:
    """Return a hash of the source's bytes, the labels in their order, and the split of each example."""
    digest = hashlib.sha256(source.digest.encode())
    digest.update(json.dumps([task.type, task.target, rows.encoded.labels]).encode())
    for numbers in (rows.identity, rows.encoded.values, assigned):
        digest.update(numbers.tobytes())
    return digest.hexdigest()
