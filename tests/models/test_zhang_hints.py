"""siggraph17 with hints: chroma and mask in, against a second forward pass that is written out of plain functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F

from colorrt.export.graph import trace
from colorrt.models.color import ChromaOfLab, ab_of
from colorrt.models.zhang import SCALE, ChromaOfHints, Siggraph17, Siggraph17Shape, build

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    Draw = Callable[[nn.Module], dict[str, Tensor]]
    Inputs = tuple[Tensor, Tensor, Tensor]

SMALL = Siggraph17Shape((4, 6, 8, 10, 8, 10, 8, 6, 5, 7), (2, 2, 3, 3, 3, 3, 3, 2, 1, 1), 11)
RED_U, RED_V = -0.12, 0.3


@pytest.fixture
def state(draw_weights: Draw) -> dict[str, Tensor]:
    return draw_weights(Siggraph17(SMALL))


@pytest.fixture
def module(state: dict[str, Tensor]) -> ChromaOfHints:
    network = build(state)
    assert isinstance(network, Siggraph17)
    return ChromaOfHints(network).eval()


def picture(count: int, side: int) -> Inputs:
    """Luma from dark to bright; the first picture has a red patch, the others have no hints."""
    ramp = torch.linspace(0.05, 0.95, side)
    luma = (ramp[:, None] * 0.7 + 0.3 * torch.sin(9 * ramp[None]).abs()).expand(count, 1, side, side).clone()
    hint, mask = torch.zeros(count, 2, side, side), torch.zeros(count, 1, side, side)
    hint[0, 0, 8:14, 9:15], hint[0, 1, 8:14, 9:15], mask[0, :, 8:14, 9:15] = RED_U, RED_V, 1
    return luma, hint, mask


def lab_of(luma: np.ndarray, u: float, v: float) -> np.ndarray:
    """CIE Lab (..., 3) in float64, one color at a time as the standards write it: BT.601, sRGB, D65."""
    blue, red = luma + u / 0.492, luma + v / 0.877
    rgb = np.stack([red, (luma - 0.299 * red - 0.114 * blue) / 0.587, blue], -1).clip(0, 1)
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    to_xyz = [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
    ratio = linear @ np.array(to_xyz).T / [0.95047, 1.0, 1.08883]
    x, y, z = np.moveaxis(np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def written_out(state: dict[str, Tensor], seen: Tensor) -> Tensor:
    """The forward pass of siggraph17 from its table of layers: N x 4 x S x S -> a / 110 and b / 110."""

    def conv(x: Tensor, key: str, dilation: int = 1) -> Tensor:
        return F.conv2d(x, state[f"{key}.weight"], state[f"{key}.bias"], padding=dilation, dilation=dilation)

    def norm(x: Tensor, key: str) -> Tensor:
        mean, var = state[f"{key}.running_mean"], state[f"{key}.running_var"]
        return F.batch_norm(x, mean, var, state[f"{key}.weight"], state[f"{key}.bias"])

    def up(x: Tensor, key: str) -> Tensor:
        return F.conv_transpose2d(x, state[f"{key}.weight"], state[f"{key}.bias"], stride=2, padding=1)

    def block(x: Tensor, name: str, convolutions: int, dilation: int = 1) -> Tensor:
        for index in range(convolutions):
            x = F.relu(conv(x, f"{name}.{2 * index}", dilation))
        return norm(x, f"{name}.{2 * convolutions}")

    one = block(seen, "model1", 2)
    two = block(one[:, :, ::2, ::2], "model2", 2)
    three = block(two[:, :, ::2, ::2], "model3", 3)
    x = block(three[:, :, ::2, ::2], "model4", 3)
    x = block(block(x, "model5", 3, 2), "model6", 3, 2)
    x = block(x, "model7", 3)
    x = F.relu(up(x, "model8up.0") + conv(three, "model3short8.0"))
    x = norm(F.relu(conv(F.relu(conv(x, "model8.1")), "model8.3")), "model8.5")
    x = F.relu(up(x, "model9up.0") + conv(two, "model2short9.0"))
    x = norm(F.relu(conv(x, "model9.1")), "model9.3")
    x = F.relu(up(x, "model10up.0") + conv(one, "model1short10.0"))
    x = F.leaky_relu(conv(x, "model10.1"), 0.2)
    return torch.tanh(F.conv2d(x, state["model_out.0.weight"], state["model_out.0.bias"]))


def test_hints_reach_the_network_as_the_publication_has_them(state: dict[str, Tensor], module: ChromaOfHints) -> None:
    luma, hint, mask = picture(2, 32)
    flat = luma[:, 0].double().numpy()
    seen = np.zeros((2, 4, 32, 32))
    seen[:, 0] = (lab_of(flat, 0, 0)[..., 0] - 50) / 100
    seen[:, 1:3] = np.moveaxis(lab_of(flat, RED_U, RED_V)[..., 1:] / 110, -1, 1) * mask.numpy()
    seen[:, 3] = mask[:, 0].numpy()
    answers: list[Tensor] = []
    module.lab.network.register_forward_hook(lambda _module, _inputs, answer: answers.append(answer))
    with torch.inference_mode():
        module(luma, hint, mask)
        expected = written_out({key: value.double() for key, value in state.items()}, torch.from_numpy(seen))
        plain = module.lab.network(torch.from_numpy(seen[:, :1]).float())
    torch.testing.assert_close(answers[0].double(), expected, atol=1e-3, rtol=0)
    # The hint moves the answer by far more than what the comparison lets pass, and moves that of its picture alone.
    moved = (answers[0] - plain).abs().amax(dim=(1, 2, 3))
    assert moved[0] > 0.02
    assert moved[1] < 1e-5


def test_colors_without_a_mask_are_not_read(module: ChromaOfHints) -> None:
    luma, hint, mask = picture(1, 16)
    with torch.inference_mode():
        plain = ChromaOfLab(module.lab.network, SCALE)(luma)
        torch.testing.assert_close(module(luma, hint, torch.zeros_like(mask)), plain, atol=1e-5, rtol=0)


def test_ab_of_a_color_give_its_chroma_again() -> None:
    luma = torch.full((1, 1, 1, 1), 0.5)
    chroma = torch.tensor([-0.05, 0.1]).reshape(1, 2, 1, 1)
    expected = lab_of(np.array(0.5), -0.05, 0.1)[1:]
    np.testing.assert_allclose(ab_of(luma, chroma).flatten().numpy(), expected, atol=1e-3)
    assert ab_of(luma, torch.zeros_like(chroma)).abs().max() < 0.02


@pytest.mark.parametrize("render_factor", [2, None])
def test_the_graph_takes_hints_as_inputs_of_their_own(module: ChromaOfHints, render_factor: int | None) -> None:
    graph = trace(module, render_factor, hints=True)
    assert [value.name for value in graph.graph.input] == ["luma", "hint", "mask"]
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    for count, side in ((2, 32), (1, 32 if render_factor else 48)):
        inputs = picture(count, side)
        with torch.inference_mode():
            expected = module(*inputs).numpy()
        named = dict(zip(("luma", "hint", "mask"), (one.numpy() for one in inputs), strict=True))
        (found,) = session.run(["chroma"], named)
        np.testing.assert_allclose(found, expected, atol=1e-4)
