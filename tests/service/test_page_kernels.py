"""The page's kernels in JavaScript against those of the runtime, pixel by pixel, in Node.js."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from colorrt import kernels
from colorrt.kernels.edges import follow_edges
from colorrt.photos.shipped import shipped_photos
from colorrt.runtime.hints import add_hints, read_hints
from colorrt.runtime.mean_color import keep_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

HERE = Path(__file__).parent
KERNELS = HERE.parents[1] / "service" / "page" / "local" / "kernels"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="no Node.js: apt-get install nodejs")

sides = st.integers(1, 70)
seeds = st.integers(0, 2**32)


class Node:
    """A process that calls the kernels."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [str(NODE), str(HERE / "kernels_in_node.mjs"), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def call(self, module: str, name: str, *arguments: Any, answer: int | None = None) -> Any:
        """Call a function; arrays and lists of them go in, base64 comes out. `answer`: the argument that is written."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"module": module, "name": name, "arguments": [_packed(one) for one in arguments], "answer": answer}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        assert "error" not in told, told["error"]
        return told["answer"]

    def close(self) -> None:
        self._process.communicate(timeout=20)


def _packed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"kind": value.dtype.name, "data": base64.b64encode(np.ascontiguousarray(value)).decode()}
    return [_packed(one) for one in value] if isinstance(value, list) else value


def array(packed: str, dtype: Any, *shape: int) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(packed), dtype).reshape(shape)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("kernels")
    for file in KERNELS.glob("*.js"):
        shutil.copy(file, folder)
    # Browsers are told that these are modules by the page, Node.js by this.
    (folder / "package.json").write_text('{"type": "module"}')
    found = Node(folder)
    yield found
    found.close()


@settings(max_examples=20)
@given(seed=seeds, height=sides, width=sides)
def test_luma_is_the_same(node: Node, seed: int, height: int, width: int) -> None:
    rgba = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    luma = array(node.call("luma", "lumaOf", rgba), np.uint8, height, width)
    np.testing.assert_array_equal(luma, kernels.luma(np.ascontiguousarray(rgba[..., :3])))


@settings(max_examples=30)
@given(seed=seeds, height=sides, width=sides, size=st.integers(1, 80))
def test_the_square_is_the_same(node: Node, seed: int, height: int, width: int, size: int) -> None:
    luma = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    square = array(node.call("resize", "resizeLuma", luma, height, width, size), np.float32, size, size)
    np.testing.assert_allclose(square, kernels.resize_luma(luma, size), atol=2e-6)
    assert square.max() <= 1


def smooth(rng: np.random.Generator, height: int, width: int, scale: float) -> NDArray[np.float32]:
    """Chroma far smoother than its luma, as networks make it."""
    return np.stack(
        [
            kernels.resize_plane(rng.normal(0, scale, (5, 5)).astype(np.float32), height, width)
            for _ in range(2)
        ]
    )  # fmt: skip


@settings(max_examples=30)
@given(seed=seeds, height=st.integers(20, 70), width=st.integers(20, 70), blocks=st.booleans())
@example(seed=1, height=64, width=64, blocks=True)
def test_chroma_is_drawn_to_the_same_edges(node: Node, seed: int, height: int, width: int, blocks: bool) -> None:
    rng = np.random.default_rng(seed)
    light = rng.uniform(0, 1, (height, width)).astype(np.float32)
    if blocks:
        light = np.repeat(np.repeat(light[::9, ::9], 9, 0), 9, 1)[:height, :width]
    planes = np.stack([*(100 * smooth(rng, height, width, 0.5)), light]).astype(np.float32)
    answer = node.call("edges", "followEdges", list(planes), height, width)
    followed = np.stack([array(plane, np.float32, height, width) for plane in answer])
    # The share of the way is a ratio of sums, which add up otherwise here.
    np.testing.assert_allclose(followed, follow_edges(planes), atol=0.02)


def render(node: Node, luma: Any, chroma: Any, guide: Any, saturation: float) -> NDArray[np.uint8]:
    height, width = luma.shape
    rgba = np.full((height, width, 4), 77, np.uint8)
    side = chroma.shape[1]
    answer = node.call("rendering", "renderRgb", luma, height, width, chroma, guide, side, saturation, rgba, answer=7)
    rendered = array(answer, np.uint8, height, width, 4)
    # Alpha is left alone.
    assert (rendered[..., 3] == 77).all()
    return rendered[..., :3]


def assert_within_one_level(rendered: NDArray[np.uint8], expected: NDArray[np.uint8]) -> None:
    off = np.abs(rendered.astype(int) - expected)
    assert off.max() <= 1
    # What lies halfway between two levels goes either way; no more than that.
    assert np.count_nonzero(off) <= max(3, 0.002 * off.size)


@settings(max_examples=60)
@given(
    seed=seeds, height=sides, width=sides, side=st.integers(1, 48), guided=st.booleans(),
    saturation=st.sampled_from([0.0, 0.5, 1.0, 2.5, 10.0]), fine=st.booleans(),
)  # fmt: skip
def test_pixels_are_the_same(
    node: Node, seed: int, height: int, width: int, side: int, guided: bool, saturation: float, fine: bool
) -> None:
    rng = np.random.default_rng(seed)
    luma = rng.integers(0, 256, (height, width), np.uint8)
    chroma = rng.normal(0, 0.1, (2, side, side)).astype(np.float32) if fine else smooth(rng, side, side, 0.2)
    guide = kernels.resize_luma(luma, side) if guided else None
    rendered = render(node, luma, chroma, guide, saturation)
    assert_within_one_level(rendered, kernels.render_rgb(luma, chroma, saturation, guide=guide))
    assert np.abs(kernels.luma(np.ascontiguousarray(rendered)).astype(int) - luma).max() <= 1


@pytest.mark.parametrize("saturation", [0.5, 1.0, 1.5, 4.0])
def test_the_mean_stays_the_same(node: Node, saturation: float) -> None:
    chroma = np.random.default_rng(5).normal(0.05, 0.1, (2, 24, 24)).astype(np.float32)
    chroma[0, 3, 4] = np.nan
    answer = node.call("mean", "keepMean", chroma, 24, saturation)
    np.testing.assert_allclose(array(answer, np.float32, 2, 24, 24), keep_mean(chroma, saturation), atol=1e-7)


def test_what_is_not_finite_is_gray(node: Node) -> None:
    luma = np.arange(40 * 40, dtype=np.uint16).reshape(40, 40).astype(np.uint8)
    chroma = np.full((2, 8, 8), 0.2, np.float32)
    chroma[0, 2, 2], chroma[1, 4, 4], chroma[0, 6, 6] = np.nan, np.inf, 1e30
    for guide in (None, kernels.resize_luma(luma, 8)):
        expected = kernels.render_rgb(luma, chroma, guide=guide)
        assert_within_one_level(render(node, luma, chroma, guide, 1.0), expected)


def test_a_photograph_is_the_same(node: Node) -> None:
    with Image.open(next(shipped_photos().glob("*.jpg"))) as image:
        luma = np.asarray(image.convert("L"))
    small = kernels.resize_luma(luma, 128)
    chroma = 0.3 * np.stack([np.roll(small, 9, 0) - 0.5, 0.4 - np.roll(small, 5, 1)])
    for guide in (None, small):
        expected = kernels.render_rgb(luma, chroma, 1.3, guide=guide)
        assert_within_one_level(render(node, luma, chroma, guide, 1.3), expected)


@pytest.mark.parametrize(("side", "reach"), [(32, 1.0), (32, 0.3), (400, 0.5)])
def test_hints_are_read_and_spread_the_same(node: Node, side: int, reach: float) -> None:
    rng = np.random.default_rng(side)
    strokes = np.zeros((90, 120, 4), np.uint8)
    strokes[20:24, 10:80] = (200, 40, 30, 255)
    strokes[60:64, 30:100] = (30, 90, 200, 200)
    strokes[70:72, 5:9] = (*rng.integers(0, 256, 3), 128)
    # Less opaque than not: none.
    strokes[80:85, 50:55] = (9, 9, 9, 127)
    hints = read_hints(strokes, reach=reach)
    told = node.call("hints", "readHints", strokes, 90, 120)
    np.testing.assert_allclose(told["places"], hints.places, atol=1e-6)
    np.testing.assert_allclose(told["colors"], hints.colors, atol=1e-6)

    chroma = smooth(rng, side, side, 0.1)
    guide = kernels.resize_plane(rng.uniform(0, 1, (20, 20)).astype(np.float32), side, side)
    answer = node.call("hints", "addHints", chroma, guide, side, told, 1.2, reach)
    hinted = array(answer, np.float32, 2, side, side)
    np.testing.assert_allclose(hinted, add_hints(chroma, guide, hints, 1.2), atol=1e-4)


def test_strokes_of_many_colors_are_thinned_the_same(node: Node) -> None:
    strokes = np.zeros((200, 100, 4), np.uint8)
    strokes[10:90] = np.random.default_rng(3).integers(0, 256, (80, 100, 4), np.uint8)
    hints = read_hints(strokes)
    told = node.call("hints", "readHints", strokes, 200, 100)
    assert len(told["places"]) == len(hints) <= 128
    np.testing.assert_allclose(told["places"], hints.places, atol=1e-6)
