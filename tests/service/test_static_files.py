"""The static page as files: what is written, from what, and what is refused."""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from colorrt.errors import ArtifactError, UsageError
from colorrt.runtime.artifact import read_artifact
from colorrt.runtime.shipped import shipped_artifact
from colorrt.service.half_weights import halve_weights
from colorrt.service.ort_web import FILES, OrtWeb, read_ort_web
from colorrt.service.static_page import HEADERS, POLICY, write_page

ORT = OrtWeb("9.9.9", {name: name.encode() for name in FILES}, known=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "new" / "site"
    written = write_page(folder, ORT, shipped_artifact())
    assert sorted(written.files) == sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    assert written.size == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return folder


def make_package(folder: Path, version: str = "1.29.9", name: str = "onnxruntime-web", leave_out: str = "") -> Path:
    """A package as npm would install it."""
    (folder / "dist").mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"name": name, "version": version}))
    for file in FILES.values():
        if file != leave_out:
            (folder / file).write_text(file)
    return folder


def pack(folder: Path) -> Path:
    """The same as `npm pack` would write it."""
    archive = folder.with_suffix(".tgz")
    with tarfile.open(archive, "w:gz") as stream:
        stream.add(folder, "package")
    return archive


def test_all_addresses_are_relative_and_all_files_are_there(site: Path) -> None:
    index = (site / "index.html").read_text(encoding="utf-8")
    assert 'data-colors="here"' in index
    assert f'content="{POLICY}"' in index
    assert index.index("Content-Security-Policy") < index.index("<link")
    for address in re.findall(r'(?:src|href)="([^"]+)"', index):
        assert (site / address).is_file(), address
    for script in site.glob("page/**/*.js"):
        for address in re.findall(r'(?:from|import\() ?"(\.[^"]+)"', script.read_text(encoding="utf-8")):
            if not address.endswith("/api.js"):
                assert (script.parent / address).is_file(), (script, address)
        assert "http" not in re.sub(r"http://(ns\.adobe|iptc|cv\.iptc|www\.w3)[^\"]*", "", script.read_text())


def test_what_is_kept_for_later_is_all_that_the_page_loads(site: Path) -> None:
    first = next(line for line in (site / "offline.js").read_text().splitlines() if line.startswith("const KEPT"))
    kept = json.loads(first.removeprefix("const KEPT = ").removesuffix(";"))
    assert kept["headers"] == HEADERS
    loaded = {"./", "about.json", "model.onnx", *(f"ort/{name}" for name in FILES)}
    loaded |= {path.relative_to(site).as_posix() for path in (site / "page").rglob("*") if path.is_file()}
    assert set(kept["files"]) == loaded


def test_another_model_is_another_cache(site: Path, tmp_path: Path, tiny_onnx: Path) -> None:
    write_page(tmp_path / "other", ORT, tiny_onnx)
    assert (tmp_path / "other" / "offline.js").read_bytes() != (site / "offline.js").read_bytes()


def test_it_tells_what_the_service_tells(site: Path, live: Any) -> None:
    told = json.loads((site / "about.json").read_text())
    service = live.client.get("/about").json()
    assert set(service) - set(told) == {"queue"}
    assert set(service["models"][0]) == set(told["models"][0])
    contract = read_artifact(shipped_artifact()).contract
    assert told["mark"]["weights_sha256"] == contract.weights_sha256
    assert told["models"][0]["saturation"] == contract.saturation


def test_weights_take_half_and_answer_nearly_the_same(site: Path) -> None:
    whole, half = shipped_artifact(), site / "model.onnx"
    assert half.stat().st_size < 0.51 * whole.stat().st_size
    assert read_artifact(half).contract == read_artifact(whole).contract
    luma = np.random.default_rng(1).uniform(0, 1, (1, 1, 128, 128)).astype(np.float32)
    answers = [
        onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"luma": luma})[0]
        for path in (whole, half)
    ]
    off = 255 * np.abs(answers[0] - answers[1])
    assert 0 < off.mean() < 0.1
    assert off.max() < 1


def test_halved_graphs_are_valid_onnx() -> None:
    onnx = pytest.importorskip("onnx")
    halved = onnx.load_from_string(halve_weights(shipped_artifact().read_bytes()))
    onnx.checker.check_model(halved)


@pytest.mark.parametrize("cut", [1, 1000, -1])
def test_cut_files_are_told(cut: int) -> None:
    with pytest.raises(ValueError, match=r"cut off|unexpected byte"):
        halve_weights(shipped_artifact().read_bytes()[:cut])


def test_weights_that_fp16_cannot_hold_stay() -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(shipped_artifact())
    large = next(one for one in model.graph.initializer if one.data_type == 1 and len(one.raw_data) >= 1024)
    large.raw_data = np.full(len(large.raw_data) // 4, 1e5, np.float32).tobytes()
    halved = onnx.load_from_string(halve_weights(model.SerializeToString()))
    assert large in halved.graph.initializer


@pytest.mark.parametrize("packed", [False, True])
def test_the_package_is_read_as_npm_leaves_it(tmp_path: Path, packed: bool) -> None:
    folder = make_package(tmp_path / "package")
    found = read_ort_web(pack(folder) if packed else folder)
    assert (found.version, found.known) == ("1.29.9", False)
    assert found.files == {own: theirs.encode() for own, theirs in FILES.items()}


def test_packages_that_are_not_right_are_told_in_one_line(tmp_path: Path) -> None:
    made = {
        "missing.tgz": (lambda path: None, "no such file"),
        "other": (lambda path: make_package(path, name="onnxruntime-node"), "it is the package onnxruntime-node"),
        "part": (lambda path: make_package(path, leave_out="dist/ort.wasm.min.mjs"), "it has no dist/ort.wasm.min.mjs"),
        "changed": (lambda path: make_package(path, "1.30.0"), "is not that of onnxruntime-web 1.30.0"),
        "noise.tgz": (lambda path: path.write_bytes(b"noise" * 99), "cannot be read"),
        "cut.tgz": (lambda path: path.write_bytes(pack(make_package(tmp_path / "x")).read_bytes()[:150]), "cannot be"),
        "empty.tgz": (lambda path: path.write_bytes(b""), "cannot be read"),
    }
    for name, (make, words) in made.items():
        make(tmp_path / name)
        with pytest.raises(UsageError) as told:
            read_ort_web(tmp_path / name)
        assert words in str(told.value)
        assert "npm pack onnxruntime-web@1.30.0" in str(told.value)
        assert "\n" not in str(told.value)


def test_archives_that_swell_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "swell.tgz", "w:gz", compresslevel=1) as stream:
        entry = tarfile.TarInfo("package/padding")
        entry.size = 600_000_000
        # The header alone: its size is believed before its content is read.
        stream.fileobj.write(entry.tobuf())  # type: ignore[union-attr]  # it is open
    with pytest.raises(UsageError, match="too large"):
        read_ort_web(tmp_path / "swell.tgz")


def test_folders_that_hold_something_are_left_alone(tmp_path: Path, tiny_onnx: Path) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    with pytest.raises(UsageError, match="it is not empty"):
        write_page(tmp_path, ORT, tiny_onnx)
    write_page(tmp_path, ORT, tiny_onnx, overwrite=True)
    assert (tmp_path / "kept.txt").read_text() == "kept"
    assert (tmp_path / "index.html").is_file()
    with pytest.raises(UsageError, match=r"kept\.txt: it is no folder"):
        write_page(tmp_path / "kept.txt", ORT, tiny_onnx)
    with pytest.raises(ArtifactError):
        write_page(tmp_path / "other", ORT, tmp_path / "kept.txt")
    assert not (tmp_path / "other").exists()


def test_the_archive_is_read_from_memory_alone(tmp_path: Path) -> None:
    """Names that would leave the folder are of no consequence: nothing is unpacked."""
    with tarfile.open(tmp_path / "evil.tgz", "w:gz") as stream:
        entry = tarfile.TarInfo("../evil.txt")
        entry.size = 4
        stream.addfile(entry, io.BytesIO(b"evil"))
    with pytest.raises(UsageError, match=r"it has no package\.json"):
        read_ort_web(tmp_path / "evil.tgz")
    assert not (tmp_path.parent / "evil.txt").exists()
