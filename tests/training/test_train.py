"""The training loop, end to end on six small photographs: what it writes, keeps, and goes on from."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import safetensors.torch
import torch
from PIL import Image

import colorrt.training.train as room
from colorrt.errors import UsageError
from colorrt.models.lite import Lite
from colorrt.models.registry import load_network
from colorrt.training.logs import Progress
from colorrt.training.recipes.reading import find_recipe, read_recipe
from colorrt.training.recipes.recipe import Recipe, Stage
from colorrt.training.train import Files, train

if TYPE_CHECKING:
    from pathlib import Path

GAN = {"critic_rate": 1e-4, "threshold": 2.0, "save_every": 2}
RECIPES = ("lite", "lite-finish", "ipol-video", "deoldify-artistic", "deoldify-stable", "deoldify-video")
_ARTISTIC, _WIDE = "deoldify-artistic", "deoldify-wide"
MODELS = dict(zip(RECIPES, ("lite", "lite", "ipol", _ARTISTIC, _WIDE, _WIDE), strict=True))


def silent() -> Progress:
    return Progress(io.StringIO())


def reduced(recipe: Recipe, steps: int = 1) -> Recipe:
    """The recipe with a narrow network, a narrow critic and short stages at 32 or 64 px; all else as it says."""
    network = replace(recipe.network, encoder="random", width=16)
    if recipe.network.name not in ("lite", "lite-bins"):
        network = replace(network, stem=4, depths=(1, 1, 1, 1))
    stages = tuple(
        replace(
            stage,
            size=32 if stage.kind == "supervised" else 64,
            batch=2,
            images=0,
            epochs=0.0,
            steps=max(steps, 2) if stage.kind == "gan" else steps,
            save_every=1,
            sources=("album",),
        )
        for stage in recipe.stages
    )
    loss = replace(recipe.loss, features="none", knowledge=0.0)
    critic = replace(recipe.critic, width=4)
    return replace(recipe, network=network, stages=stages, loss=loss, critic=critic, blend=0.0)


def nogan(recipe: Recipe) -> Recipe:
    """Spectral norms, dropout, noise, a critic and a GAN: everything that draws random numbers or keeps a state."""
    short = {"size": 64, "batch": 2, "sources": ("album",), "images": 0, "epochs": 0.0}
    kinds = ({"kind": "supervised", "steps": 8}, {"kind": "critic", "steps": 4}, {"kind": "gan", "steps": 8})
    stages = tuple(Stage(**{**short, **kind, **GAN}) for kind in kinds)  # type: ignore[arg-type]  # options of several types
    recipe = replace(reduced(read_recipe(find_recipe("deoldify-artistic"))), stages=stages)
    return replace(
        recipe,
        network=replace(recipe.network, feature_dropout=0.1),
        optimizer=replace(recipe.optimizer, average=0.9),
        loss=replace(recipe.loss, stability=1.0, stability_noise=0.1),
    )


def read_state(out: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(out / "state.pt", weights_only=True)
    return state


def test_weights_file_is_a_network_that_loads(out: Path) -> None:
    network = load_network(out / "weights.safetensors")
    assert network.model == "lite"
    with torch.inference_mode():
        assert bool(torch.isfinite(network.module(torch.rand(1, 1, 32, 32))).all())


def test_weights_are_the_average_without_counters(out: Path) -> None:
    weights, average = safetensors.torch.load_file(out / "weights.safetensors"), read_state(out)["average"]
    assert set(weights) == {key for key in average if not key.endswith("num_batches_tracked")}
    for key, value in weights.items():
        assert torch.equal(value, average[key]), key


def test_all_that_a_training_leaves_is_whole(out: Path) -> None:
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    samples = {"samples/stage-1-step-000003.png", "samples/stage-2-step-000003.png"}
    stages = {"stage-1.safetensors", "stage-2.safetensors"}
    assert names == {"state.pt", "log.csv", "weights.safetensors"} | samples | stages


def test_every_image_of_the_recipe_is_seen(out: Path) -> None:
    state = read_state(out)
    assert (state["images"], state["stage"], state["step"]) == (12, 2, 0)


def test_log_has_a_row_every_few_steps_and_at_the_end_of_a_stage(out: Path) -> None:
    with (out / "log.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["stage"], row["step"], row["images"]) for row in rows] == [
        ("0", "2", "4"),
        ("0", "3", "6"),
        ("1", "2", "10"),
        ("1", "3", "12"),
    ]
    assert all(float(row["loss"]) > 0 and float(row["rate"]) > 0 for row in rows)
    assert rows[0]["terms"].startswith("pixel=")
    assert "coarse=" in rows[0]["terms"]


def test_samples_show_gray_guess_and_original(out: Path) -> None:
    with Image.open(out / "samples" / "stage-2-step-000003.png") as sheet:
        gray, guess, original = (sheet.getpixel((4 + 36 * column + 16, 20)) for column in range(3))
    assert isinstance(gray, tuple)
    assert isinstance(original, tuple)
    assert isinstance(guess, tuple)
    assert max(gray) - min(gray) <= 1
    assert max(original) - min(original) > 50


def test_rate_of_zero_leaves_the_encoder_and_its_statistics(out: Path, tiny_recipe: Recipe) -> None:
    torch.manual_seed(tiny_recipe.seed)
    start = room.make_trainee(tiny_recipe.network, None, None).network.state_dict()
    trained = safetensors.torch.load_file(out / "weights.safetensors")
    kept = [key for key in trained if key.startswith("encoder.")]
    assert len(kept) > 100
    assert all(torch.equal(trained[key], start[key]) for key in kept)
    moved = read_state(out)["network"]
    for key in ("up.0.shuffle.weight", "up.3.conv.weight", "up.2.norm.running_var", "head.weight"):
        whole, part = (moved[key] - start[key]).norm(), (trained[key] - start[key]).norm()
        assert 0 < float(part) < float(whole), key


def test_encoder_learns_at_its_own_rate(tiny_recipe: Recipe, album: Path, tmp_path: Path) -> None:
    optimizer = replace(tiny_recipe.optimizer, encoder_rate=1e-3, decoder_rate=0.0, average=0.0)
    recipe = replace(tiny_recipe, optimizer=optimizer, stages=tiny_recipe.stages[:1])
    torch.manual_seed(recipe.seed)
    start = room.make_trainee(recipe.network, None, None).network.state_dict()
    weights = safetensors.torch.load_file(train(recipe, album, tmp_path, progress=silent()))
    assert not torch.equal(weights["encoder.stem.conv.weight"], start["encoder.stem.conv.weight"])
    assert not torch.equal(
        weights["encoder.blocks.12.project.conv.weight"], start["encoder.blocks.12.project.conv.weight"]
    )
    assert torch.equal(weights["head.weight"], start["head.weight"])


@pytest.mark.parametrize("name", RECIPES)
def test_shipped_recipe_takes_its_steps(name: str, album: Path, tmp_path: Path) -> None:
    recipe = reduced(read_recipe(find_recipe(name)))
    network = load_network(train(recipe, album, tmp_path, progress=silent()))
    assert network.model == MODELS[name]
    with torch.inference_mode():
        assert bool(torch.isfinite(network.module(torch.rand(1, 1, 32, 32))).all())
    with (tmp_path / "log.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["kind"] for row in rows] == [stage.kind for stage in recipe.stages]
    assert ("stability=" in rows[0]["terms"]) == (name == "ipol-video")
    intermediates = list((tmp_path / "gan").glob("*.safetensors"))
    assert len(intermediates) == (2 if rows[-1]["kind"] == "gan" else 0)


def test_weights_are_a_blend_of_beginning_and_end(out: Path, tiny_recipe: Recipe, album: Path, tmp_path: Path) -> None:
    start = out / "weights.safetensors"
    first = safetensors.torch.load_file(start)
    ends = []
    for share in (0.0, 0.25):
        recipe = replace(tiny_recipe, stages=tiny_recipe.stages[:1], blend=share)
        path = train(recipe, album, tmp_path / str(share), Files(start=start), progress=silent())
        ends.append(safetensors.torch.load_file(path))
    assert not torch.equal(ends[0]["head.weight"], first["head.weight"])
    for name, value in ends[1].items():
        torch.testing.assert_close(value, 0.75 * ends[0][name] + 0.25 * first[name])


def test_blend_with_nothing_is_refused_before_the_training(tiny_recipe: Recipe, album: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mixes its starting weights into its own: give them as --start"):
        train(replace(tiny_recipe, blend=0.5), album, tmp_path / "out", progress=silent())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("bins", ["lite", "lite-bins"])
def test_colors_can_be_classified(bins: str, tiny_recipe: Recipe, album: Path, tmp_path: Path) -> None:
    network, loss = replace(tiny_recipe.network, name=bins), replace(tiny_recipe.loss, bins_weight=0.1)
    recipe = replace(tiny_recipe, network=network, loss=loss, stages=tiny_recipe.stages[:1])
    found = load_network(train(recipe, album, tmp_path, progress=silent()))
    assert found.model == bins
    assert "bins=" in (tmp_path / "log.csv").read_text(encoding="utf-8")


def test_rare_hues_and_second_looks_are_learned_from(tiny_recipe: Recipe, album: Path, tmp_path: Path) -> None:
    loss = replace(
        tiny_recipe.loss,
        hue_rarity=0.5,
        compared_at="decoder",
        view_share=0.5,
        view_sizes=(16, 48),
        consistency=0.5,
    )
    network = replace(tiny_recipe.network, width=0, widths=(24, 16), inner=8)
    recipe = replace(tiny_recipe, network=network, loss=loss, stages=tiny_recipe.stages[:1])
    train(recipe, album, tmp_path / "weighed", progress=silent())
    train(replace(recipe, loss=replace(loss, hue_rarity=0.0)), album, tmp_path / "alike", progress=silent())
    logs = [(tmp_path / run / "log.csv").read_text(encoding="utf-8") for run in ("weighed", "alike")]
    assert all("view=" in log and "consistency=" in log for log in logs)
    assert logs[0] != logs[1]


class PowerCutError(Exception):
    """Stands for a power cut after a saved step."""


@pytest.mark.parametrize("stop", [4, 8, 10, 15])
def test_training_goes_on_as_if_it_had_never_stopped(
    stop: int, nogan_run: Path, tiny_recipe: Recipe, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit: 20 steps of all kinds straight, and with a stop in the midst or between two stages."""
    recipe = nogan(tiny_recipe)
    taken: list[int] = []
    save = room.save_state

    def save_and_stop(state: room.State, path: Path, saved: Recipe) -> None:
        save(state, path, saved)
        taken.append(state.images)
        if state.images == 2 * stop:
            raise PowerCutError

    monkeypatch.setattr(room, "SAVE_SECONDS", -1.0)
    monkeypatch.setattr(room, "save_state", save_and_stop)
    with pytest.raises(PowerCutError):
        train(recipe, album, tmp_path, progress=silent())
    monkeypatch.setattr(room, "save_state", save)
    said = io.StringIO()
    train(recipe, album, tmp_path, progress=Progress(said))
    assert said.getvalue().startswith("resuming at step")
    straight, resumed = read_state(nogan_run), read_state(tmp_path)
    for part in ("network", "average", "critic"):
        for key, value in straight[part].items():
            assert torch.equal(value, resumed[part][key]), (part, key)
    assert (nogan_run / "weights.safetensors").read_bytes() == (tmp_path / "weights.safetensors").read_bytes()

    def rows_of(folder: Path) -> list[tuple[str, str, str]]:
        with (folder / "log.csv").open(newline="", encoding="utf-8") as stream:
            return [(row["stage"], row["step"], row["images"]) for row in csv.DictReader(stream)]

    assert rows_of(tmp_path) == rows_of(nogan_run)


@pytest.fixture(scope="module")
def nogan_run(tiny_recipe: Recipe, album: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("nogan")
    train(nogan(tiny_recipe), album, out, progress=silent())
    return out


def test_gan_keeps_weights_on_its_way_and_both_learn(nogan_run: Path) -> None:
    kept = sorted((nogan_run / "gan").iterdir())
    assert [path.name for path in kept] == [f"stage-3-step-{step:06}.safetensors" for step in (2, 4, 6, 8)]
    first, last = (safetensors.torch.load_file(path) for path in (kept[0], kept[-1]))
    assert not torch.equal(first["layers.11.0.weight"], last["layers.11.0.weight"])
    with (nogan_run / "log.csv").open(newline="", encoding="utf-8") as stream:
        terms = [row["terms"] for row in csv.DictReader(stream)]
    assert "critic=" in terms[1]
    assert all(f"{name}=" in terms[2] for name in ("critic", "adversarial", "pixel", "stability"))


def test_other_seed_gives_other_weights(tiny_recipe: Recipe, out: Path, album: Path, tmp_path: Path) -> None:
    weights = train(replace(tiny_recipe, seed=4), album, tmp_path, progress=silent())
    assert weights.read_bytes() != (out / "weights.safetensors").read_bytes()


def test_accumulated_steps_see_that_many_batches(tiny_recipe: Recipe, album: Path, tmp_path: Path) -> None:
    stage = replace(tiny_recipe.stages[0], images=0, steps=2, accumulate=3)
    train(replace(tiny_recipe, stages=(stage,)), album, tmp_path, progress=silent())
    assert read_state(tmp_path)["images"] == 12


def test_photographs_are_kept_for_validation_and_measured(tiny_recipe: Recipe, album: Path, tmp_path: Path) -> None:
    said = io.StringIO()
    train(replace(tiny_recipe, holdout=0.4), album, tmp_path, progress=Progress(said))
    assert "kept for validation (gray: " in said.getvalue()
    with (tmp_path / "log.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert all(0 < float(row["gray_psnr_db"]) < 40 and 0 < float(row["psnr_db"]) < 40 for row in rows)


def test_training_begins_with_the_start_weights(out: Path, tiny_recipe: Recipe, album: Path, tmp_path: Path) -> None:
    """A step of a rate of nothing leaves them as they are."""
    tiny = replace(tiny_recipe.optimizer, decoder_rate=1e-30, average=0.0, weight_decay=0.0)
    recipe = replace(tiny_recipe, optimizer=tiny, stages=tiny_recipe.stages[:1])
    start = out / "weights.safetensors"
    trained = safetensors.torch.load_file(train(recipe, album, tmp_path, Files(start=start), progress=silent()))
    for key, value in safetensors.torch.load_file(start).items():
        if not key.endswith(("running_mean", "running_var")):
            torch.testing.assert_close(trained[key], value, atol=1e-20, rtol=1e-6)


def test_average_is_a_lite_of_its_own(out: Path) -> None:
    state = read_state(out)
    assert set(state["average"]) == set(state["network"])
    assert set(Lite().state_dict()) == set(state["network"])
