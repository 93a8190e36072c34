"""Fixtures for all rooms: the reference folder, checkpoints of the original networks, and small artifacts."""

from __future__ import annotations

import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

TESTS = Path(__file__).resolve().parent
# Their tests need PyTorch; those of packaging build the package and install it.
NOT_LIGHT = ("bench", "calibration", "evaluation", "export", "models", "studies", "docs/test_packaging.py", "training")
SHARED = TESTS.parents[1] / "shared"

# Test modules of import mode importlib cannot import helpers that lie beside them by name.
sys.path += [str(TESTS / place) for place in ("docs", "interface", "runtime", "runtime/standins")]
pytest.register_assert_rewrite("colored_files", "engine_plans", "examples", "picture_files")

# Time is measured by bench/, on a quiet machine; a test that fails because another one ran beside it tells nothing.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--light", action="store_true", help="only tests that need neither PyTorch nor TensorRT")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what is not light if so asked; None: pytest decides."""
    heavy = any(collection_path == TESTS / name for name in NOT_LIGHT)
    return True if heavy and config.getoption("light") else None


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder with what the original networks answer; skips where it is absent."""
    folder = SHARED / "reference"
    if not folder.is_dir():
        pytest.skip("the reference folder with the answers of the original networks is absent")
    return folder


@pytest.fixture(scope="session")
def artistic_pth(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """DeOldify artistic with reference weights, as fastai saved in 2019: legacy pickle of model and opt."""
    folder = tmp_path_factory.mktemp("artistic")
    yield from _make_checkpoint(reference, folder, "artistic", "90766699", "--form", "learner", "--legacy")


@pytest.fixture(scope="session")
def wide_pth(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """DeOldify wide (stable, video) with reference weights: zip container of a bare state dict."""
    folder = tmp_path_factory.mktemp("wide")
    yield from _make_checkpoint(reference, folder, "wide", "6cd77978", "--form", "bare")


@pytest.fixture(scope="session")
def zoo() -> Path:
    """The folder with what the original classes of the other networks answer; skips where it is absent."""
    folder = SHARED / "zoo"
    if not folder.is_dir():
        pytest.skip("the folder with the answers of the other networks is absent")
    return folder


@pytest.fixture(scope="session")
def draw_weights() -> Callable[[nn.Module], dict[str, Tensor]]:
    """Draw weights for a network of any family: the same on every machine, and such that signals stay alive."""
    import numpy as np
    import torch

    def draw(network: nn.Module) -> dict[str, Tensor]:
        state = {}
        for key, tensor in network.state_dict().items():
            rng = np.random.default_rng(zlib.crc32(key.encode()))
            shape = tuple(tensor.shape)
            if not tensor.is_floating_point():
                values = np.ones(shape, np.int64)
            elif key.endswith("running_var"):
                values = rng.uniform(0.5, 1.5, shape)
            elif len(shape) > 1:
                values = rng.standard_normal(shape) * (2 / np.prod(shape[1:])) ** 0.5
            elif key.endswith(("weight", "gamma")):
                values = rng.uniform(0.8, 1.2, shape)
            else:
                values = 0.1 * rng.standard_normal(shape)
            state[key] = torch.from_numpy(np.asarray(values)).to(tensor.dtype)
        return state

    return draw


@pytest.fixture(scope="session")
def make_onnx() -> Callable[..., Path]:
    """Write small artifacts: chroma is a 1x1 convolution of luma, two numbers and two offsets."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    from colorrt.contract import METADATA_KEY, Contract

    stamped = Contract("tiny", None, "fp32", "plain", (1, None), 1.0, "0" * 64, 18, "tests")

    def make(
        path: Path,
        *,
        render_factor: int | None = None,
        weight: tuple[float, float] = (0.0, 0.0),
        offset: tuple[float, float] = (-0.1, 0.15),
        channels: int = 2,
        input_name: str = "luma",
        fails: bool = False,
        contract: Contract | str | None = stamped,
    ) -> Path:
        """`contract`: its render factor is that of the graph; a string is stamped as it is, None leaves it out.
        `fails`: the graph loads, and fails at every run."""
        side: int | str = "S" if render_factor is None else 16 * render_factor
        outputs = list(weight) + [0.0] * (channels - 2)
        offsets = list(offset) + [0.0] * (channels - 2)
        nodes = [helper.make_node("Conv", [input_name, "weight", "offset"], ["plain"], kernel_shape=[1, 1])]
        initial = [
            helper.make_tensor("weight", TensorProto.FLOAT, [channels, 1, 1, 1], outputs),
            helper.make_tensor("offset", TensorProto.FLOAT, [channels], offsets),
        ]
        if fails:
            nodes.append(helper.make_node("Reshape", ["plain", "shape"], ["chroma"]))
            initial.append(helper.make_tensor("shape", TensorProto.INT64, [2], [7, 11]))
        else:
            nodes.append(helper.make_node("Identity", ["plain"], ["chroma"]))
        graph = helper.make_graph(
            nodes,
            "tiny",
            [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["N", 1, side, side])],
            [helper.make_tensor_value_info("chroma", TensorProto.FLOAT, None)],
            initial,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        if contract is not None:
            if isinstance(contract, Contract):
                contract = replace(contract, render_factor=render_factor).to_json()
            helper.set_model_props(model, {METADATA_KEY: contract})
        onnx.save(model, str(path))
        return path

    return make


@pytest.fixture(scope="session")
def tiny_onnx(make_onnx: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact of any size that answers one and the same orange everywhere."""
    return make_onnx(tmp_path_factory.mktemp("tiny") / "tiny.onnx")


@pytest.fixture(scope="session")
def save_gray() -> Callable[..., Path]:
    """Write small pictures of rising gray, with the folders above them."""
    import numpy as np
    from PIL import Image

    def save(path: Path, mode: str = "L", size: tuple[int, int] = (12, 8)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        levels = np.linspace(30, 220, size[0] * size[1]).astype(np.uint8).reshape(size[::-1])
        Image.fromarray(levels).convert(mode).save(path)
        return path

    return save


def _make_checkpoint(reference: Path, folder: Path, name: str, digest: str, *options: str) -> Iterator[Path]:
    path = folder / f"{name}.pth"
    script = reference / "make_reference_checkpoint.py"
    command = [sys.executable, str(script), str(reference / f"keys_{name}.tsv"), str(path), *options]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert f"content sha256 {digest}" in answer, "this machine makes other reference weights"
    yield path
    # Up to a gigabyte; pytest would keep the folders of three runs.
    path.unlink()
