"""eccv16 and siggraph17: recognized by keys and shapes, built at any width and depth, answering as they should."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.functional as F

from colorrt.errors import WeightsError
from colorrt.models.color import ChromaOfLab
from colorrt.models.registry import detect, load_network
from colorrt.models.zhang import Eccv16, Eccv16Shape, Siggraph17, Siggraph17Shape, build, read_shape

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor, nn

    Draw = Callable[[nn.Module], dict[str, Tensor]]

SMALL = Eccv16Shape((4, 6, 8, 10, 8, 10, 8, 6), (2, 2, 3, 3, 3, 3, 3, 2), 9)
SMALL_U = Siggraph17Shape((4, 6, 8, 10, 8, 10, 8, 6, 5, 7), (2, 2, 3, 3, 3, 3, 3, 2, 1, 1), 11)
SHAPES: list[Eccv16Shape | Siggraph17Shape] = [
    SMALL,
    Eccv16Shape((3, 4, 5, 6, 7, 6, 5, 4), (1, 2, 1, 2, 1, 2, 1, 3), 5),
    SMALL_U,
    Siggraph17Shape((3, 4, 5, 6, 7, 6, 5, 4, 3, 2), (1, 2, 1, 2, 1, 2, 1, 3, 2, 2), 0),
]


def make(shape: Eccv16Shape | Siggraph17Shape) -> Eccv16 | Siggraph17:
    return Eccv16(shape) if isinstance(shape, Eccv16Shape) else Siggraph17(shape)


def luma_of(size: int) -> Tensor:
    ramp = torch.linspace(0, 1, size)
    return (ramp[:, None] * 0.7 + 0.3 * torch.sin(9 * ramp[None]).abs())[None, None]


@pytest.mark.parametrize("shape", SHAPES, ids=repr)
def test_weights_make_the_network_that_they_were_taken_from(
    shape: Eccv16Shape | Siggraph17Shape, draw_weights: Draw, tmp_path: Path
) -> None:
    network = make(shape)
    state = draw_weights(network)
    torch.save(state, tmp_path / "a.pth")
    network.load_state_dict(state)
    loaded = load_network(tmp_path / "a.pth")
    assert (loaded.model, loaded.family.name) == (type(network).__name__.lower(), "zhang")
    assert read_shape(state) == shape
    assert loaded.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert isinstance(loaded.module, ChromaOfLab)
    x = torch.linspace(-0.5, 0.5, 2 * 24 * 40).reshape(2, 1, 24, 40)
    with torch.inference_mode():
        assert torch.equal(loaded.module.network(x), network.eval()(x))
        chroma = loaded.module(luma_of(48))
    assert chroma.shape == (1, 2, 48, 48)
    assert float(chroma.std()) > 1e-3


# What these networks answered when they agreed with the original classes to the last bit, at full size.
ANSWERS = {
    "eccv16": [-0.143799, -0.153465, -0.154456, -0.051563, -0.051189, -0.054059],
    "siggraph17": [0.281965, 0.216841, 0.103783, 0.640392, 0.186113, 0.757217],
}


@pytest.mark.parametrize("shape", [SMALL, SMALL_U], ids=["eccv16", "siggraph17"])
def test_answers_are_those_of_networks_that_equaled_the_originals(
    shape: Eccv16Shape | Siggraph17Shape, draw_weights: Draw
) -> None:
    network = build(draw_weights(make(shape)))
    with torch.inference_mode():
        guess = network(luma_of(32) - 0.5)
    found = guess[0, :, 3::9, 5::9].flatten()[::4]
    expected = torch.tensor(ANSWERS["eccv16" if isinstance(shape, Eccv16Shape) else "siggraph17"])
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


def test_full_shapes_have_the_parameters_of_the_published_files() -> None:
    with torch.device("meta"):
        counts = [
            sum(tensor.numel() for tensor in make(shape).parameters()) for shape in (Eccv16Shape(), Siggraph17Shape())
        ]
        tensors = [len(make(shape).state_dict()) for shape in (Eccv16Shape(), Siggraph17Shape())]
    assert counts == [32_236_011, 34_187_027]
    assert tensors == [82, 107]


def test_hints_of_nothing_are_no_hints_and_others_color(draw_weights: Draw) -> None:
    network = build(draw_weights(make(SMALL_U)))
    assert isinstance(network, Siggraph17)
    x = luma_of(32) - 0.5
    hints, mask = torch.zeros(1, 2, 32, 32), torch.zeros(1, 1, 32, 32)
    with torch.inference_mode():
        plain = network(x)
        torch.testing.assert_close(network(x, hints, mask), plain, atol=1e-5, rtol=0)
        hints[..., 8:14, 8:14], mask[..., 8:14, 8:14] = 0.6, 1
        assert float((network(x, hints, mask) - plain).abs().max()) > 0.01


def test_eccv16_answers_with_the_mean_of_the_colors_of_the_file(draw_weights: Draw) -> None:
    state = draw_weights(make(SMALL))
    # Whatever the picture, the fourth color takes all.
    state["model8.6.weight"] = torch.zeros_like(state["model8.6.weight"])
    state["model8.6.bias"] = F.one_hot(torch.tensor(3), SMALL.colors) * 1000.0
    with torch.inference_mode():
        guess = build(state)(luma_of(32) - 0.5)
    color = state["model_out.weight"][:, 3].reshape(1, 2, 1, 1)
    torch.testing.assert_close(guess, color.expand(1, 2, 32, 32))


@pytest.mark.parametrize("shape", [SMALL, SMALL_U], ids=["eccv16", "siggraph17"])
def test_damage_is_named_in_one_line(shape: Eccv16Shape | Siggraph17Shape, draw_weights: Draw) -> None:
    whole = draw_weights(make(shape))
    for change, words in (
        ({"model3.2.weight": None}, "lacks model3.2.weight"),
        ({"model5.0.weight": None}, "lacks model5.0.weight"),
        ({"model8.0.weight" if isinstance(shape, Eccv16Shape) else "model9.1.weight": None}, "lacks model"),
        ({"model4.0.weight": torch.zeros(9)}, r"model4.0.weight is \(9,\), and not the kernel"),
        ({"model4.0.weight": torch.zeros(0, 8, 3, 3)}, "and not the kernel of a convolution"),
        ({"model6.2.weight": torch.zeros(4, 4, 3, 3)}, r"model6.2.weight is \(4, 4, 3, 3\) instead of"),
        ({"model6.2.weight": torch.zeros(10, 10, 5, 5)}, "has wrong shapes: model6.2.weight"),
        ({"classifier.weight": torch.zeros(3)}, "has unknown classifier.weight"),
        ({"model9999999.1.weight": torch.zeros(1, 1, 3, 3)}, "has unknown model9999999.1.weight"),
    ):
        state = {key: value for key, value in (whole | change).items() if value is not None}
        with pytest.raises(WeightsError, match=words) as caught:
            build(state)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 700


def test_other_networks_with_some_of_the_keys_are_strangers(draw_weights: Draw) -> None:
    rgb = draw_weights(make(SMALL)) | {"model1.0.weight": torch.zeros(4, 3, 3, 3)}
    flat = draw_weights(make(SMALL_U)) | {"model1.0.weight": torch.zeros(4)}
    for state in (rgb, flat):
        with pytest.raises(WeightsError, match="the weights are of an unknown network"):
            detect(state)


def test_file_without_the_head_of_the_training_is_whole(draw_weights: Draw) -> None:
    state = draw_weights(make(SMALL_U))
    bare = {key: value for key, value in state.items() if not key.startswith("model_class.")}
    assert read_shape(bare) == replace(SMALL_U, classes=0)
    x = luma_of(16) - 0.5
    with torch.inference_mode():
        assert torch.equal(build(bare)(x), build(state)(x))
