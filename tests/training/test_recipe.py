"""Recipes: the shipped one reads, and one that is wrong is refused in one line that says where."""

from __future__ import annotations

from dataclasses import fields
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import pytest

from colorrt.errors import UsageError
from colorrt.training.recipe import Recipe, Stage, read_recipe

if TYPE_CHECKING:
    from pathlib import Path


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


def test_shipped_recipe_reads() -> None:
    with as_file(files("colorrt.training") / "recipes" / "lite.toml") as path:
        recipe = read_recipe(path)
    assert recipe.network == "lite"
    assert recipe.stages
    for stage in recipe.stages:
        assert stage.images > stage.batch
        assert all(source.endswith(".tar") for source in stage.sources)


def test_recipe_holds_what_the_file_says(recipe_toml: Path) -> None:
    recipe = read_recipe(recipe_toml)
    assert (recipe.seed, recipe.short_side, recipe.decoder_rate, recipe.warmup) == (3, 40, 1e-3, 0.25)
    assert recipe.stages == (Stage(32, 2, 6, 0.5, ("album",)), Stage(32, 2, 6, 0.75, ("album",)))


def test_missing_recipe_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.toml").startswith("no recipe can be read here (No such file or directory)")


def test_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path).startswith("no recipe can be read here")


@pytest.mark.parametrize("data", [b"network lite", b"\xff\xd8\xff\xe0", b"a = 1\na = 2"], ids=["text", "jpeg", "twice"])
def test_file_that_is_not_toml_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(data)
    assert refusal(path).startswith("not a TOML file (")


@pytest.mark.parametrize("name", sorted({field.name for field in fields(Recipe)} - {"stages"}))
def test_lacking_field_of_a_recipe_is_named(name: str, recipe_toml: Path, tmp_path: Path) -> None:
    lines = recipe_toml.read_text(encoding="utf-8").splitlines()
    path = tmp_path / "lacking.toml"
    path.write_text("\n".join(line for line in lines if not line.startswith(f"{name} =")), encoding="utf-8")
    assert refusal(path).startswith(f"recipe lacks {name}; ")


@pytest.mark.parametrize("name", [field.name for field in fields(Stage)])
def test_lacking_field_of_a_stage_is_named(name: str, recipe_toml: Path, tmp_path: Path) -> None:
    lines = recipe_toml.read_text(encoding="utf-8").splitlines()
    path = tmp_path / "lacking.toml"
    path.write_text("\n".join(line for line in lines if not line.startswith(f"{name} =")), encoding="utf-8")
    assert refusal(path).startswith(f"stage lacks {name}; ")


def test_unknown_fields_are_named(change: Changer) -> None:
    assert refusal(change("seed", "depth = 2\nseeds")).startswith(
        "recipe lacks seed and has the unknown depth, seeds; "
    )
    assert refusal(change("batch", "colour = 1\nbatch")).startswith("stage has the unknown colour; ")


@pytest.mark.parametrize("stages", ["", "stages = []", "stages = 3", "[stages]\nsize = 32"])
def test_recipe_without_a_list_of_stages_is_refused(stages: str, recipe_toml: Path, tmp_path: Path) -> None:
    path = tmp_path / "stageless.toml"
    head = recipe_toml.read_text(encoding="utf-8").partition("[[stages]]")[0]
    path.write_text(head + stages, encoding="utf-8")
    assert refusal(path).startswith("a recipe needs one or more [[stages]]")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seed = 3", 'seed = "three"', "seed cannot be 'three'"),
        ("seed = 3", "seed = true", "seed cannot be True"),
        ("warmup = 0.25", 'warmup = "long"', "warmup cannot be 'long'"),
        # A bare string would be taken apart into patterns of one letter.
        ('sources = ["album"]', 'sources = "album"', "sources cannot be 'album'"),
        ('sources = ["album"]', "sources = [1]", "sources cannot be [1]"),
        ("size = 32", "size = 40", "stage with size = 40 is no multiple of 16"),
        ("size = 32", "size = 0", "stage with size = 0 is no multiple of 16"),
        ("batch = 2", "batch = 1", "stage with batch = 1 is less than"),
        ("images = 6", "images = 0", "stage with images = 0 is less than 1"),
        ("smallest = 0.5", "smallest = 0.0", "stage with smallest = 0.0 is not above 0"),
        ("smallest = 0.5", "smallest = 1.5", "stage with smallest = 1.5 is not above 0"),
    ],
)
def test_value_that_makes_no_sense_is_named(old: str, new: str, said: str, change: Changer) -> None:
    assert refusal(change(old, new)).startswith(said)


def test_whole_number_is_a_rate_too(change: Changer) -> None:
    assert read_recipe(change("rarity = 3.0", "rarity = 3")).rarity == 3
