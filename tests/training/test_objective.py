"""Where a guess is compared with the truth."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from colorrt.models.lite import Lite, enlarge
from colorrt.training.losses.chroma import cast_loss
from colorrt.training.networks import make_trainee
from colorrt.training.objective import Examples, Objective
from colorrt.training.recipes.recipe import LossRecipe, NetworkRecipe
from colorrt.training.trainee import Trainee

CPU = torch.device("cpu")


def small_lite(widths: tuple[int, ...]) -> Trainee:
    torch.manual_seed(4)
    trainee = make_trainee(NetworkRecipe("lite", encoder="random", widths=widths, inner=8), None, None)
    network = trainee.network
    assert isinstance(network, Lite)
    torch.nn.init.normal_(network.head.weight, std=0.3)
    trainee.network.eval()
    return trainee


def lesson(noisy: bool = False) -> Examples:
    luma = torch.rand(2, 1, 64, 64)
    return Examples(luma, 0.4 * torch.rand(2, 2, 64, 64) - 0.2, luma, luma.flip(3) if noisy else None)


@pytest.mark.parametrize("widths", [(24,), (24, 16), (24, 16, 12), (24, 16, 12, 8)])
def test_guess_before_interpolation_is_that_of_the_network(widths: tuple[int, ...]) -> None:
    network = small_lite(widths).network
    assert isinstance(network, Lite)
    luma = torch.rand(1, 1, 32, 48)
    with torch.inference_mode():
        guess, chroma = network.guess(luma), network(luma)
    doublings = 4 - len(widths) + 1 if len(widths) < 4 else 0
    assert guess.shape[-2:] == (32 >> doublings, 48 >> doublings)
    torch.testing.assert_close(enlarge(guess, doublings) if doublings else guess, chroma)


@pytest.mark.parametrize("noisy", [False, True])
def test_chroma_is_compared_where_the_decoder_ends(noisy: bool) -> None:
    trainee, given = small_lite((24, 16, 12)), lesson(noisy)
    recipe = LossRecipe(
        pixel="l1", rarity=3.0, coarse=0.5, coarse_side=16, compared_at="decoder", stability=float(noisy)
    )
    objective = Objective(recipe, trainee, None, None, None, CPU)
    with torch.inference_mode():
        answer = objective.answer(given)
        terms = objective.loss(given, answer)
        torch.testing.assert_close(answer.chroma, trainee.network(given.seen))
    assert answer.guess.shape == (2, 2, 16, 16)
    truth = F.avg_pool2d(given.chroma, 4)
    weight = 1 + 3 * truth.square().sum(1, keepdim=True).sqrt()
    torch.testing.assert_close(terms["pixel"], (weight * (answer.guess - truth).abs()).mean())
    regions = F.avg_pool2d(answer.guess, 4) - F.avg_pool2d(given.chroma, 16)
    torch.testing.assert_close(terms["coarse"], 0.5 * regions.abs().mean())
    assert ("stability" in terms) == noisy


def test_decoder_that_goes_to_full_size_is_compared_there() -> None:
    trainee, given = small_lite((24, 16, 12, 8)), lesson()
    terms = []
    for where in ("decoder", "full"):
        objective = Objective(LossRecipe(coarse=0.5, compared_at=where), trainee, None, None, None, CPU)
        with torch.inference_mode():
            terms.append(objective.loss(given, objective.answer(given)))
    assert terms[0] == terms[1]


def test_regions_larger_than_the_square_are_the_whole_square() -> None:
    trainee, given = small_lite((24, 16, 12, 8)), lesson()
    objective = Objective(LossRecipe(coarse=1.0, coarse_side=4096), trainee, None, None, None, CPU)
    with torch.inference_mode():
        answer = objective.answer(given)
        found = objective.loss(given, answer)["coarse"]
    means = answer.guess.mean(dim=(2, 3)) - given.chroma.mean(dim=(2, 3))
    torch.testing.assert_close(found, means.abs().mean())


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_cast_is_part_of_the_loss_where_a_recipe_weighs_it(weight: float) -> None:
    trainee, given = small_lite((24, 16, 12)), lesson()
    objective = Objective(LossRecipe(compared_at="decoder", cast=weight), trainee, None, None, None, CPU)
    with torch.inference_mode():
        answer = objective.answer(given)
        terms = objective.loss(given, answer)
    if not weight:
        assert "cast" not in terms
        return
    torch.testing.assert_close(terms["cast"], weight * cast_loss(answer.guess, F.avg_pool2d(given.chroma, 4)))
