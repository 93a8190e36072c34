"""The forms of attention: the same answers, in PyTorch and as graphs; which one an artifact gets."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from colorrt.contract import AttentionForm
from colorrt.errors import UsageError
from colorrt.export.attention import attention_as, choose_form, count_heads, count_scores
from colorrt.export.checks import check_structure
from colorrt.export.graph import trace
from colorrt.export.precision.parity import answer_of
from colorrt.models.layers import TILE, SelfAttention

FORMS = tuple(AttentionForm)


def layer(channels: int = 16, inner: int = 2) -> SelfAttention:
    torch.manual_seed(2)
    attention = SelfAttention(channels, inner)
    with torch.no_grad():
        attention.gamma.fill_(0.7)
    return attention.eval().requires_grad_(False)


class Small(nn.Module):
    """One token for each 16 x 16 pixels, as `trace` wants its networks: luma in, two planes out."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 16, 16, 16)
        self.attention = layer(16, 8)
        self.up = nn.ConvTranspose2d(16, 2, 16, 16)

    def forward(self, luma: torch.Tensor) -> torch.Tensor:
        return self.up(self.attention(3 * self.down(luma)))


def small() -> Small:
    torch.manual_seed(3)
    return Small().eval().requires_grad_(False)


def attended(attention: SelfAttention, form: AttentionForm, x: torch.Tensor) -> torch.Tensor:
    with attention_as(attention, form):
        return attention(x)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (4, 6), (32, 32), (33, 40), (48, 64)])
def test_tiles_give_the_same_numbers(height: int, width: int) -> None:
    x = torch.randn(2, 16, height, width)
    plain = attended(layer(), "plain", x)
    # The same sums; the matrix product may take them in another order for another number of rows.
    torch.testing.assert_close(attended(layer(), "tiled", x), plain, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("channels", "inner", "heads"), [(16, 2, 8), (16, 4, 4), (12, 5, 1), (8, 8, 1)])
def test_heads_share_queries_and_keys(channels: int, inner: int, heads: int) -> None:
    attention = layer(channels, inner)
    assert attention.heads == count_heads(attention) == heads
    x = torch.randn(2, channels, 7, 5)
    torch.testing.assert_close(attended(attention, "heads", x), attended(attention, "plain", x), rtol=0, atol=5e-6)


def test_heads_of_deoldify_are_eight() -> None:
    assert layer(64, 64 // 8).heads == 8


@pytest.mark.parametrize("form", FORMS)
def test_graph_of_every_form_answers_as_plain_attention(form: AttentionForm) -> None:
    network = small()
    with attention_as(network, form):
        model = trace(network, 34)
    check_structure(model, fixed_size=True)
    operators = Counter(node.op_type for node in model.graph.node)
    # 34 x 34 tokens: two tiles.
    assert operators["Softmax"] == (2 if form == "tiled" else 1)
    luma = np.random.default_rng(1).random((2, 1, 544, 544), dtype=np.float32)
    assert network.attention.form == "plain"
    np.testing.assert_allclose(answer_of(model)(luma), network(torch.from_numpy(luma)).numpy(), atol=2e-5)


@pytest.mark.parametrize("size", [16, 80])
def test_graph_of_any_size_takes_heads(size: int) -> None:
    network = small()
    with attention_as(network, "heads"):
        model = trace(network, None)
    check_structure(model, fixed_size=False)
    luma = np.random.default_rng(1).random((2, 1, size, size), dtype=np.float32)
    np.testing.assert_allclose(answer_of(model)(luma), network(torch.from_numpy(luma)).numpy(), atol=2e-5)


def test_few_tokens_are_one_tile() -> None:
    attention = layer()
    assert TILE == 1024
    with attention_as(attention, "tiled"):
        program = torch.export.export(attention, (torch.randn(1, 16, 32, 32),))
    assert not [node for node in program.graph.nodes if "split" in node.name]


def test_heads_of_the_graph_are_one_batched_product() -> None:
    network = small()
    with attention_as(network, "heads"):
        model = onnx.shape_inference.infer_shapes(trace(network, 4))
    shapes = {
        value.name: [dim.dim_value or "batch" for dim in value.type.tensor_type.shape.dim]
        for value in model.graph.value_info
    }
    products = [shapes[node.output[0]] for node in model.graph.node if node.op_type == "MatMul"]
    assert [shape[-3:] for shape in products] == [[2, 16, 16], [2, 16, 8]]


def test_target_chooses_the_form() -> None:
    assert choose_form("cpu", None, 16) == "tiled"
    assert choose_form("cpu", None, None) == "plain"
    assert choose_form("tensorrt", None, 16) == choose_form("tensorrt", None, None) == "heads"
    assert choose_form("tensorrt", "plain", 16) == "plain"
    assert choose_form("cpu", "heads", None) == "heads"


@pytest.mark.parametrize(
    ("target", "asked", "says"),
    [
        ("tpu", None, "target 'tpu' is unknown; choose one of cpu, tensorrt"),
        ("cpu", "flash", "attention 'flash' is unknown; choose one of plain, tiled, heads"),
        ("cpu", "tiled", "attention 'tiled' needs a fixed size, .*; add --render-factor N"),
    ],
)
def test_impossible_choices_say_what_to_take(target: str, asked: str | None, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        choose_form(target, asked, None)


def test_form_is_put_back_after_a_failure() -> None:
    attention = layer()
    with pytest.raises(RuntimeError), attention_as(attention, "heads"):
        raise RuntimeError
    assert attention.form == "plain"


def test_scores_held_at_once() -> None:
    assert count_scores("plain", 4900, 8) == 4900**2
    assert count_scores("tiled", 4900, 8) == 1024 * 4900
    assert count_scores("tiled", 100, 8) == 100**2
    assert count_scores("heads", 4900, 8) == 8 * 4900**2
