"""DeOldify's generators without full-size weights: keys, shapes, faults of a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from colorrt.errors import WeightsError
from colorrt.models import deoldify
from colorrt.models.layers import SelfAttention

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


def read_original_keys(reference: Path, name: str) -> dict[str, Tensor]:
    """A state dict of the original's keys, shapes and dtypes that takes no memory."""
    state = {}
    for line in (reference / f"keys_{name}.tsv").read_text().splitlines():
        key, shape, dtype = line.split("\t")
        sizes = [int(size) for size in shape.split(",") if size]
        state[key] = torch.empty(sizes, dtype=getattr(torch, dtype), device="meta")
    return state


@pytest.mark.parametrize("name", ["artistic", "wide"])
def test_every_key_and_shape_of_the_original_fits(reference: Path, name: str) -> None:
    state = read_original_keys(reference, name)
    assert deoldify.recognize(state) == name
    network = deoldify.build(state)
    vectors = ("weight_u", "weight_g", "weight_v", "weight_orig")
    assert [key for key in network.state_dict() if key.endswith(vectors)] == []


@pytest.mark.parametrize("name", ["artistic", "wide"])
@pytest.mark.parametrize(
    "key", ["layers.5.shuf.conv.1.running_mean", "layers.0.6.3.conv2.weight", "layers.10.layers.1.0.bias"]
)
def test_missing_key_is_named(reference: Path, name: str, key: str) -> None:
    state = read_original_keys(reference, name)
    del state[key]
    with pytest.raises(WeightsError, match=f"DeOldify {name}, but lacks {key}") as caught:
        deoldify.build(state)
    assert "\n" not in str(caught.value)


def test_missing_vector_of_a_norm_is_named(reference: Path) -> None:
    state = read_original_keys(reference, "artistic")
    del state["layers.6.conv2.0.weight_u"]
    with pytest.raises(WeightsError, match=r"lacks layers\.6\.conv2\.0\.weight_u"):
        deoldify.build(state)


@pytest.mark.parametrize("name", ["artistic", "wide"])
@pytest.mark.parametrize("key", ["layers.7.bn.weight", "layers.0.1.running_var", "layers.11.0.bias"])
def test_wrong_shape_is_named_with_both_shapes(reference: Path, name: str, key: str) -> None:
    state = read_original_keys(reference, name)
    right = tuple(state[key].shape)
    state[key] = torch.empty(77, device="meta")
    with pytest.raises(WeightsError, match=key) as caught:
        deoldify.build(state)
    assert f"{key} is (77,) instead of {right}" in str(caught.value)


def test_many_missing_keys_are_counted(reference: Path) -> None:
    state = read_original_keys(reference, "artistic")
    state = {key: value for key, value in state.items() if not key.startswith("layers.7.bn.")}
    state.pop("layers.6.bn.weight")
    with pytest.raises(WeightsError, match=r"lacks layers\.6\.bn\.weight, .* and 2 more"):
        deoldify.build(state)


def test_unknown_key_is_named(published: dict[str, Tensor]) -> None:
    with pytest.raises(WeightsError, match=r"has unknown layers\.12\.weight"):
        deoldify.build(published | {"layers.12.weight": torch.zeros(1)})


def test_widths_and_depths_are_read_from_shapes(
    published: dict[str, Tensor], tiny: deoldify.DeOldify, variant: str
) -> None:
    assert deoldify.recognize(published) == variant
    picture = torch.randn(2, 3, 80, 80)
    with torch.inference_mode():
        expected = tiny(picture)
        output = deoldify.build(published)(picture)
    assert expected.std() > 0.01
    torch.testing.assert_close(output, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("render_factor", [1, 2, 3, 5, 8])
def test_every_render_factor_keeps_the_size(tiny: deoldify.DeOldify, render_factor: int) -> None:
    size = 16 * render_factor
    with torch.inference_mode():
        output = tiny(torch.randn(1, 3, size, size))
    assert output.shape == (1, 3, size, size)
    assert float(output.abs().max()) <= 3.0


def test_pictures_of_a_batch_do_not_mix(tiny: deoldify.DeOldify) -> None:
    pictures = torch.randn(3, 3, 48, 48)
    with torch.inference_mode():
        together = tiny(pictures)
        alone = torch.cat([tiny(picture[None]) for picture in pictures])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_half_precision_weights_become_float32(published: dict[str, Tensor]) -> None:
    half = {key: value.half() if value.is_floating_point() else value for key, value in published.items()}
    network = deoldify.build(half)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_missing_step_counters_are_no_fault(published: dict[str, Tensor]) -> None:
    state = {key: value for key, value in published.items() if not key.endswith("num_batches_tracked")}
    network = deoldify.build(state)
    assert not any(tensor.is_meta for tensor in network.state_dict().values())


def test_attention_stands_at_an_eighth_of_the_picture(tiny: deoldify.DeOldify) -> None:
    sizes: list[torch.Size] = []
    assert isinstance(tiny.attention, SelfAttention)
    tiny.attention.register_forward_hook(lambda _module, inputs, _output: sizes.append(inputs[0].shape[-2:]))
    with torch.inference_mode():
        tiny(torch.randn(1, 3, 80, 80))
    assert deoldify.FAMILY.attention_stride == 8
    assert sizes == [(80 // 8, 80 // 8)]
