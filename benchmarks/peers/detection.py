"""The detection work: images with boxes and a YOLO network, for Graft and for Ultralytics' trainer.

All peers start from random weights, so nothing is downloaded.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import arguments
from benchmarks.peers.measurements import METRIC
from benchmarks.peers.text import DATA
from benchmarks.peers.work import Options, WorkDescription
from core.errors import ConfigError, Problem
from core.options import option
from core.tasks import BOXES, ObjectDetection, Task

if TYPE_CHECKING:
    from core.contracts import Splits

SCENES, CELLS = "digit_scenes", "bccd"
"""The bundled scenes of digits; and photographs of blood cells, in a folder of `$GRAFT_TEST_DATA`."""
PRIMARY = "map50"


@dataclass(kw_only=True)
class DetectionOptions(Options):
    """The options of the detection work."""

    batch_size: int = option(16, "Number of images per step; Ultralytics' default.", low=1)
    epochs: int = option(36, "Number of passes over the training split.", low=1)
    image_size: int = option(128, "Long side of the network's input in pixels; a multiple of 32.", low=32)
    version: str = option("26", "The generation of YOLO.")
    size: str = option("n", "Its size.")
    data: str = option(
        SCENES,
        f"{SCENES}: the bundled scenes. {CELLS}: that folder of {DATA}. Or a folder in Pascal VOC's format.",
    )


def describe(options: DetectionOptions, folder: Path) -> WorkDescription:
    """Return the work as Graft's command line, on files that Ultralytics reads too.

    Raises:
        ConfigError: The images do not exist.
    """
    from plugins.data.boxes.writers import parts, write_yolo

    name, splits = _splits(options)
    place, most = folder / name, options.examples or None
    write_yolo({part: islice(examples, most) for part, examples in parts(splits).items()}, splits.labels, place)
    overrides = [
        "task=object_detection", "data=yolo", f"data.path={arguments.quoted(place / 'data.yaml')}", "model=yolo",
        "model.init=scratch", f"model.version={options.version}", f"model.size={options.size}",
        f"model.image_size={options.image_size}", f"train.epochs={options.epochs}",
        f"train.batch_size={options.batch_size}",
    ]  # fmt: skip
    overrides += [f"train.max_steps={options.max_steps}"] if options.max_steps else []
    config = {
        "data": name, "most examples of a split": options.examples or "all",
        "model": f"yolo{options.version}{options.size}", "image size": options.image_size, "epochs": options.epochs,
        "batch size": options.batch_size, "max_steps": options.max_steps, METRIC: PRIMARY,
        "the same for all": "files and their split, the architecture (one head), and how the test split is scored",
    }  # fmt: skip
    return WorkDescription(overrides, config, f"yolo-{name}-{options.image_size}")


def _splits(options: DetectionOptions) -> tuple[str, Splits]:
    """Return the name of the data and its splits, without invalid boxes."""
    from plugins.data.adapters.detection import DigitScenes, Voc

    task = Task(type=ObjectDetection.name, target=BOXES)
    if options.data == SCENES:
        return SCENES, DigitScenes().load(task, 0)
    named = options.data == CELLS
    place = Path(os.environ[DATA]) / CELLS if named and os.environ.get(DATA) else Path(options.data)
    if not place.is_dir():
        cure = f"Set {DATA} to a folder that contains {CELLS}, or use data={SCENES} or data=FOLDER."
        raise ConfigError(Problem("data", f"there is no folder {place}.", cure))
    return place.name, Voc(path=str(place), on_bad_row="skip").load(task, 0)
