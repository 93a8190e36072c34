"""The colorizer: any picture in, the same picture in color out, its luma untouched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from colorrt import kernels
from colorrt.errors import ArtifactError, ModelError, PictureError, UsageError
from colorrt.runtime.artifact import read_artifact
from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.render_factors import choose_render_factor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RAMP = np.linspace(0, 255, 20 * 30).astype(np.uint8).reshape(20, 30)


@pytest.fixture(scope="module")
def colorizer(tiny_onnx: Path) -> Iterator[Colorizer]:
    with Colorizer(tiny_onnx, render_factor=2) as colorizer:
        yield colorizer


@pytest.fixture(scope="module")
def vivid(make_onnx: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Colorizer]:
    """A colorizer whose colors change with the luma and mostly lie outside the gamut."""
    path = make_onnx(tmp_path_factory.mktemp("vivid") / "vivid.onnx", weight=(-3.0, 2.0), offset=(1.0, -0.7))
    with Colorizer(path, render_factor=1) as colorizer:
        yield colorizer


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3), (1, 1), (1, 40, 3), (40, 1)])
def test_color_picture_of_the_same_size_and_depth_comes_out(colorizer: Colorizer, dtype: Any, shape: Any) -> None:
    color = colorizer.colorize(np.full(shape, np.iinfo(dtype).max // 2, dtype))
    assert color.dtype == dtype
    assert color.shape == (*shape[:2], 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_gets_the_color_that_the_network_guesses(colorizer: Colorizer, dtype: Any) -> None:
    white = np.iinfo(dtype).max
    gray = np.full((9, 7), white // 2, dtype)
    red, _, blue = np.moveaxis(colorizer.colorize(gray).astype(float), -1, 0)
    np.testing.assert_allclose((red - gray) * 0.877 / white, 0.15, atol=0.5 / 255)
    np.testing.assert_allclose((blue - gray) * 0.492 / white, -0.1, atol=0.5 / 255)


@settings(deadline=None)
@given(data=st.data())
def test_luma_is_kept_within_one_level(vivid: Colorizer, data: st.DataObject) -> None:
    dtype: Any = data.draw(st.sampled_from([np.uint8, np.uint16]))
    shape = data.draw(st.tuples(st.integers(1, 24), st.integers(1, 24), st.sampled_from([1, 3])))
    seed = data.draw(st.integers(0, 2**32 - 1))
    saturation = data.draw(st.one_of(st.none(), st.floats(0, 10)))
    picture: NDArray[Any] = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    picture = picture[..., 0] if shape[2] == 1 else picture
    before = kernels.luma(picture).astype(int)
    after = kernels.luma(vivid.colorize(picture, saturation)).astype(int)
    assert np.abs(after - before).max() <= 1


def test_saturation_0_gives_the_gray_picture(vivid: Colorizer) -> None:
    np.testing.assert_array_equal(vivid.colorize(RAMP, 0), np.repeat(RAMP[..., None], 3, axis=-1))


def test_saturation_none_is_the_models_own(make_onnx: Callable[..., Path], tmp_path: Path) -> None:
    from colorrt.contract import Contract

    stamp = Contract("tiny", None, "fp32", "plain", (1, None), 0.5, "0" * 64, 18, "tests")
    with Colorizer(make_onnx(tmp_path / "half.onnx", contract=stamp), render_factor=2) as colorizer:
        np.testing.assert_array_equal(colorizer.colorize(RAMP), colorizer.colorize(RAMP, 0.5))
        assert (colorizer.colorize(RAMP) != colorizer.colorize(RAMP, 1)).any()


@pytest.mark.parametrize("saturation", [-1, -0.001, 10.001, float("nan"), float("inf")])
def test_impossible_saturation_is_refused_with_the_range(colorizer: Colorizer, saturation: float) -> None:
    with pytest.raises(UsageError, match=r"is outside 0\.\.10; 0 is gray, 1 is the network's guess"):
        colorizer.colorize(RAMP, saturation)


def test_of_a_color_picture_only_the_luma_counts(vivid: Colorizer) -> None:
    picture = np.random.default_rng(3).integers(0, 255, (10, 11, 3), np.uint8)
    np.testing.assert_array_equal(vivid.colorize(picture), vivid.colorize(kernels.luma(picture)))


def test_path_and_array_of_a_picture_give_the_same(
    colorizer: Colorizer, save_gray: Callable[..., Path], tmp_path: Path
) -> None:
    from PIL import Image

    path = save_gray(tmp_path / "gray.png")
    color = colorizer.colorize(path)
    np.testing.assert_array_equal(colorizer.colorize(str(path)), color)
    np.testing.assert_array_equal(colorizer.colorize(np.asarray(Image.open(path))), color)


def test_unreadable_picture_is_a_picture_error(colorizer: Colorizer, tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"nothing\.jpg: there is no such file"):
        colorizer.colorize(tmp_path / "nothing.jpg")


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 1), np.uint8),
        np.zeros((0, 4), np.uint8),
        np.zeros(4, np.uint8),
        np.full((4, 4), 1.5, np.float32),
        np.full((4, 4), -0.1),
        np.array([[0.5, np.nan]]),
        np.zeros((0, 4), np.float32),
        np.zeros((4, 4), np.complex64),
        np.zeros((4, 4), np.int64),
        [[1, 2], [3, 4]],
        None,
    ],
    ids=[
        "alpha",
        "one channel",
        "empty",
        "row",
        "above 1",
        "below 0",
        "NaN",
        "no float",
        "complex",
        "int64",
        "list",
        "None",
    ],
)
def test_what_is_no_picture_is_a_usage_error(colorizer: Colorizer, picture: Any) -> None:
    with pytest.raises(UsageError, match="this is not a picture: "):
        colorizer.colorize(picture)


def test_chroma_comes_as_planes_of_the_networks_size(vivid: Colorizer) -> None:
    flat = np.full((7, 5), 51, np.uint8)
    chroma = vivid.chroma(flat)
    assert chroma.shape == (2, vivid.size, vivid.size) == (2, 16, 16)
    assert chroma.dtype == np.float32
    np.testing.assert_allclose(chroma[0], 1.0 - 3.0 * 0.2, atol=1e-5)
    np.testing.assert_allclose(chroma[1], -0.7 + 2.0 * 0.2, atol=1e-5)
    np.testing.assert_allclose(vivid.chroma(flat.astype(np.uint16) * 257), chroma, atol=1e-5)


@pytest.mark.parametrize("luma", [np.zeros((4, 4, 3), np.uint8), np.zeros(3, np.uint8), np.zeros((4, 4))])
def test_chroma_takes_planes_only(colorizer: Colorizer, luma: Any) -> None:
    with pytest.raises(UsageError):
        colorizer.chroma(luma)


def test_batch_is_guessed_as_its_pictures_are(vivid: Colorizer) -> None:
    squares = [vivid.see(RAMP), vivid.see(RAMP[::-1, :9]), vivid.see(RAMP.astype(np.uint16))]
    together = vivid.guess(squares)
    for square, chroma in zip(squares, together, strict=True):
        np.testing.assert_allclose(vivid.guess([square])[0], chroma, atol=1e-6)


def test_render_factor_is_16_where_none_is_asked_for(tiny_onnx: Path) -> None:
    with Colorizer(str(tiny_onnx)) as colorizer:
        assert (colorizer.render_factor, colorizer.size) == (16, 256)


@pytest.mark.parametrize("render_factor", [1, 7, np.int64(3)])
def test_graph_of_any_size_takes_the_render_factor_asked_for(tiny_onnx: Path, render_factor: int) -> None:
    with Colorizer(tiny_onnx, render_factor=render_factor) as colorizer:
        assert colorizer.chroma(RAMP).shape == (2, 16 * render_factor, 16 * render_factor)


@pytest.mark.parametrize("render_factor", [0, -3, 65, 1.5, "abc"])
def test_impossible_render_factor_is_a_usage_error(tiny_onnx: Path, render_factor: Any) -> None:
    with pytest.raises(UsageError):
        Colorizer(tiny_onnx, render_factor=render_factor)


def test_graph_of_one_size_takes_its_own_render_factor_only(tiny32: Path) -> None:
    for asked in (None, 2):
        with Colorizer(tiny32, render_factor=asked) as colorizer:
            assert colorizer.render_factor == 2
            assert colorizer.colorize(RAMP).shape == (20, 30, 3)
    with pytest.raises(UsageError, match=r"was made for render factor 2, not 3.*export WEIGHTS --render-factor 3"):
        Colorizer(tiny32, render_factor=3)


def test_network_without_a_finite_number_is_told_from_a_picture(make_onnx: Callable[..., Path], tmp_path: Path) -> None:
    nan = float("nan")
    with (
        Colorizer(make_onnx(tmp_path / "nan.onnx", offset=(nan, nan)), render_factor=1) as colorizer,
        pytest.raises(PictureError, match="the network returned no finite value"),
    ):
        colorizer.colorize(RAMP)


def test_pixels_without_a_finite_color_stay_gray(colorizer: Colorizer) -> None:
    square = colorizer.see(np.full((32, 32), 120, np.uint8))
    chroma = np.full((2, 32, 32), 0.1, np.float32)
    chroma[0, :16] = np.nan
    color = colorizer.render(square, chroma)
    assert (color[:15] == 120).all()
    assert (color[17:] != 120).all()


def test_threads_bound_kernels_and_network(tiny_onnx: Path) -> None:
    with kernels.thread_limit(2), Colorizer(tiny_onnx, render_factor=1, threads=1) as one:
        single = one.colorize(RAMP)
    with Colorizer(tiny_onnx, render_factor=1) as all_cores:
        np.testing.assert_array_equal(all_cores.colorize(RAMP), single)


def test_left_context_has_closed_the_network(tiny_onnx: Path) -> None:
    with Colorizer(tiny_onnx, render_factor=1) as colorizer:
        assert colorizer.contract.model == "tiny"
        assert "ONNX Runtime" in colorizer.backend
    with pytest.raises(ModelError, match="the session is closed"):
        colorizer.colorize(RAMP)


def test_artifact_that_cannot_run_is_told_at_once(tmp_path: Path, tiny_onnx: Path) -> None:
    with pytest.raises(ArtifactError, match="no such file"):
        Colorizer(tmp_path / "nothing.onnx")
    plan = tmp_path / "some.plan"
    plan.write_bytes(b"ftrt" + tiny_onnx.read_bytes())
    with pytest.raises(ArtifactError, match=r"some\.plan: this is a TensorRT engine"):
        Colorizer(plan)


def test_shipped_model_colors(tmp_path: Path) -> None:
    with Colorizer(render_factor=4) as colorizer:
        color = colorizer.colorize(RAMP)
        assert colorizer.contract.model == "lite"
    assert color.shape == (20, 30, 3)
    assert np.abs(kernels.luma(color).astype(int) - RAMP).max() <= 1


@pytest.mark.parametrize(("asked", "settled"), [(None, 16), (8, 8), (17, 17), (24, 24)])
def test_engine_of_any_size_takes_the_factors_of_its_profile(
    make_plan: Callable[..., Path], asked: int | None, settled: int
) -> None:
    contract = read_artifact(make_plan(render_factor=None, render_factors=(8, 16, 24))).contract
    assert choose_render_factor(contract, asked) == settled
    with pytest.raises(UsageError, match="built for render factors 8 to 24, not 25; choose one of them, or build one"):
        choose_render_factor(contract, 25)
