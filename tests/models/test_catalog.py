"""The list of networks: every file's family is on it, and it names what the families answer."""

from __future__ import annotations

import pkgutil
import re
from importlib import import_module

import pytest

from colorrt import models
from colorrt.contract import UNIT
from colorrt.errors import UsageError
from colorrt.models.catalog import FAMILY_FILES, KNOWN_MODELS
from colorrt.models.lite import Lite
from colorrt.models.lite_bins import LiteBins
from colorrt.models.registry import FAMILIES, detect, family_of
from colorrt.models.weights.known_files import KNOWN_FILES, find_known


def test_every_file_with_a_family_is_listed_once() -> None:
    files = (name for _, name, _ in pkgutil.iter_modules(models.__path__))
    with_family = {name for name in files if hasattr(import_module(f"colorrt.models.{name}"), "FAMILY")}
    listed = [file.module for file in FAMILY_FILES]
    assert sorted(listed) == sorted(with_family)


def test_listed_models_are_those_of_the_families() -> None:
    listed = [tuple(model.name for model in file.models) for file in FAMILY_FILES]
    assert listed == [family.models for family in FAMILIES]
    names = [model.name for model in KNOWN_MODELS]
    assert len(set(names)) == len(names)
    assert all(model.title and model.weights for model in KNOWN_MODELS)


def test_listed_sizes_are_those_of_the_families() -> None:
    for model in KNOWN_MODELS:
        family = family_of(model.name)
        assert family.default_render_factor in (None, model.render_factor), model.name
        assert model.steps == family.size_multiple, model.name


def test_known_files_are_of_listed_models() -> None:
    names = {model.name for model in KNOWN_MODELS}
    for known in KNOWN_FILES:
        assert known.model in names
        assert re.fullmatch("[0-9a-f]{64}", known.sha256)
        assert find_known(known.sha256) is known
    assert len({known.sha256 for known in KNOWN_FILES}) == len(KNOWN_FILES)
    assert find_known("0" * 64) is None


def test_answers_of_families_are_names_that_they_list() -> None:
    for state in (Lite().state_dict(), LiteBins().state_dict()):
        family, model = detect(state)
        assert model in family.models
        assert family_of(model) is family


def test_needs_of_families_make_sense() -> None:
    for family in FAMILIES:
        stride = family.attention_stride
        assert stride is None or UNIT % stride == 0
        factor = family.default_render_factor
        assert factor is None or UNIT * factor % family.size_multiple == 0


def test_unknown_model_has_no_family() -> None:
    with pytest.raises(UsageError, match="no network 'dragon'; take one of lite-bins, lite, deoldify-artistic"):
        family_of("dragon")
