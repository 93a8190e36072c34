"""Reading contracts out of files: only what is one is taken for one, and every refusal helps."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from colorrt.contract import Contract
from colorrt.errors import ArtifactError
from colorrt.runtime.artifact import Kind, read_artifact
from colorrt.runtime.shipped import shipped_artifact

if TYPE_CHECKING:
    from collections.abc import Callable

PLAN = Contract("deoldify-artistic", 16, "fp16", "plain", (1, 4), 1.0, "0" * 64, 18, "colorrt 0.1.0")
JUNK = bytes(range(256)) * 40


def refusal(path: Path) -> str:
    """What the refusal of a file says; it names the file first and is one line."""
    with pytest.raises(ArtifactError) as caught:
        read_artifact(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert message.count(str(path)) == 1
    return message.removeprefix(f"{path}: ")


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_contract_of_an_onnx_file_is_read(tiny_onnx: Path, tiny32: Path) -> None:
    found = read_artifact(tiny_onnx)
    assert (found.path, found.kind) == (tiny_onnx, Kind.ONNX)
    assert found.contract == Contract("tiny", None, "fp32", "plain", (1, None), 1.0, "0" * 64, 18, "tests")
    assert read_artifact(str(tiny32)).contract.size == 32


def test_contract_behind_gigabytes_of_weights_is_read(tmp_path: Path) -> None:
    # A graph of 4 GB, none of which is on the disk.
    text = PLAN.to_json().encode()
    entry = b"\x0a\x07colorrt\x12" + varint(len(text)) + text
    path = tmp_path / "large.onnx"
    with path.open("wb") as stream:
        stream.write(b"\x08\x09\x3a" + varint(1 << 32))
        stream.seek(1 << 32, os.SEEK_CUR)
        stream.write(b"\x72" + varint(len(entry)) + entry)
    assert read_artifact(path).contract == PLAN


def varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])


def test_shipped_model_takes_any_render_factor() -> None:
    found = read_artifact(shipped_artifact())
    assert found.kind is Kind.ONNX
    assert found.contract.render_factor is None
    assert found.contract.batch == (1, None)


def test_onnx_file_of_someone_else_is_refused_with_the_way_to_make_one(
    make_onnx: Callable[..., Path], tmp_path: Path
) -> None:
    message = refusal(make_onnx(tmp_path / "other.onnx", contract=None))
    assert "carries no colorrt contract" in message
    assert "colorrt export WEIGHTS --render-factor N" in message


@pytest.mark.parametrize("contract", ["", "not json", '{"model": 3}', "[[[["])
def test_onnx_file_with_a_strange_contract_is_refused(
    make_onnx: Callable[..., Path], tmp_path: Path, contract: str
) -> None:
    assert "export" in refusal(make_onnx(tmp_path / "strange.onnx", contract=contract))


def test_contract_of_a_newer_colorrt_asks_for_an_upgrade(make_onnx: Callable[..., Path], tmp_path: Path) -> None:
    newer = json.dumps(json.loads(PLAN.to_json()) | {"colorrt_contract": 2})
    assert "upgrade colorrt" in refusal(make_onnx(tmp_path / "newer.onnx", contract=newer))


def test_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nothing.onnx") == "no such file; make one with 'colorrt export'"


def test_folder_is_no_artifact(tmp_path: Path) -> None:
    assert "this is a folder" in refusal(tmp_path)


def test_path_below_a_file_is_refused(tiny_onnx: Path) -> None:
    assert "cannot be read" in refusal(tiny_onnx / "inside.onnx")


def test_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / ("x" * 300 + ".onnx"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    assert "not a regular file" in refusal(tmp_path / "pipe.onnx")


@pytest.mark.parametrize("name", ["model.onnx", "model.plan", "model.pth"])
def test_empty_file_is_called_empty(tmp_path: Path, name: str) -> None:
    assert "the file is empty" in refusal(written(tmp_path / name, b""))


@pytest.mark.parametrize("name", ["net.pth", "net.PT", "net.ckpt", "net.safetensors"])
@pytest.mark.parametrize("data", [b"PK\x03\x04" + JUNK, b"\x80\x02" + JUNK, b"\x08\x00" + JUNK, b"<html>"])
def test_weights_are_sent_to_export(tmp_path: Path, name: str, data: bytes) -> None:
    assert "colorrt export" in refusal(written(tmp_path / name, data))


@pytest.mark.parametrize(
    "data",
    [
        b"Some text.\n",
        b"<!DOCTYPE html><html></html>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        b"\xff\xd8\xff\xe0" + JUNK,
        b"\0" * 1000,
    ],
)
def test_other_files_are_neither_onnx_nor_engine(tmp_path: Path, data: bytes) -> None:
    message = refusal(written(tmp_path / "model.onnx", data))
    assert message.startswith("neither an ONNX file nor a TensorRT engine")


@pytest.mark.parametrize("name", ["artistic.plan", "artistic.engine", "artistic.onnx", "artistic"])
def test_contract_is_found_inside_a_plan_of_any_name(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, b"ftrt" + JUNK + PLAN.to_json().encode() + b"\0" + JUNK)
    found = read_artifact(path)
    assert (found.kind, found.contract) == (Kind.ENGINE, PLAN)


def test_contract_at_the_very_end_of_a_plan_is_found(tmp_path: Path) -> None:
    long = replace(PLAN, producer="x" * 5000)
    path = written(tmp_path / "artistic.plan", b"ftrt" + JUNK + long.to_json().encode())
    assert read_artifact(path).contract == long


def test_plan_without_a_contract_is_refused(tmp_path: Path) -> None:
    message = refusal(written(tmp_path / "other.plan", b"ftrt" + JUNK))
    assert message.startswith("this TensorRT engine carries no colorrt contract")


@pytest.mark.parametrize("keep", [30, 100, 200])
def test_plan_that_is_cut_inside_its_contract_is_damaged(tmp_path: Path, keep: int) -> None:
    cut = b"ftrt" + JUNK + PLAN.to_json().encode()[:keep]
    assert "damaged or incomplete" in refusal(written(tmp_path / "cut.plan", cut))


def test_plan_with_a_bottomless_contract_is_damaged(tmp_path: Path) -> None:
    deep = b'{"colorrt_contract":' + b"[" * 60_000
    assert "damaged or incomplete" in refusal(written(tmp_path / "deep.plan", b"ftrt" + deep))


def test_onnx_file_that_ends_in_the_middle_is_incomplete(tiny_onnx: Path, tmp_path: Path) -> None:
    data = tiny_onnx.read_bytes()
    message = refusal(written(tmp_path / "cut.onnx", data[: len(data) // 2]))
    assert "damaged or incomplete (it is truncated)" in message


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_truncation_raises_anything_but_artifact_error(tiny_onnx: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = tiny_onnx.read_bytes()
    keep = data.draw(st.integers(0, len(whole) - 1))
    assert refusal(written(tmp_path / "cut.onnx", whole[:keep]))


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200), start=st.sampled_from([b"", b"\x08", b"\x08\x09", b"ftrt", b"\x08\x09\x3a\x00"]))
@example(data=b"\x72\x0b\x0a\x07colorrt\x12\x00", start=b"\x08\x09\x3a\x00")
@example(data=b"\x72\x0d\x0a\x07colorrt\x12\x02\xff\xff", start=b"\x08\x09\x3a\x00")
@example(data=b"\x72" + b"\xff" * 9 + b"\x01", start=b"\x08\x09")
@example(data=b"\x09", start=b"\x08\x09\x3a\x00")
def test_random_bytes_raise_nothing_but_artifact_error(tmp_path: Path, data: bytes, start: bytes) -> None:
    assert refusal(written(tmp_path / "random.onnx", start + data))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_raise_nothing_but_artifact_error(tiny_onnx: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(tiny_onnx.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = written(tmp_path / "flipped.onnx", bytes(whole))
    try:
        assert read_artifact(path).path == path
    except ArtifactError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017 (most flips lie in weights and names, and are not seen)
