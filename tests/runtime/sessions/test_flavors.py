"""Which TensorRT is installed: the order of preference, what to install, and what does not load."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from colorrt.errors import BackendError, UsageError
from colorrt.runtime.sessions.flavors import broken_flavors, find_flavor, installed_flavors, parse_version

if TYPE_CHECKING:
    from pathlib import Path


def package(monkeypatch: pytest.MonkeyPatch, name: str, version: str | None) -> None:
    """Put a TensorRT in the place of `name`; None takes it away."""
    module = None
    if version is not None:
        module = ModuleType(name)
        module.__version__ = version  # type: ignore[attr-defined]  # a made-up module
        module.Runtime = object  # type: ignore[attr-defined]  # a made-up module
    monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize(
    ("classic", "rtx", "found"),
    [("10.3.0", "1.7", "tensorrt"), ("10.3.0", None, "tensorrt"), (None, "1.7", "tensorrt_rtx")],
)
def test_tensorrt_comes_before_tensorrt_for_rtx(
    monkeypatch: pytest.MonkeyPatch, classic: str | None, rtx: str | None, found: str
) -> None:
    package(monkeypatch, "tensorrt", classic)
    package(monkeypatch, "tensorrt_rtx", rtx)
    assert find_flavor().name == found
    assert [flavor.name for flavor in installed_flavors()] == [
        name for name, version in (("tensorrt", classic), ("tensorrt_rtx", rtx)) if version
    ]


def test_flavor_asked_for_is_the_one_found(monkeypatch: pytest.MonkeyPatch) -> None:
    package(monkeypatch, "tensorrt", "10.3.0")
    package(monkeypatch, "tensorrt_rtx", "1.7.1.116")
    found = find_flavor("tensorrt_rtx")
    assert (found.name, found.version, found.title) == ("tensorrt_rtx", "1.7.1.116", "TensorRT for RTX 1.7.1.116")
    assert found.module is sys.modules["tensorrt_rtx"]


def test_machine_without_tensorrt_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    package(monkeypatch, "tensorrt", None)
    package(monkeypatch, "tensorrt_rtx", None)
    with pytest.raises(BackendError, match=r"pip install 'colorrt\[trt\]' .*'colorrt\[rtx\]' .*a Jetson use JetPack's"):
        find_flavor()
    with pytest.raises(BackendError, match=r"TensorRT is not installed; pip install 'colorrt\[trt\]'"):
        find_flavor("tensorrt")
    with pytest.raises(BackendError, match=r"TensorRT for RTX is not installed; pip install 'colorrt\[rtx\]'$"):
        find_flavor("tensorrt_rtx")
    with pytest.raises(UsageError, match="no TensorRT flavor 'openvino'; choose one of tensorrt, tensorrt_rtx"):
        find_flavor("openvino")
    assert installed_flavors() == broken_flavors() == ()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise OSError('libnvinfer.so.10:\\n no such file')", "libnvinfer.so.10: no such file"),
        ("import a_library_that_is_missing", "No module named 'a_library_that_is_missing'"),
        ("raise RuntimeError", "RuntimeError"),
    ],
)
def test_package_that_does_not_load_is_told_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, reason: str
) -> None:
    (tmp_path / "tensorrt.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    package(monkeypatch, "tensorrt_rtx", None)
    with pytest.raises(BackendError) as caught:
        find_flavor()
    assert str(caught.value).startswith(f"TensorRT is installed but does not load ({reason}); pip install")
    assert broken_flavors() == (str(caught.value),)


def test_flavor_that_loads_is_taken_over_one_that_does_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tensorrt.py").write_text("raise OSError('broken')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    package(monkeypatch, "tensorrt_rtx", "1.7")
    assert find_flavor().name == "tensorrt_rtx"


def test_folder_of_the_same_name_is_no_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", ModuleType("tensorrt"))
    with pytest.raises(BackendError, match="is installed but is not TensorRT"):
        find_flavor("tensorrt")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("10.13.3.9", (10, 13, 3, 9)), ("10.3.0.post1", (10, 3, 0)), ("dev", ()), ("1.7+cu13", (1, 7))],
)
def test_versions_are_their_leading_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_version(text) == numbers
