"""torchvision's published weights: taken from torch's cache, fetched from a server, or missed with a clear message.

The files are made here with the names and shapes of torchvision's; the server is a real one on this machine.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import scene_samples
import torch
import torchvision

from core.errors import WeightsError
from core.pretrained import hub
from plugins.detection.fcos import network as parts
from plugins.detection.fcos import torchvision_weights
from plugins.detection.fcos.network import FULL
from plugins.detection.plugin import Torchvision


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    hub.unreachable.cache_clear()
    yield tmp_path / "torch" / "hub" / "checkpoints"
    hub.unreachable.cache_clear()


@pytest.fixture(scope="module")
def residual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a residual network, in a file named by its hash as torchvision names them."""
    torch.manual_seed(1)
    return put(torchvision.models.resnet18().state_dict(), tmp_path_factory.mktemp("files"), "resnet18")


def put(state: dict[str, Any], folder: Path, stem: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state, folder / "aside")
    digest = hashlib.sha256((folder / "aside").read_bytes()).hexdigest()
    return (folder / "aside").rename(folder / f"{stem}-{digest[:8]}.pth")


def at(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr("torchvision.models.get_weight", lambda name: SimpleNamespace(url=address))


@pytest.fixture
def server(residual: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    handler = partial(SimpleHTTPRequestHandler, directory=str(residual.parent))
    serving = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_port}"
    serving.shutdown()


def imagenet(**options: Any) -> Any:
    return Torchvision(variant="resnet18", channels=64, convolutions=1, **options).load(
        scene_samples.load_request(scene_samples.examples(4))
    )


def test_the_names_are_torchvisions() -> None:
    for (asked, variant), name in torchvision_weights.NAMES.items():
        address = torchvision.models.get_weight(name).url
        assert address.startswith("https://download.pytorch.org/")
        assert variant in address
        assert (asked == "coco") == ("coco" in address)


def test_a_residual_network_is_fetched_once(server: str, residual: Path, cache: Path, monkeypatch: Any) -> None:
    at(monkeypatch, f"{server}/{residual.name}")
    model = imagenet()
    wanted = torch.load(residual, weights_only=True)
    body = model.module.backbone.body.state_dict()
    assert torch.equal(body["layer4.1.conv2.weight"], wanted["layer4.1.conv2.weight"])
    assert torch.equal(body["bn1.running_mean"], wanted["bn1.running_mean"])
    assert (model.provenance.init, model.provenance.source) == ("pretrained", server)
    assert model.provenance.sha256.startswith(residual.stem.rpartition("-")[2])
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert imagenet(init="pretrained").provenance.source == "torch's cache"
    assert [path.name for path in cache.iterdir()] == [residual.name]


def test_a_file_whose_hash_is_not_that_of_its_name(server: str, residual: Path, cache: Path, monkeypatch: Any) -> None:
    (residual.parent / "resnet18-00000000.pth").write_bytes(residual.read_bytes())
    at(monkeypatch, f"{server}/resnet18-00000000.pth")
    with pytest.raises(WeightsError, match="could not be downloaded: invalid hash value"):
        imagenet()
    assert list(cache.iterdir()) == []
    (cache / "resnet18-00000000.pth").write_bytes(b"cut sho")
    with pytest.raises(WeightsError, match="is damaged"):
        imagenet()


def test_without_a_network_it_starts_from_scratch_and_reports_it() -> None:
    model = Torchvision(channels=64, convolutions=1).load(scene_samples.load_request(scene_samples.examples(4)))
    assert model.provenance.init == "scratch"
    for word in ("fcos_resnet50_fpn_coco", "HF_HUB_OFFLINE is set", "fcos_resnet18_fpn", "random weights"):
        assert word in model.provenance.note
    with pytest.raises(WeightsError, match="is not in torch's cache") as raised:
        Torchvision(init="pretrained").load(scene_samples.load_request(scene_samples.examples(4)))
    assert "https://download.pytorch.org/models/fcos_resnet50_fpn_coco" in str(raised.value)


def test_a_full_detector_from_a_file_keeps_all_but_its_labels(tmp_path: Path) -> None:
    theirs = parts.build(FULL, 91, 5)
    path = put(theirs.state_dict(), tmp_path, "fcos")
    model = Torchvision(checkpoint=str(path)).load(scene_samples.load_request(scene_samples.examples(4)))
    ours = model.module.state_dict()
    for name, value in theirs.state_dict().items():
        if name.startswith(parts.LOGITS):
            assert ours[name].shape[0] == len(scene_samples.LABELS)
        else:
            assert torch.equal(ours[name], value)
    assert model.provenance.init == "pretrained"


def test_sizes_that_the_weights_do_not_have_are_refused(tmp_path: Path) -> None:
    path = put(parts.build(FULL, 91, 5).state_dict(), tmp_path, "fcos")
    for name, value in (("channels", 64), ("convolutions", 2)):
        options: dict[str, Any] = {"checkpoint": str(path), name: value}
        with pytest.raises(WeightsError, match=f"is {value}, but") as raised:
            Torchvision(**options).load(scene_samples.load_request(scene_samples.examples(4)))
        assert f"model.{name}" in str(raised.value)


def test_weights_of_another_network_are_refused(residual: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="do not fit fcos_resnet34_fpn") as raised:
        Torchvision(variant="resnet34", checkpoint=str(residual)).load(
            scene_samples.load_request(scene_samples.examples(4))
        )
    assert "model.variant" in str(raised.value)
    code = tmp_path / "code.pth"
    torch.save(print, code)
    with pytest.raises(WeightsError, match="cannot be read as torchvision weights"):
        imagenet(checkpoint=str(code))
    with pytest.raises(WeightsError, match="there is no"):
        imagenet(checkpoint="nowhere.pth")
