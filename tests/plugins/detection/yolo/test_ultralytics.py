"""Ultralytics as a library: it contacts nobody, writes nowhere else, and changes nothing else in the process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ISOLATED = ["unshare", "-n", "sh", "-c", 'ip link set lo up 2>/dev/null || ifconfig lo up 2>/dev/null; exec "$@"', "sh"]
WATCHED = """
import os, sys
from pathlib import Path

allowed = [os.path.realpath(each) for each in sys.argv[1:]]

def watch(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "urllib.Request"):
        os.write(2, f"NETWORK {event} {arguments}\\n".encode())
        os._exit(77)
    if event == "socket.connect" and not isinstance(arguments[1], (str, bytes)):
        os.write(2, f"NETWORK {event} {arguments[1]}\\n".encode())
        os._exit(77)
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        flags = arguments[2] if isinstance(arguments[2], int) else 0
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if not path.startswith((*allowed, "/dev/", "/proc/")):
                os.write(2, f"WRITTEN {path}\\n".encode())
                os._exit(78)
    if event in ("os.mkdir", "os.rename"):
        path = os.path.realpath(os.fsdecode(arguments[0]))
        if not path.startswith(tuple(allowed)) and not (event == "os.mkdir" and os.path.isdir(path)):
            os.write(2, f"WRITTEN {event} {arguments[0]}\\n".encode())
            os._exit(78)
    if event == "subprocess.Popen" and "pip" in str(arguments[1]):
        os.write(2, f"INSTALLED {arguments[1]}\\n".encode())
        os._exit(79)

sys.addaudithook(watch)
"""
TRAINING = """
import scene_samples, torch
from core.data.batching import Steps
from core.runtime.hardware import Hardware
from core.evaluation.predict import predict
from plugins.detection.plugin import Ultralytics

torch.set_num_threads(1)
split = scene_samples.examples(6)
model = Ultralytics(width=0.125, depth=0.34).load(scene_samples.load_request(split))
prepared = model.prepare(split, train=True)
for (batch,) in Steps(model, prepared, 3, 3, 0, False).stream(0, 3, workers=0):
    model.loss(batch.tensors).backward()
predict(model, model.prepare(split, train=False), Hardware("cpu", "fp32"), 4)
model.preview(split, prepared, 0).save(sys.argv[1] + "/samples.png")
model.save(Path(sys.argv[1]) / "model")
again = Ultralytics(checkpoint=sys.argv[1] + "/model/yolo.pt", trust=True).load(scene_samples.load_request(split))
assert again.provenance.init == "pretrained"
print("done")
"""


def run(code: str, home: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A fresh process, with a network of its own where that is permitted, as on a fresh machine."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "VIRTUAL_ENV", "PYTHONPATH")}
    support = str(Path(__file__).parents[3] / "support")
    kept["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[4]), support, kept.get("PYTHONPATH", "")])
    kept |= {
        "HOME": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(home.parent / "tmp"),
    }
    (home.parent / "tmp").mkdir(exist_ok=True)
    tried = shutil.which("unshare") and subprocess.run([*ISOLATED, "true"], capture_output=True, check=False)
    prefix = ISOLATED if tried and not tried.returncode else []
    return subprocess.run(
        [*prefix, sys.executable, "-c", code, *words],
        env=kept | more, cwd=home.parent / "run", capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("home", "run"):
        (tmp_path / name).mkdir()
    return tmp_path / "home"


def test_nothing_is_contacted_and_nothing_written_outside_the_run_and_the_cache(home: Path) -> None:
    run_folder, cache, aside = home.parent / "run", home.parent / "cache", home.parent / "tmp"
    done = run(WATCHED + TRAINING, home, str(run_folder), str(cache), str(aside), GRAFT_CACHE=str(cache))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"  # nor is anything printed
    assert list(home.iterdir()) == []
    assert {path.name for path in run_folder.iterdir()} == {"samples.png", "model"}
    settings = json.loads((cache / "ultralytics" / "Ultralytics" / "settings.json").read_text())
    assert not any(
        settings[name] for name in ("sync", "clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")
    )
    assert (cache / "ultralytics" / "Ultralytics" / "Arial.ttf").stat().st_size > 100_000


def test_the_watch_sees_what_it_should(home: Path) -> None:
    for code, status in (
        ("import socket; socket.getaddrinfo('one.one.one.one', 0)", 77),
        ("import socket; socket.socket().connect(('127.0.0.1', 9))", 77),
        ("open(os.environ['HOME'] + '/x', 'w')", 78),
        ("os.makedirs(os.environ['HOME'] + '/.config/Ultralytics')", 78),
    ):
        assert run(WATCHED + code, home, str(home.parent / "run")).returncode == status, code


def test_the_rest_of_the_process_is_as_it_was(home: Path) -> None:
    code = """
import os, random, warnings, numpy, torch, cv2, PIL.Image
cv2.setNumThreads(3)
def state():
    return (cv2.getNumThreads(), torch.get_num_threads(), PIL.Image.open, torch.save, numpy.get_printoptions(),
            vars(torch._tensor_str.PRINT_OPTS).copy(), list(warnings.filters), torch.get_rng_state().tolist(),
            random.getstate(), torch.are_deterministic_algorithms_enabled(), torch.is_grad_enabled())
before, environment = state(), dict(os.environ)
from plugins.detection.yolo.ultralytics import library
library()
after = state()
for number, (one, other) in enumerate(zip(before, after)):
    assert one == other, (number, one, other)
new = {name for name in os.environ if os.environ[name] != environment.get(name)}
assert new == {"YOLO_OFFLINE", "YOLO_AUTOINSTALL", "YOLO_CONFIG_DIR", "MPLCONFIGDIR"}, new
assert not set(environment) - set(os.environ)
"""
    done = run(code, home, GRAFT_CACHE=str(home.parent / "cache"))
    assert done.returncode == 0, done.stderr


def test_a_program_that_imported_it_before_keeps_its_settings_file(home: Path) -> None:
    code = """
import os
os.environ["YOLO_CONFIG_DIR"] = os.environ["HOME"]
os.environ["YOLO_OFFLINE"] = "1"
import ultralytics
from pathlib import Path
path = Path(os.environ["HOME"]) / "Ultralytics" / "settings.json"
before = path.read_bytes()
from plugins.detection.yolo.ultralytics import library
library()
assert path.read_bytes() == before
assert ultralytics.settings["sync"] is False
"""
    done = run(code, home, GRAFT_CACHE=str(home.parent / "cache"))
    assert done.returncode == 0, done.stderr


def test_announcing_it_imports_nothing_of_it(home: Path) -> None:
    code = (
        "import sys, plugins.detection.plugin; assert not {'ultralytics', 'torch', 'cv2', 'numpy'} & set(sys.modules)"
    )
    done = run(code, home)
    assert done.returncode == 0, done.stderr
