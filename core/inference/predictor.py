"""Open the model of a finished run and predict with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config.serialization import read_config
from core.contracts.components import RunConfig
from core.contracts.model import LoadedModel, LoadRequest
from core.errors import Problem, RunError
from core.inference.outputs import FORMATS
from core.registry.registry import load_registry
from core.reporting import report as record
from core.reporting.run_directory import CONFIG, MODEL
from core.runtime.cache import keep_caches_of_others
from core.runtime.hardware import Hardware
from core.tasks.output import OutputSpec
from core.tasks.task_type import TaskType
from core.training.requests import request_for_saved

if TYPE_CHECKING:
    from core.tasks.targets.target import Predictions

CHUNK = 512
"""Number of examples that are read and predicted together, so that input of any length can be streamed."""


@dataclass(frozen=True)
class FinishedRun:
    """What the folder of a finished run says about its model, which need not be loaded for it.

    Attributes:
        folder: The run's folder.
        report: The content of `report.json`.
        config: The run's configuration.
        output: The task, its label names, its target type and its task type.
    """

    folder: Path
    report: dict[str, Any]
    config: RunConfig
    output: OutputSpec

    @classmethod
    def read(cls, run: Path | str) -> FinishedRun:
        """Read the folder of a finished run.

        Raises:
            RunError: The folder is not a run's, or the run is not complete.
        """
        folder = Path(run)
        report = record.read(folder)
        if report["status"] != "completed":
            cure = f"python -m core resume {folder}"
            raise RunError(Problem(str(folder), f"has no finished model: its status is {report['status']}.", cure))
        config = read_config(folder / CONFIG)
        return cls(folder, report, config, load_registry().output(config.task, report["data"]["labels"]))

    @property
    def formats(self) -> tuple[str, ...]:
        """The names of the output formats of `predict`: those of all target types, and those of this one."""
        return *FORMATS, *self.output.target.formats


@dataclass
class Predictor:
    """The model of a finished run, ready to predict: `Predictor.open(run).predict(examples)`.

    Attributes:
        config: The run's configuration.
        model: The run's model, loaded from `model/`.
        output: The task, its label names, its target type and its task type.
        hardware: Device and precision.
        request: What the model loader received.
        thresholds: The thresholds chosen on the validation split; None if none were chosen.
    """

    config: RunConfig
    model: LoadedModel
    output: OutputSpec
    hardware: Hardware
    request: LoadRequest
    thresholds: tuple[float, ...] | None = None

    @classmethod
    def open(cls, run: Path | str) -> Predictor:
        """Open the folder of a finished run.

        Raises:
            RunError: The folder is not a run's, or the run is not complete.
        """
        keep_caches_of_others()
        finished = FinishedRun.read(run)
        report, config, output = finished.report, finished.config, finished.output
        hardware = Hardware.resolve(config.train.device, config.train.precision)
        saved = finished.folder / MODEL
        request = request_for_saved(config, hardware, saved, output, report["data"]["fingerprint"])
        model = config.method.reopen(config.model, request)
        model.module.to(hardware.device).eval()
        thresholds = output.read_thresholds(report.get("thresholds"))
        return cls(config, model, output, hardware, request, thresholds)

    @property
    def task_type(self) -> TaskType:
        """The task type, which reads and writes examples."""
        return self.output.task_type

    def raw(self, examples: Sequence[Any]) -> Predictions:
        """Return predictions as an array [n, ...], as the target type defines them."""
        from core.contracts.train_config import eval_batch_size
        from core.evaluation.predict import predict

        prepared = self.model.prepare(examples, train=False)
        return predict(self.model, prepared, self.hardware, eval_batch_size(self.config.train))

    def predict(self, examples: Iterable[Any]) -> Iterator[dict[str, Any]]:
        """Yield predictions as JSON values, in order.

        Each has the content of its example, as the task type defines it, and what `TargetType.write` returns: for
        `single`, for example, `label` and `probabilities`.
        """
        return (self.written(example, prediction) for example, prediction in self.pairs(examples))

    def pairs(self, examples: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Yield each example with its prediction as `raw` returns it, in order."""
        stream = iter(examples)
        while chunk := list(islice(stream, CHUNK)):
            yield from zip(chunk, self.raw(chunk), strict=True)

    def written(self, example: Any, prediction: Any) -> dict[str, Any]:
        """Return one prediction as JSON values, with its example."""
        written = self.output.target.write(prediction, self.labels, self.thresholds, example)
        return {**self.task_type.content(example), **written}

    def rows(self, line: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the rows of a CSV for one line, which is the result of `written`."""
        return self.output.target.rows(line)

    def text_lines(self, line: dict[str, Any], format: str) -> Iterator[str]:
        """Yield the lines for one line, which is the result of `written`, in a text format of the target type."""
        return self.output.target.text_lines(line, format)

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names."""
        return self.output.labels
