"""From rows as an adapter reads them to checked, encoded and cut splits; the same for every family.

An adapter hands over a `Source`: rows in order, and a way to fetch their examples again. The engine reads the rows once
and keeps a few numbers of each (a hash of its content, a code for its target), never the examples themselves. A cut by
seed orders examples by a hash of the seed and their content, so that it is the same on every machine, and adding rows
to a file changes little of it.
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
    from core.tasks.targets.target import Encoded, Encoder

_CHUNK = 1024


class Examples(Sequence[Any]):
    """One split: examples with their targets, fetched from the source when they are asked for."""

    def __init__(self, source: Source, rows: NDArray[np.int64], targets: Encoded) -> None:
        """Make the split of `rows` (int64 [n], row numbers in the source), whose targets are `targets` ([n])."""
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
    """Read, check, encode and cut, as the task's type says what makes two examples the same.

    Splits that the source has are kept as they are. Missing ones are cut out of the training rows by seed:
    stratified, with duplicates and groups on one side, and with every label in the training split.

    Raises:
        DataError: Bad rows (unless they are to be skipped), fewer than two labels, a label that the training split
            lacks, or too few examples to cut. Everything found is in it.
    """
    from core.data import checks, splitting

    registry = load_registry()
    read = _read(source, registry.task_type(task.type), registry.target(task.target).encoder(task))
    problems = read.tally.problems() if options.on_bad_row == "error" or not read.rows else []
    if not read.rows:
        raise DataError(
            Problem(source.origin, "holds no usable examples.", "Check the path and its options."), *problems
        )
    encoded, complaints = read.encoder.finish()
    problems += [Problem(source.origin, *complaint) for complaint in complaints]
    if problems:
        raise DataError(*problems)
    table = splitting.Table(
        identity=read.numbers("identity"),
        strata=encoded.strata(),
        group=read.numbers("group") if read.grouped else None,
        encoded=encoded,
    )
    given = read.numbers("split")
    assigned, rule = splitting.split(table, given, options, seed)
    assigned = splitting.limit(table, assigned, options.max_examples, seed)
    rows = read.numbers("rows")
    train, val, test = parts = [
        Examples(source, rows[assigned == part], encoded.take(assigned == part)) for part in (TRAIN, VAL, TEST)
    ]
    checks.refuse_unknown_labels(parts, encoded, assigned, source.origin)
    found = (
        *source.findings,
        *read.tally.findings(),
        *checks.about(table, assigned, lambda at: [each.place for each in source.take(rows[at])]),
    )
    counts = ", ".join(f"{len(each):,} {name}" for each, name in zip(parts, NAMES, strict=True))
    return Splits(
        train,
        val,
        test,
        labels=encoded.labels,
        fingerprint=_fingerprint(source, task, table, assigned),
        findings=found,
        description=f"{source.origin}; {rule}: {counts}.",
    )


@dataclass
class _Read:
    """What is kept of the rows: int64 numbers, one of each a usable row."""

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


def _read(source: Source, task_type: TaskType, encoder: Encoder) -> _Read:
    read = _Read(encoder, Tally())
    for number, row in enumerate(source.rows):
        fault = row.fault
        for place, part in row.parts:
            read.tally.add(part, place)
        if fault is None or fault.level == "note":
            fault = encoder.add(row.label) or fault
        if fault is not None:
            read.tally.add(fault, row.place)
            if fault.level != "note":
                continue
        identity = _hash(task_type.identity(row.example))
        read.rows.append(number)
        read.identity.append(identity)
        read.split.append(row.split)
        read.group.append(identity if row.group is None else _hash(row.group.encode("utf-8", "surrogatepass")))
        read.grouped = read.grouped or row.group is not None
    return read


def _hash(content: bytes) -> int:
    """64 bits of BLAKE2b, as a signed number."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little", signed=True)


class Tally:
    """Faults by code: how many rows, and where first."""

    def __init__(self) -> None:
        self._faults: dict[str, RowIssue] = {}
        self._counts: dict[str, int] = {}
        self._places: dict[str, list[str]] = {}

    def add(self, fault: RowIssue, place: str) -> None:
        """Count one row, or one part of it."""
        self._faults.setdefault(fault.code, fault)
        self._counts[fault.code] = self._counts.get(fault.code, 0) + 1
        places = self._places.setdefault(fault.code, [])
        if len(places) < SHOWN:
            places.append(place)

    def problems(self) -> list[Problem]:
        """One problem for each code whose rows cannot be used."""
        return [
            Problem(
                self._places[code][0],
                f"{fault.message}{self._others(code)}.",
                f"{fault.cure} To leave such {fault.what}s out and count them: data.on_bad_row=skip".strip(),
            )
            for code, fault in self._faults.items()
            if fault.level == "error"
        ]

    def findings(self) -> Iterator[DataIssue]:
        """One finding for each code."""
        for code, fault in self._faults.items():
            count, places = self._counts[code], tuple(self._places[code])
            what = fault.what if count == 1 else f"{fault.what}s"
            if fault.level == "note":
                yield DataIssue(code, f"{count:,} {what}: {fault.message}.", count, places, "info")
            else:
                level = "warning" if fault.level == "error" else "info"
                yield DataIssue(code, f"{count:,} {what} left out: {fault.message}.", count, places, level)

    def _others(self, code: str) -> str:
        count, places = self._counts[code], self._places[code]
        if count == 1:
            return ""
        more = ", …" if count > len(places) else ""
        return f" ({count:,} such {self._faults[code].what}s: {', '.join(places)}{more})"


def _fingerprint(source: Source, task: Task, table: Any, assigned: NDArray[np.int64]) -> str:
    """Hash of the bytes, the labels in their order, and where each example went (which is what the seed decided)."""
    digest = hashlib.sha256(source.digest.encode())
    digest.update(json.dumps([task.type, task.target, table.encoded.labels]).encode())
    for numbers in (table.identity, table.encoded.values, assigned):
        digest.update(numbers.tobytes())
    return digest.hexdigest()
