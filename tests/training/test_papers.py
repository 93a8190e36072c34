"""Trainings by the papers: recipes that ship, the GANs of KTH, classes by folders, rates that fall."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

import colorrt.training.train as room
from colorrt.errors import UsageError
from colorrt.models.registry import load_network
from colorrt.training.logs import Progress
from colorrt.training.papers.judges import Judges, fooling_loss, judge_loss
from colorrt.training.preparing import classes_of
from colorrt.training.recipes.reading import find_recipe, read_recipe
from colorrt.training.recipes.recipe import JudgesRecipe, Recipe
from colorrt.training.schedule import decayed
from colorrt.training.squares.dataset import Dataset
from colorrt.training.train import train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KTH = ("kth-unet-l1", "kth-unet-l2", "kth-gan", "kth-vac")


def small(name: str, steps: int = 3) -> Recipe:
    """A shipped recipe of narrow networks, some steps of two pictures of 32 px long."""
    recipe = read_recipe(find_recipe(name))
    stages = tuple(replace(one, size=32, batch=2, epochs=0.0, steps=steps, sources=("train",)) for one in recipe.stages)
    network = replace(recipe.network, width=8)
    judges = replace(recipe.judges, width=2, classes=2)
    return replace(recipe, network=network, stages=stages, judges=judges, holdout=0.3, cache_gigabytes=0.1)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, save_photo: Callable[..., Path]) -> Path:
    """Pictures of two classes, a folder each."""
    data = tmp_path_factory.mktemp("classes")
    for kind, color in (("apple", (230, 60, 30)), ("plum", (90, 40, 200))):
        for number in range(6):
            save_photo(data / "train" / kind / f"{number}.png", color, (32, 32 + number))
    return data


@pytest.fixture(scope="module", params=KTH)
def run(request: pytest.FixtureRequest, shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A recipe's name, and the folder of a training by it."""
    out = tmp_path_factory.mktemp("papers") / request.param
    train(small(request.param), shelf, out, progress=Progress(io.StringIO()))
    return request.param, out


def test_weights_are_a_network_that_loads(run: tuple[str, Path]) -> None:
    _, out = run
    network = load_network(out / "weights.safetensors")
    assert network.model == "kth-unet"
    with torch.inference_mode():
        assert network.module(torch.rand(1, 1, 32, 32)).isfinite().all()


def test_log_names_the_terms_and_the_error(run: tuple[str, Path]) -> None:
    name, out = run
    head, *_, last = (out / "log.csv").read_text(encoding="utf-8").splitlines()
    row = dict(zip(head.split(","), last.split(","), strict=True))
    terms = {term.partition("=")[0] for term in row["terms"].split()}
    wanted = {"pixel"}
    if name in ("kth-gan", "kth-vac"):
        wanted |= {"discriminator", "adversarial"}
    if name == "kth-vac":
        wanted |= {"classifier", "class"}
    assert terms == wanted
    assert 0 < float(row["mae"]) < 2
    assert 0 < float(row["gray_mae"]) < 1


def test_gan_stopped_between_two_steps_goes_on_to_the_same_weights(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small("kth-vac", steps=4)
    whole = train(recipe, shelf, tmp_path / "whole", progress=Progress(io.StringIO())).read_bytes()
    paces = room.set_pace

    def stop(state: room.State, *rest: object) -> tuple[float, float]:
        if state.step == 2:
            raise KeyboardInterrupt
        return paces(state, *rest)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(room, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(room, "set_pace", stop)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, shelf, tmp_path / "parts", progress=Progress(io.StringIO()))
    monkeypatch.setattr(room, "set_pace", paces)
    assert train(recipe, shelf, tmp_path / "parts", progress=Progress(io.StringIO())).read_bytes() == whole


def test_classes_are_folders_and_must_be_as_many_as_the_recipe_says(shelf: Path) -> None:
    from colorrt.photos.finding import find_entries

    dataset = Dataset(find_entries([shelf]), 32)
    classes = classes_of(dataset, JudgesRecipe(classifier_weight=0.01, classes=2))
    assert classes is not None
    assert classes.tolist() == [0] * 6 + [1] * 6
    assert classes_of(dataset, JudgesRecipe()) is None
    with pytest.raises(UsageError, match=r"tells 10 classes apart, and the photographs lie in 2 folders \(apple, plum"):
        classes_of(dataset, JudgesRecipe(classifier_weight=0.01))


@pytest.mark.parametrize(("norm", "parameters"), [("none", (2_764_737, 1_748_682)), ("batch", None)])
def test_judges_are_those_of_the_code(norm: str, parameters: tuple[int, int] | None) -> None:
    with torch.device("meta"):
        judges = Judges(JudgesRecipe(norm=norm, classifier_weight=0.01), 32)
    assert judges.classifier is not None
    found = tuple(sum(one.numel() for one in part.parameters()) for part in (judges.discriminator, judges.classifier))
    assert parameters is None or found == parameters
    assert judges.discriminator(torch.zeros(2, 3, 32, 32, device="meta")).shape == (2, 1, 4, 4)
    assert judges.classifier(torch.zeros(2, 3, 32, 32, device="meta")).shape == (2, 10)


def test_judges_that_cannot_tell_lose_what_chance_loses() -> None:
    judges = Judges(JudgesRecipe(width=2, classifier_weight=0.01, classes=4), 16)
    for parameter in judges.parameters():
        torch.nn.init.zeros_(parameter)
    picture, labels = torch.rand(3, 3, 16, 16), torch.tensor([0, 1, 3])
    terms = judge_loss(judges, picture, picture, labels, 1.0)
    assert terms["discriminator"].item() == pytest.approx(2 * np.log(2), rel=1e-5)
    assert terms["classifier"].item() == pytest.approx(2 * np.log(4), rel=1e-5)
    terms = fooling_loss(judges, picture, labels, 3.0, 0.01)
    assert terms["adversarial"].item() == pytest.approx(3 * np.log(2), rel=1e-5)
    assert terms["class"].item() == pytest.approx(0.01 * np.log(4), rel=1e-5)


def test_rates_fall_a_little_each_step_or_at_once() -> None:
    assert decayed("exponential", 0.25, 10, 5) == pytest.approx(0.5)
    assert [decayed("staircase", 0.5, 10, step) for step in (0, 9, 10, 29)] == [1.0, 1.0, 0.5, 0.25]


def test_gray_pictures_are_left_out_by_the_limit_of_the_recipe(shelf: Path, tmp_path: Path) -> None:
    from colorrt.photos.finding import find_entries

    Image.fromarray(np.full((32, 32, 3), 90, np.uint8)).save(tmp_path / "gray.png")
    faint = np.full((32, 32, 3), 90, np.uint8)
    faint[0, 0, 0] = 92
    Image.fromarray(faint).save(tmp_path / "faint.png")
    for limit, left in ((0.015, 0), (1e-6, 1), (0.0, 2)):
        dataset = Dataset(find_entries([tmp_path]), 32, gray_limit=limit)
        assert sum(dataset.photo(number) is not None for number in range(2)) == left


@pytest.mark.parametrize(
    ("line", "more", "fault"),
    [
        ("[loss]", "rarity = 2.0", "rarity is not for kth-unet"),
        ("[network]", 'norms = "spectral"', "norms is not for kth-unet"),
        ("[loss]", 'blur = "published"', "blur is for Dahl's networks, not for kth-unet"),
        ("[optimizer]", "least = 2.0", "least = 2.0 is not from 0 to 1"),
        ("[[stages]]", 'kind = "gan"\ncritic_rate = 1e-4', "stage of kind gan is not for kth-unet"),
        ("seed = 24", 'validation = ["/etc"]', "validation cannot hold '/etc'"),
    ],
)
def test_what_a_training_would_pass_over_is_refused(line: str, more: str, fault: str, tmp_path: Path) -> None:
    text = find_recipe("kth-unet-l1").read_text(encoding="utf-8").replace('validation = ["validation.tar"]\n', "")
    (tmp_path / "odd.toml").write_text(text.replace(line, f"{line}\n{more}"), encoding="utf-8")
    with pytest.raises(UsageError, match=fault):
        read_recipe(tmp_path / "odd.toml")
