"""Fetching weights from a server of our own, by the very code that fetches the real ones: what is whole and right is
put in place; whatever else comes, the folder stays as it was."""

from __future__ import annotations

import io
import json
import pickle
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from enroll.encoders import checksums, registry
from enroll.encoders.base import Known
from enroll.encoders.download import fetch
from enroll.errors import BadInput, DownloadFailed, KitError, LicenceNotAccepted, WeightsChanged

ARCFACE = "arcface-buffalo_s-512"
REID = "reid-cheetah_l-256"
CASIA = "facenet-casia-512"


@dataclass
class Server:
    """Answers with ``files`` by name; ``promise`` more bytes than come; 404 for the rest."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    promise: int = 0
    slowly: bool = False
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rsplit("/", 1)[-1]
            state.asked.append(name)
            if name not in state.files:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(state.files[name]) + state.promise))
            self.end_headers()
            self.wfile.write(state.files[name])
            with suppress(OSError):  # whoever asked has gone
                while state.slowly:
                    self.wfile.write(b"slow")
                    time.sleep(0.05)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.daemon_threads = True
        state.url = f"http://127.0.0.1:{httpd.server_port}/mirror"
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield state
        state.slowly = False
        httpd.shutdown()


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAMEO_WEIGHTS", str(tmp_path / "weights"))
    for name in ("HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    return tmp_path / "weights"


def net(dim: int, shape: tuple[int, int], names: tuple[str, str], seed: int = 0) -> bytes:
    """Mean over the picture, then a random matrix: (1, 3, H, W) to (1, dim)."""
    matrix = np.random.default_rng(seed).normal(size=(3, dim)).astype(np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", [names[0]], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], [names[1]]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(names[0], TensorProto.FLOAT, [1, 3, *shape])],
        [helper.make_tensor_value_info(names[1], TensorProto.FLOAT, [1, dim])],
        [numpy_helper.from_array(matrix, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def recogniser(seed: int = 0) -> bytes:
    return net(512, (112, 112), ("input", "output"), seed)


def packed(**files: bytes) -> bytes:
    """A zip of ``name__onnx`` → ``name.onnx``; underscores twice stand for what no keyword may hold."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in files.items():
            bundle.writestr(name.replace("__", "."), content)
    return memory.getvalue()


Publish = Callable[..., None]


@pytest.fixture
def publish(server: Server, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Puts an archive on the server, and its digests where the real ones are; ``served`` is what comes instead."""

    def publish(archive: bytes, member: bytes, *, served: bytes | None = None) -> None:
        space = registry.find(ARCFACE)
        card, download = space.card, space.card.download
        known = replace(card.files[0], sha256=sha256(member).hexdigest(), size=len(member))
        whole = Known(download.known.name, sha256(archive).hexdigest(), len(archive))
        card = replace(card, files=(known,), download=replace(download, known=whole))
        monkeypatch.setitem(registry._SPACES, ARCFACE, replace(space, card=card))
        server.files[whole.name] = archive if served is None else served

    return publish


def left(weights: Path) -> list[str]:
    """Every file under the weights folder, hidden ones too."""
    return sorted(str(path.relative_to(weights)) for path in weights.rglob("*") if path.is_file())


def test_one_member_of_an_archive_is_put_in_place(server: Server, publish: Publish, weights: Path) -> None:
    model = recogniser()
    publish(packed(w600k_mbf__onnx=model, det_500m__onnx=b"a detector"), model)
    shares: list[float] = []
    got = fetch(ARCFACE, accept_licence=True, mirror=server.url, progress=lambda doing, share: shares.append(share))
    assert (got.new, got.standing) == (True, "published")
    assert got.sha256 == {"w600k_mbf.onnx": sha256(model).hexdigest()}
    assert left(weights) == [f"{ARCFACE}/w600k_mbf.onnx"]
    assert got.path.read_bytes() == model
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert registry.get(ARCFACE).card.dim == 512
    server.files.clear()
    assert fetch("arcface-buffalo_sc-512").new is False


def test_nothing_is_fetched_before_the_licence_is_accepted(server: Server, publish: Publish, weights: Path) -> None:
    publish(packed(w600k_mbf__onnx=recogniser()), recogniser())
    with pytest.raises(LicenceNotAccepted, match="non-commercial research only") as caught:
        fetch(ARCFACE, mirror=server.url)
    assert (caught.value.exit_status, caught.value.code) == (4, "licence_not_accepted")
    assert "--accept-licence" in caught.value.hint
    assert server.asked == [] and not weights.exists()


def test_a_file_nobody_publishes_a_digest_of_is_written_down(server: Server, weights: Path) -> None:
    pack = cheetah()
    server.files["cheetah_s.zip"] = pack
    got = fetch("reid-cheetah_s-256", accept_licence=True, mirror=server.url)
    assert (got.standing, got.new, got.card.space) == ("first use", True, REID)
    assert sorted(p.name for p in got.path.iterdir()) == [
        *("MODEL.LICENSE", "detection.onnx", "manifest.json", "person_detection.onnx"),
        *("person_reid.onnx", "recognition.onnx"),
    ]
    assert registry.get(REID).card.dim == 256
    assert json.loads((weights / REID / "checksums.json").read_text()) == got.sha256
    # Another model at the same address later is not the one this space was.
    for path in got.path.iterdir():
        path.unlink()
    server.files["cheetah_s.zip"] = cheetah(seed=9)
    with pytest.raises(WeightsChanged, match="first used here"):
        fetch(REID, accept_licence=True, mirror=server.url)
    assert left(weights) == [f"{REID}/checksums.json"]


def cheetah(seed: int = 0, *, sha: str | None = None, prefix: str = "", extra: str | None = None) -> bytes:
    """A pack as InsightFace lays it out."""
    sizes = {"person_detection": (64, 64), "detection": (64, 64), "recognition": (112, 112), "person_reid": (256, 128)}
    models = {
        task: net(256, size, ("data", "reid_embedding"), seed + number)
        for number, (task, size) in enumerate(sizes.items())
    }
    tasks = {task: {"file": f"{task}.onnx", "sha256": sha256(model).hexdigest()} for task, model in models.items()}
    if sha is not None:
        tasks["person_reid"]["sha256"] = sha
    manifest = {"manifest_version": 2, "model_id": "cheetah_s", "license": "MODEL.LICENSE", "tasks": tasks}
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as bundle:
        for task, model in models.items():
            bundle.writestr(f"{prefix}{task}.onnx", model)
        bundle.writestr(f"{prefix}MODEL.LICENSE", "made by a test\n")
        bundle.writestr(f"{prefix}manifest.json", json.dumps(manifest))
        if extra is not None:
            bundle.writestr(extra, b"outside")
    return memory.getvalue()


def test_a_pack_in_a_folder_of_its_own_is_laid_flat(server: Server) -> None:
    server.files["cheetah_s.zip"] = cheetah(prefix="cheetah_s/")
    assert (fetch(REID, accept_licence=True, mirror=server.url).path / "manifest.json").is_file()


@pytest.mark.parametrize("extra", ["../outside.onnx", "/tmp/outside.onnx", "a/b/c.onnx", "detection.onnx"])  # noqa: S108
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_pack_that_reaches_out_of_its_folder_is_refused(
    server: Server, weights: Path, tmp_path: Path, extra: str
) -> None:
    server.files["cheetah_s.zip"] = cheetah(extra=extra)
    with pytest.raises(DownloadFailed, match="the archive holds"):
        fetch(REID, accept_licence=True, mirror=server.url)
    assert left(weights) == [] and not list(tmp_path.rglob("outside.onnx"))


def test_a_pack_whose_model_is_not_the_manifests_is_refused(server: Server, weights: Path) -> None:
    server.files["cheetah_s.zip"] = cheetah(sha="0" * 64)
    with pytest.raises(KitError, match="cannot be used"):
        fetch(REID, accept_licence=True, mirror=server.url)
    assert left(weights) == []


def good() -> tuple[bytes, bytes]:
    model = recogniser()
    return packed(w600k_mbf__onnx=model), model


@pytest.mark.parametrize("how", ["truncated", "swapped", "flipped", "longer", "empty"])
def test_an_archive_that_is_not_the_published_one_is_refused(
    server: Server, publish: Publish, weights: Path, how: str
) -> None:
    archive, model = good()
    flipped = bytearray(archive)
    flipped[len(archive) // 2] ^= 1
    served = {
        "truncated": archive[:-100],
        "swapped": packed(w600k_mbf__onnx=recogniser(1)),
        "flipped": bytes(flipped),
        "longer": archive + b"\0",
        "empty": b"",
    }[how]
    publish(archive, model, served=served)
    with pytest.raises((WeightsChanged, DownloadFailed), match=r"not the published file|sends more"):
        fetch(ARCFACE, accept_licence=True, mirror=server.url)
    assert left(weights) == []


def test_a_connection_that_breaks_leaves_nothing(server: Server, publish: Publish, weights: Path) -> None:
    publish(*good())
    server.promise = 10_000
    with pytest.raises(DownloadFailed, match="cannot be fetched"):
        fetch(ARCFACE, accept_licence=True, mirror=server.url)
    assert left(weights) == []


def test_an_address_where_nothing_is(server: Server, weights: Path) -> None:
    with pytest.raises(DownloadFailed, match="answers 404"):
        fetch(ARCFACE, accept_licence=True, mirror=server.url)
    with pytest.raises(DownloadFailed, match="cannot be fetched"):
        fetch(ARCFACE, accept_licence=True, mirror="http://127.0.0.1:1/")
    assert left(weights) == []


@pytest.mark.parametrize("inside", ["no member", "another member", "no network", "two members"])
def test_an_archive_with_something_else_in_it_is_refused(
    server: Server, publish: Publish, weights: Path, inside: str
) -> None:
    """Even under a right digest of the archive: what is kept has a digest of its own, and must open."""
    model = recogniser()
    archive, member = {
        "no member": (packed(other__onnx=model), model),
        "another member": (packed(w600k_mbf__onnx=recogniser(1)), model),
        "no network": (packed(w600k_mbf__onnx=b"no network"), b"no network"),
        "two members": (
            cheetah(extra="a/w600k_mbf.onnx").replace(b"detection.onnx", b"w600k_mbf.onnx"),
            model,
        ),
    }[inside]
    publish(archive, member)
    with pytest.raises(KitError):
        fetch(ARCFACE, accept_licence=True, mirror=server.url)
    assert left(weights) == []


def test_a_zip_bomb_does_not_fill_the_disk(server: Server, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enroll.encoders.download.MOST", 3 << 20)
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as bundle:
        for number in range(8):
            bundle.writestr(f"{number}.onnx", bytes(1 << 20))
    server.files["cheetah_s.zip"] = memory.getvalue()
    with pytest.raises(DownloadFailed, match="larger than"):
        fetch(REID, accept_licence=True, mirror=server.url)
    assert left(weights) == []


def test_a_pickle_that_would_run_is_neither_run_nor_kept(server: Server, weights: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "sprung",)

    server.files["20180408-102900-casia-webface.pt"] = pickle.dumps(Trap(), protocol=2)
    with pytest.raises(KitError, match="cannot be used"):
        fetch(CASIA, accept_licence=True, mirror=server.url)
    assert left(weights) == [] and not (tmp_path / "sprung").exists()


def test_what_lies_there_stays_until_the_new_is_whole(server: Server, publish: Publish, weights: Path) -> None:
    archive, model = good()
    publish(archive, model, served=b"no archive")
    place = weights / ARCFACE / "w600k_mbf.onnx"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"damaged, but there")
    with pytest.raises(WeightsChanged):
        fetch(ARCFACE, accept_licence=True, mirror=server.url)
    assert place.read_bytes() == b"damaged, but there"
    publish(archive, model)
    assert fetch(ARCFACE, accept_licence=True, mirror=server.url).new
    assert place.read_bytes() == model and left(weights) == [f"{ARCFACE}/w600k_mbf.onnx"]


def test_without_a_digest_the_connection_must_be_safe(weights: Path) -> None:
    for mirror in ("http://example.org/weights", "ftp://example.org", "file:///etc"):
        with pytest.raises(BadInput, match="no address"):
            fetch(CASIA, accept_licence=True, mirror=mirror)
    assert not weights.exists()


def test_what_pip_brings_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fetch("dlib-resnet-128").standing == "published"
    monkeypatch.setattr("enroll.encoders.dlib_resnet.find_spec", lambda name: None)
    with pytest.raises(BadInput, match="come by pip") as caught:
        fetch("dlib-resnet-128")
    assert "pip install" in caught.value.hint


def test_a_folder_that_cannot_be(server: Server, publish: Publish, weights: Path) -> None:
    publish(*good())
    weights.write_bytes(b"a file")
    with pytest.raises(DownloadFailed, match="cannot be stored"):
        fetch(ARCFACE, accept_licence=True, mirror=server.url)


def test_ctrl_c_leaves_nothing_behind(server: Server, weights: Path) -> None:
    server.files["20180408-102900-casia-webface.pt"] = bytes(1 << 20)
    server.promise, server.slowly = 1 << 30, True
    words = ("weights", "get", CASIA, "--accept-licence", "--from", server.url, "--json")
    process = subprocess.Popen(
        [sys.executable, "-m", "cameo", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for _ in range(600):
        if any(path.stat().st_size >= 1 << 20 for path in weights.rglob("*.pt")):
            break
        time.sleep(0.1)
    else:
        pytest.fail("the download never began")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert out, err
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert left(weights) == [] and list((weights / CASIA).iterdir()) == []


def test_standing_says_what_is_known(server: Server, publish: Publish) -> None:
    publish(*good())
    got = fetch(ARCFACE, accept_licence=True, mirror=server.url)
    space = registry.find(ARCFACE)
    assert checksums.standing(space, got.path) == "published"
    got.path.write_bytes(recogniser(1))
    assert checksums.standing(space, got.path) == "changed"
    appearance = registry.find("appearance")
    assert checksums.standing(appearance, appearance.find()) == "none needed"
