"""The detection work: which images with boxes and which YOLO, and how Graft and Ultralytics' trainer are told of it.

The network starts from random weights everywhere, so nothing has to be downloaded.
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
from benchmarks.peers.work import Options, Told
from core.errors import ConfigError, Problem
from core.options import option
from core.tasks import BOXES, ObjectDetection, Task

if TYPE_CHECKING:
    from core.contracts import Splits

SCENES, CELLS = "digit_scenes", "bccd"
"""The embedded scenes of digits; and photographs of blood cells, in a folder of `$GRAFT_TEST_DATA`."""
PRIMARY = "map50"


@dataclass(kw_only=True)
class DetectionOptions(Options):
    """What can be asked of the detection work."""

    batch_size: int = option(16, "Images in a step; Ultralytics' default.", low=1)
    epochs: int = option(36, "Passes over the training split.", low=1)
    image_size: int = option(128, "Long side in pixels that the network reads; a multiple of 32.", low=32)
    version: str = option("26", "The generation of YOLO.")
    size: str = option("n", "Its size.")
    data: str = option(
        SCENES,
        f"{SCENES}: the embedded ones; {CELLS}: that folder of {DATA}; or a folder in Pascal VOC's format.",
    )


def tell(options: DetectionOptions, folder: Path) -> Told:
    """The work as Graft's command line, over files that Ultralytics reads as well.

    Raises:
        ConfigError: The images are not there.
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
    return Told(overrides, config, f"yolo-{name}-{options.image_size}")


def _splits(options: DetectionOptions) -> tuple[str, Splits]:
    """The images, cut as their source says; objects that are no boxes are left out."""
    from plugins.data.adapters.detection import DigitScenes, Voc

    task = Task(type=ObjectDetection.name, target=BOXES)
    if options.data == SCENES:
        return SCENES, DigitScenes().load(task, 0)
    named = options.data == CELLS
    place = Path(os.environ[DATA]) / CELLS if named and os.environ.get(DATA) else Path(options.data)
    if not place.is_dir():
        cure = f"Set {DATA} to a folder that holds {CELLS}, or take data={SCENES} or data=FOLDER."
        raise ConfigError(Problem("data", f"there is no folder {place}.", cure))
    return place.name, Voc(path=str(place), on_bad_row="skip").load(task, 0)
