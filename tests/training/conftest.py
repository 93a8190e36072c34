"""Photographs, encoder weights and recipes, all small, so that a training takes a second."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

import colorrt.training.train as room
from colorrt.models.encoders.efficientnet import Encoder
from colorrt.training.logs import Progress
from colorrt.training.recipes.reading import read_recipe
from colorrt.training.train import train

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor

    from colorrt.training.recipes.recipe import Recipe

TINY_RECIPE = """
seed = 3
short_side = 40

[network]
name = "lite"
encoder = "random"
width = 32
statistics = "frozen"

[optimizer]
encoder_rate = 0.0
decoder_rate = 1e-3
schedule = "whole"
warmup = 0.25
rise = "linear"
average = 0.9
clip = 1.0

[loss]
pixel = "huber"
rarity = 3.0
coarse = 0.5

[[stages]]
size = 32
batch = 2
images = 6
smallest = 0.5
sources = ["album"]

[[stages]]
size = 32
batch = 2
images = 6
smallest = 0.75
sources = ["album"]
"""


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks as small as these take longer on several threads, and far longer where other work has the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def save_photo() -> Callable[..., Path]:
    """Write a picture of one color, lighter towards the right, with the folders above it."""

    def save(path: Path, color: tuple[int, int, int], size: tuple[int, int] = (48, 36), **options: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        light = np.linspace(0.4, 1.0, size[0])[None, :, None] * np.ones((size[1], 1, 1))
        Image.fromarray((light * color).astype(np.uint8)).save(path, **options)
        return path

    return save


@pytest.fixture(scope="session")
def album(save_photo: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with six color photographs, a gray one and a broken one in its folder `album`."""
    folder = tmp_path_factory.mktemp("data")
    colors = [(250, 40, 30), (40, 200, 60), (50, 60, 220), (240, 200, 40), (180, 60, 200), (60, 200, 210)]
    for index, color in enumerate(colors):
        save_photo(folder / "album" / f"{index}.png", color)
    save_photo(folder / "album" / "gray.png", (200, 200, 200))
    (folder / "album" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    return folder


@pytest.fixture(scope="session")
def published() -> dict[str, Tensor]:
    """Random weights under the published names, of the classifier's head too."""
    torch.manual_seed(5)
    names = {"expand.conv": "_expand_conv", "expand.norm": "_bn0", "depthwise.conv": "_depthwise_conv"}
    names |= {"depthwise.norm": "_bn1", "project.conv": "_project_conv", "project.norm": "_bn2"}
    names |= {"stem.conv": "_conv_stem", "stem.norm": "_bn0"}
    state = {}
    for key, value in Encoder().state_dict().items():
        *block, layer, part, leaf = key.split(".")
        state[".".join(["_blocks"] * bool(block) + block[1:] + [names[f"{layer}.{part}"], leaf])] = value
        if leaf == "running_mean":
            value.normal_(std=0.1)
    return state | {"_conv_head.weight": torch.zeros(1280, 320, 1, 1), "_fc.bias": torch.zeros(1000)}


@pytest.fixture(scope="session")
def encoder_pth(published: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("encoder") / "encoder.pth"
    torch.save(published, path)
    return path


@pytest.fixture(scope="session")
def recipe_toml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe of two stages of three steps, at 32 px, that leaves the encoder as it is."""
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(TINY_RECIPE, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_recipe(recipe_toml: Path) -> Recipe:
    return read_recipe(recipe_toml)


@pytest.fixture(scope="session")
def out(tiny_recipe: Recipe, album: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that ran to its end, logged every second step."""
    out = tmp_path_factory.mktemp("trained") / "new" / "folder"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "LOG_STEPS", 2)
        assert train(tiny_recipe, album, out, progress=Progress(io.StringIO())) == out / "weights.safetensors"
    return out
