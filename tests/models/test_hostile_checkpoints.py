"""Checkpoints made to hurt: refused in one line, before they take memory, and nothing in them is run."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from colorrt.errors import WeightsError
from colorrt.models.registry import load_network
from colorrt.models.weights.checkpoint import fill, load_state


def refusal(path: Path) -> str:
    """What the refusal says; it is one line of a bearable length."""
    with pytest.raises(WeightsError) as caught:
        load_network(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert said.isprintable()
    assert len(said) < len(str(path)) + 900
    return said.removeprefix(f"{path}: ")


def rewritten(source: Path, target: Path, compression: int) -> Path:
    """The same archive with its records compressed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for record in old.infolist():
            new.writestr(record.filename, old.read(record))
    return target


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_records_are_refused_before_they_are_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: int
) -> None:
    torch.save({"a": torch.zeros(4_000_000)}, tmp_path / "a.pth")
    path = rewritten(tmp_path / "a.pth", tmp_path / "b.pth", compression)
    assert path.stat().st_size < 100_000

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the archive was unpacked")

    monkeypatch.setattr(torch, "load", never)

    assert "records are compressed" in refusal(path)


def test_records_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"a": torch.ones(100_000)}, path)
    whole = path.read_bytes()
    start = whole.index(b"PK\x01\x02")
    end = whole.index(b"PK\x06\x06") if b"PK\x06\x06" in whole else whole.index(b"PK\x05\x06")
    with zipfile.ZipFile(path) as archive:
        count = len(archive.infolist())
    directory = whole[start:end] * 50
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 50 * count, 50 * count, len(directory), start, 0)
    path.write_bytes(whole[:start] + directory + tail)

    assert "records are compressed" in refusal(path)


def quantized() -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)


STRANGE: dict[str, tuple[Tensor, str]] = {
    "meta": (torch.empty(3, device="meta"), "has no values"),
    "sparse": (torch.eye(3).to_sparse(), "is sparse"),
    "int64": (torch.ones(3, dtype=torch.int64), "is of torch.int64"),
    "bool": (torch.ones(3, dtype=torch.bool), "is of torch.bool"),
    "complex": (torch.ones(3, dtype=torch.complex64), "is of torch.complex64"),
    "quantized": (quantized(), "is quantized"),
    "expanded": (torch.ones(1).expand(1 << 40), "repeats values"),
}


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_tensors_that_no_network_computes_with_are_refused_by_name(tmp_path: Path, name: str, new: bool) -> None:
    tensor, words = STRANGE[name]
    path = tmp_path / "a.pth"
    torch.save({"b": torch.ones(2), "body.0.weight": tensor}, path, _use_new_zipfile_serialization=new)

    said = refusal(path)
    assert words in said or "cannot read the checkpoint" in said
    assert "'body.0.weight'" in said or "cannot read the checkpoint" in said


def test_strange_tensors_in_safetensors_are_refused(tmp_path: Path) -> None:
    safetensors.torch.save_file({"a": torch.ones(3, dtype=torch.int32)}, tmp_path / "a.safetensors")

    assert "is of torch.int32" in refusal(tmp_path / "a.safetensors")


def test_deeply_nested_key_is_refused_in_words(tmp_path: Path) -> None:
    # Written by hand: Python's own pickler gives up on such a thing.
    nested = b")" + b"\x85" * 5000
    body = b"\x80\x02}" + nested + b"K\x01s."
    buffer = io.BytesIO()
    torch.save({"a": 1}, buffer)
    buffer.seek(0)
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        for record in old.infolist():
            new.writestr(record.filename, body if record.filename.endswith("data.pkl") else old.read(record))

    assert "a key that is a tuple is not a tensor" in refusal(path)


def test_keys_of_two_lines_and_of_kilobytes_make_one_line(tmp_path: Path) -> None:
    for key in ("a\nb\x1b[31m", "k" * 9000, "\ud800"):
        path = tmp_path / "a.pth"
        torch.save({key: 1}, path)
        refusal(path)
        torch.save({key: torch.ones(3)}, path)
        refusal(path)
    with pytest.raises(WeightsError) as caught:
        fill(nn.Conv2d(1, 1, 1), {"a\nb\x1b[31m": torch.ones(1), "k" * 9000: torch.ones(1)}, "a convolution")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 900


def test_seeded_damage_to_a_network_is_a_network_or_one_line(tmp_path: Path) -> None:
    state = {"a.weight": torch.ones(4, 3, 3, 3), "a.bias": torch.ones(4), "n": torch.tensor(7)}
    torch.save(state, tmp_path / "a.pth")
    safetensors.torch.save_file(state, tmp_path / "a.safetensors")
    rng = np.random.default_rng(20)
    refused = []
    for name in ("a.pth", "a.safetensors"):
        whole = (tmp_path / name).read_bytes()
        for _ in range(150):
            damaged = bytearray(whole)
            for _ in range(int(rng.integers(1, 6))):
                damaged[int(rng.integers(len(damaged)))] = int(rng.integers(256))
            path = tmp_path / f"b{name}"
            path.write_bytes(damaged)
            try:
                load_state(path)
            except WeightsError as error:
                refused.append(str(error))
    assert len(refused) > 30
    assert all(said.isprintable() for said in refused)


def in_a_tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("../../a"), io.BytesIO())


def deep_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"a": 1}, 2)[:-1] + b"(" * 100_000 + b".")


@pytest.mark.parametrize("make", [in_a_tar, deep_pickle])
def test_files_that_are_no_checkpoints_are_refused(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "a.pth")
    refusal(tmp_path / "a.pth")


def test_safetensors_header_of_a_gigabyte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", (1 << 30) - 1) + b'{"a":' + b" " * 1000)
    refusal(path)
    path.write_bytes(struct.pack("<Q", 40) + b"{" * 40)
    refusal(path)
