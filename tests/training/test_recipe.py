"""Recipes: the shipped ones read, and one that is wrong is refused in one line that says where."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from colorrt.errors import UsageError
from colorrt.training.losses.critic import Critic
from colorrt.training.recipes.reading import find_recipe, read_recipe
from colorrt.training.recipes.recipe import Recipe, shrink

SHIPPED = ("lite", "lite-finish", "ipol-video", "deoldify-artistic", "deoldify-stable", "deoldify-video")


def refusal(path: Path) -> str:
    """What is said against a recipe, one line that begins with its path."""
    with pytest.raises(UsageError) as caught:
        read_recipe(path)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(f"{path}: ")
    return said.removeprefix(f"{path}: ")


@pytest.fixture
def change(recipe_toml: Path, tmp_path: Path) -> Changer:
    return Changer(recipe_toml, tmp_path / "changed.toml")


class Changer:
    """Writes the tiny recipe with one piece of its text replaced wherever it stands."""

    def __init__(self, original: Path, path: Path) -> None:
        self.original, self.path = original, path

    def __call__(self, old: str, new: str) -> Path:
        text = self.original.read_text(encoding="utf-8")
        assert old in text
        self.path.write_text(text.replace(old, new), encoding="utf-8")
        return self.path


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipe_is_found_by_its_name(name: str) -> None:
    recipe = read_recipe(find_recipe(name))
    assert recipe.stages
    assert recipe.network.norms == ("plain" if name.startswith("lite") else "spectral")


def test_papers_grow_from_64_over_128_to_192_pixels() -> None:
    for name in ("ipol-video", "deoldify-artistic"):
        sizes = [stage.size for stage in read_recipe(find_recipe(name)).stages if stage.kind == "supervised"]
        assert sizes == [64, 64, 128, 192]


def test_paper_without_its_gan_has_the_stability_term() -> None:
    recipe = read_recipe(find_recipe("ipol-video"))
    assert recipe.loss.stability > 0
    assert recipe.loss.stability_noise == pytest.approx(30 / 255, abs=1e-3)
    assert {stage.kind for stage in recipe.stages} == {"supervised"}


def test_folder_with_the_name_of_a_recipe_is_not_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lite").mkdir()
    assert find_recipe("lite").name == "lite.toml"


@pytest.mark.parametrize("scale", [0.01, 0.25, 0.4])
def test_trial_of_a_gan_leaves_its_critic_a_place_to_look_at(scale: float) -> None:
    recipe = shrink(read_recipe(find_recipe("deoldify-artistic")), 1, scale)
    assert min(stage.size for stage in recipe.stages if stage.kind != "supervised") == 64
    asked = recipe.critic
    for blocks in (1, 2, asked.blocks):
        least = replace(asked, blocks=blocks).least_size
        assert Critic(2, blocks).eval()(torch.zeros(1, 3, least, least)).shape == (1, 1)
        with pytest.raises(RuntimeError):
            Critic(2, blocks).eval()(torch.zeros(1, 3, least // 2, least // 2))


def test_path_is_taken_as_it_is(tmp_path: Path) -> None:
    assert find_recipe("mine/lite.toml") == Path("mine/lite.toml")
    assert find_recipe("lite").name == "lite.toml"
    assert find_recipe("lite").is_file()


def test_missing_recipe_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.toml").startswith("no recipe can be read here (No such file or directory)")


def test_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path).startswith("no recipe can be read here")


@pytest.mark.parametrize("data", [b"network lite", b"\xff\xd8\xff\xe0", b"a = 1\na = 2"], ids=["text", "jpeg", "twice"])
def test_file_that_is_not_toml_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(data)
    assert refusal(path).startswith("not a TOML file (")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("seed = 3\n", "recipe lacks seed"),
        ("short_side = 40\n", "recipe lacks short_side"),
        ('name = "lite"\n', "network lacks name"),
        ("decoder_rate = 1e-3\n", "optimizer lacks decoder_rate"),
        ("batch = 2\n", "stage lacks batch"),
        ('sources = ["album"]', "stage lacks sources"),
        ("images = 6\n", "stage with no length: give one of images, epochs and steps"),
    ],
)
def test_what_is_lacking_is_named(line: str, said: str, change: Changer) -> None:
    assert refusal(change(line, "")).startswith(said)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seed = 3", "seed = 3\ndepth = 2", "recipe has the unknown depth"),
        ("batch = 2", "colour = 1\nbatch = 2", "stage has the unknown colour"),
        ("seed = 3", 'seed = "three"', "recipe: seed cannot be 'three'"),
        ("seed = 3", "seed = true", "recipe: seed cannot be True"),
        ('name = "lite"', 'name = "heavy"', "network: name cannot be 'heavy', but lite, "),
        ('name = "lite"', 'name = "lite"\nbody = "lite9"', "network: body cannot be 'lite9', but lite0, "),
        ('name = "lite"', 'name = "lite"\nwidths = [9, 8, 7, 6, 5]', "network: widths are at most four"),
        ('name = "lite"', 'name = "lite"\nwidths = [9, 0]', "network: widths and inner are at least 1"),
        ('name = "lite"', 'name = "lite"\nattention_at = 8', "network: attention_at is 16 or 32"),
        ("warmup = 0.25", 'warmup = "long"', "optimizer: warmup cannot be 'long'"),
        ("decoder_rate = 1e-3", "decoder_rate = 0.0", "stage in which nothing would learn"),
        ("average = 0.9", "average = 1.0", "optimizer: average = 1.0 is not at least 0"),
        ('pixel = "huber"', 'pixel = "l3"', "loss: pixel cannot be 'l3'"),
        ('pixel = "huber"', "feature_weights = [1.0]", "loss: feature_weights are three numbers"),
        # A bare string would be taken apart into patterns of one letter.
        ('sources = ["album"]', 'sources = "album"', "stage: sources cannot be 'album'"),
        ('sources = ["album"]', "sources = [1]", "stage: sources cannot be [1]"),
        ('sources = ["album"]', 'sources = ["album"]\nsource_weights = [1, 2]', "stage: source_weights are as many"),
        ('sources = ["album"]', 'sources = ["album"]\nfavored = ["a*"]', "stage: favored and favor are equally many"),
        ("batch = 2", 'batch = 2\nfavored = ["a*"]\nfavor = [0]', "stage with favor = [0] is not above 0"),
        ("rarity = 3.0", 'compared_at = "half"', "loss: compared_at cannot be 'half', but full, decoder"),
        ('sources = ["album"]', "sources = []", "stage: sources are empty"),
        ('sources = ["album"]', 'sources = [""]', "stage: sources cannot hold ''"),
        ('sources = ["album"]', 'sources = ["/album"]', "stage: sources cannot hold '/album', only patterns below"),
        (
            'sources = ["album"]',
            'sources = ["album"]\nsource_weights = [0]',
            "stage with source_weights = [0]: not above 0",
        ),
        ("seed = 3", "seed = 3\nblend = 1.0", "recipe: blend = 1.0 is not at least 0 and below 1"),
        ("seed = 3", "seed = -3", "recipe: seed = -3 is below 0"),
        ("seed = 3", "seed = 3\ncache_gigabytes = -1", "recipe: cache_gigabytes = -1 is below 0"),
        ("seed = 3", "seed = 3\ncache_gigabytes = nan", "recipe: cache_gigabytes = nan is not a finite number"),
        ("clip = 1.0", "clip = inf", "optimizer: clip = inf is not a finite number"),
        ("clip = 1.0", "second_beta = 1.5", "optimizer: second_beta = 1.5 is not at least 0, below 1"),
        ("rarity = 3.0", "rebalance = 0.0", "loss: rebalance = 0.0 is not above 0"),
        ("rarity = 3.0", "rarity = 3.0\nhue_rarity = 1.5", "loss: hue_rarity = 1.5 is not from 0 to 1"),
        ("rarity = 3.0", "rarity = 3.0\ncast = -0.5", "loss: cast = -0.5 is below 0"),
        ("rarity = 3.0", "hue_rarity = 0.5", "loss: hue_rarity weighs rarity, which is not given"),
        ("rarity = 3.0", "view_share = 2.0", "loss: view_share = 2.0 is not from 0 to 1"),
        ("rarity = 3.0", "view_share = 0.5", 'loss: view_share is for lite, with compared_at = "decoder"'),
        ("rarity = 3.0", "consistency = 0.5", "loss: consistency compares views, and view_share is 0"),
        ("rarity = 3.0", "view_sizes = [100]", "loss: view_sizes = [100] are not multiples of 16"),
        ("rarity = 3.0", "view_sizes = []", "loss: view_sizes = [] are not multiples of 16"),
        ("[loss]", "[critic]\nbetas = [0.9]\n[loss]", "critic: betas are two, from 0 to below 1"),
        ("[loss]", "[critic]\ndropout = 1.0\n[loss]", "critic: dropout = 1.0 is not a probability"),
        ("[loss]", "[critic]\nblocks = 0\n[loss]", "critic: width and blocks are at least 1"),
        (
            "batch = 2",
            'batch = 2\nkind = "gan"\ncritic_rate = 1e-4',
            "stage with size = 32 is below the 64 that its critic",
        ),
        ("rarity = 3.0", "coarse_side = 0", "loss: coarse_side = 0 is not above 0"),
        ("size = 32", "size = 40", "stage with size = 40 is not a multiple of 16"),
        ("size = 32", "size = 0", "stage with size = 0 is not a multiple of 16"),
        ("batch = 2", "batch = 1", "stage with batch = 1 is less than"),
        ("images = 6", "images = -1", "stage with images = -1 is not above 0"),
        ("images = 6", "images = 6\nsteps = 2", "stage with images and steps: give one"),
        ("smallest = 0.5", "smallest = 0.0", "stage with smallest = 0.0 is not above 0"),
        ("smallest = 0.5", "smallest = 1.5", "stage with smallest = 1.5 is not above 0"),
        ("batch = 2", 'batch = 2\nkind = "gan"', "stage of kind gan needs a critic_rate"),
    ],
)
def test_value_that_makes_no_sense_is_named(old: str, new: str, said: str, change: Changer) -> None:
    assert refusal(change(old, new)).startswith(said)


@pytest.mark.parametrize("option", ["bins_weight", "knowledge"])
def test_some_terms_are_for_lite_alone(option: str, recipe_toml: Path, change: Changer) -> None:
    text = recipe_toml.read_text(encoding="utf-8").replace('name = "lite"', 'name = "ipol"')
    change.path.write_text(text.replace("rarity = 3.0", f"{option} = 0.1"), encoding="utf-8")
    assert refusal(change.path).startswith(f"loss: {option} is for lite and lite-bins, not for ipol")


def test_only_a_decoder_that_is_known_to_end_early_is_compared_there(recipe_toml: Path, change: Changer) -> None:
    text = recipe_toml.read_text(encoding="utf-8").replace('name = "lite"', 'name = "lite-bins"')
    change.path.write_text(text.replace("rarity = 3.0", 'compared_at = "decoder"'), encoding="utf-8")
    assert refusal(change.path).startswith('loss: compared_at = "decoder" is for lite')


@pytest.mark.parametrize("stages", ["", "stages = []", "stages = 3", "[stages]\nsize = 32"])
def test_recipe_without_a_list_of_stages_is_refused(stages: str, recipe_toml: Path, tmp_path: Path) -> None:
    path = tmp_path / "stageless.toml"
    head = recipe_toml.read_text(encoding="utf-8").partition("[[stages]]")[0]
    # At the top: below, it would belong to the last table.
    path.write_text(f"{stages}\n{head}" if stages.startswith("stages") else head + stages, encoding="utf-8")
    assert refusal(path).startswith("a recipe needs one or more [[stages]]")


def test_whole_number_is_a_rate_too(change: Changer) -> None:
    assert read_recipe(change("rarity = 3.0", "rarity = 3")).loss.rarity == 3


def test_trial_takes_few_steps_of_small_squares(tiny_recipe: Recipe) -> None:
    large = replace(tiny_recipe, stages=tuple(replace(stage, size=192, batch=8) for stage in tiny_recipe.stages))
    small = shrink(large, 5, 0.5)
    assert {(stage.size, stage.batch, stage.steps, stage.images) for stage in small.stages} == {(96, 4, 5, 0)}
    assert shrink(large, None, 1.0) is large


@pytest.mark.parametrize(
    "value",
    [
        "1e300",
        "-1e300",
        "9" * 31,
        "9" * 400,
        "9" * 4400,
        "nan",
        "[" * 900 + "]" * 900,
        "[" * 99_000,
        '"\x1b[31m' + "x" * 9000 + '"',
    ],
    ids=lambda value: f"{value[:5]}{len(value)}",
)
@pytest.mark.parametrize("field", ["seed = 7", "batch = 4", "weight_decay = 0.01"])
def test_numbers_that_no_training_needs_are_refused(change: Changer, field: str, value: str) -> None:
    text = change.original.read_text(encoding="utf-8")
    name, _, _ = field.partition(" ")
    old = next((line for line in text.splitlines() if line.startswith(f"{name} = ")), None)
    if old is None:
        old = "[optimizer]"
        said = refusal(change(old, f"{old}\n{name} = {value}"))
    else:
        said = refusal(change(old, f"{name} = {value}"))
    assert said.isprintable()
    assert len(said) < 400


@pytest.mark.parametrize("source", ["../../*", "..", "a/../../b", "a/..", "/etc/*", ""])
def test_sources_stay_below_the_data_folder(change: Changer, source: str) -> None:
    text = change.original.read_text(encoding="utf-8")
    old = next(line for line in text.splitlines() if line.startswith("sources = "))
    assert "patterns below the data folder" in refusal(change(old, f'sources = ["{source}"]'))


def test_seeded_damage_to_a_recipe_is_a_recipe_or_one_line(recipe_toml: Path, tmp_path: Path) -> None:
    text = recipe_toml.read_text(encoding="utf-8")
    rng = random.Random(20)
    pieces = [
        "[",
        "]]",
        "1e300",
        "-",
        '"',
        "=",
        "9" * 40,
        "\n[a.b]\n",
        "true",
        "\x00",
        "nan",
        "{",
        "..",
        "'''",
        "1979-05-27",
    ]
    path = tmp_path / "damaged.toml"
    refused = []
    for _ in range(800):
        place, length = rng.randrange(len(text)), rng.choice((0, 0, 1, 1, 8))
        path.write_text(text[:place] + rng.choice(pieces) + text[place + length :], encoding="utf-8")
        try:
            recipe = read_recipe(path)
        except UsageError as error:
            refused.append(str(error))
        else:
            assert all(stage.count_steps(1000) > 0 for stage in recipe.stages)
    assert len(refused) > 300
    assert all(said.isprintable() and len(said) < len(str(path)) + 400 for said in refused)
