"""A second look at squares shows what it says it shows, and compares like with like."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from torch import Tensor

from colorrt.models.lite import Lite
from colorrt.training.networks import make_trainee
from colorrt.training.objective import Objective, prepare
from colorrt.training.recipes.recipe import LossRecipe, NetworkRecipe
from colorrt.training.squares.views import CELL, FEWEST, SMALLEST, View, consistency_loss, take_view

CPU = torch.device("cpu")


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ramps(count: int, size: int) -> Tensor:
    """Luma that says where it is and which square it is of: N x 1 x S x S."""
    across = torch.linspace(0, 1, size)
    return (0.6 * across + 0.3 * across[:, None]).expand(count, 1, size, size) + 0.01 * torch.arange(count).reshape(
        -1, 1, 1, 1
    )


@given(seed=st.integers(0, 10**6), size=st.sampled_from([16, 32, 96, 128, 224]), view=st.sampled_from([16, 96, 256]))
def test_view_is_a_cut_on_cells_brought_to_its_size(seed: int, size: int, view: int) -> None:
    luma = ramps(5, size)
    found = take_view(luma, 0.25, [view], "none", seeded(seed))
    for place in (found.top, found.left, found.height, found.width):
        assert place % CELL == 0
    assert found.top + found.height <= size
    assert found.left + found.width <= size
    assert min(found.height, found.width) >= min(size, SMALLEST * size - CELL / 2)
    assert found.seen.shape == (len(found.seen), 1, view, view)
    part = luma[: len(found.seen), :, found.top : found.top + found.height, found.left : found.left + found.width]
    wanted = part.flip(3) if found.mirrored else part
    scaled = F.interpolate(wanted, size=(view, view), mode="bicubic", antialias=True).clamp(0, 1)
    torch.testing.assert_close(found.seen, scaled)


@pytest.mark.parametrize(("view", "squares"), [(64, 32), (128, 8), (192, FEWEST), (256, FEWEST)])
def test_larger_views_are_of_fewer_squares(view: int, squares: int) -> None:
    assert len(take_view(ramps(32, 128), 0.25, [view], "none", seeded(1)).seen) == squares


def test_views_differ_from_draw_to_draw_and_not_from_run_to_run() -> None:
    luma = ramps(4, 128)
    views = [take_view(luma, 0.25, [96, 128], "old", seeded(seed)) for seed in range(40)]
    assert {view.seen.shape[-1] for view in views} == {96, 128}
    assert {view.mirrored for view in views} == {False, True}
    assert len({(view.top, view.left, view.height, view.width) for view in views}) > 5
    torch.testing.assert_close(take_view(luma, 0.25, [96, 128], "old", seeded(3)).seen, views[3].seen)


@given(mirrored=st.booleans(), step=st.sampled_from([1, 4, 16]))
def test_cut_finds_the_same_place_at_every_size(mirrored: bool, step: int) -> None:
    whole = torch.arange(64.0).repeat_interleave(1)[None, None, None].expand(3, 1, 64, 64)
    view = View(torch.zeros(2, 1, 32, 32), 16, 32, 48, 32, mirrored)
    found = view.cut(F.avg_pool2d(whole, step), 64)
    assert found.shape == (2, 1, 48 // step, 32 // step)
    row = F.avg_pool2d(whole[:1, :, :step, 32:], step).flatten()
    torch.testing.assert_close(found[0, 0, 0], row.flip(0) if mirrored else row)


def test_looks_that_agree_cost_nothing_at_any_two_sizes() -> None:
    fine = torch.rand(2, 2, 24, 16)
    assert float(consistency_loss(fine, F.adaptive_avg_pool2d(fine, (8, 8)))) == pytest.approx(0, abs=1e-5)


def test_change_is_measured_by_how_far_colors_lie_apart() -> None:
    stripes = 0.2 * (-1.0) ** torch.arange(8).expand(1, 2, 8, 8)
    assert float(consistency_loss(stripes, stripes + 0.1)) == pytest.approx(0.1 / 0.2, rel=1e-4)


@given(scale=st.floats(0.2, 5), tint=st.floats(-0.4, 0.4))
def test_neither_fading_nor_a_tint_makes_looks_agree(scale: float, tint: float) -> None:
    generator = seeded(9)
    one, other = (torch.rand(2, 2, 8, 8, generator=generator) for _ in range(2))
    changed = consistency_loss(scale * one + tint, scale * other + tint)
    torch.testing.assert_close(changed, consistency_loss(one, other), rtol=1e-3, atol=1e-4)


def test_two_gray_looks_agree() -> None:
    gray = torch.zeros(1, 2, 4, 4)
    assert float(consistency_loss(gray, gray)) == 0


def test_objective_learns_from_the_view_and_asks_it_to_agree() -> None:
    torch.manual_seed(4)
    trainee = make_trainee(NetworkRecipe("lite", encoder="random", widths=(24, 16, 12), inner=8), None, None)
    network = trainee.network
    assert isinstance(network, Lite)
    torch.nn.init.normal_(network.head.weight, std=0.3)
    network.eval()
    recipe = LossRecipe(
        pixel="l1", compared_at="decoder", view_share=0.5, view_sizes=(96,), consistency=2.0, pixel_weight=3.0
    )
    squares = torch.randint(0, 256, (8, 64, 64, 3), dtype=torch.uint8, generator=seeded(2)).numpy()
    lesson = prepare(squares, "old", recipe, seeded(5), CPU)
    view = lesson.view
    assert view is not None
    objective = Objective(recipe, trainee, None, None, None, CPU)
    with torch.inference_mode():
        answer = objective.answer(lesson)
        terms = objective.loss(lesson, answer)
        viewed, first = network.guess(view.seen), network.guess(lesson.seen)
    truth = F.adaptive_avg_pool2d(view.cut(lesson.chroma, 64), (24, 24))
    torch.testing.assert_close(terms["view"], len(view.seen) / 8 * 3.0 * (viewed - truth).abs().mean())
    torch.testing.assert_close(terms["consistency"], 2.0 * consistency_loss(view.cut(first, 64), viewed))


def test_squares_without_views_have_no_such_terms() -> None:
    recipe = LossRecipe(compared_at="decoder")
    squares = torch.zeros(2, 32, 32, 3, dtype=torch.uint8).numpy()
    assert prepare(squares, "none", recipe, seeded(1), CPU).view is None
