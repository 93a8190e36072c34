"""What `import colorrt` offers is a promise: names change only together with this list."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import colorrt
from colorrt import errors

NAMES = [
    "ArtifactError",
    "BackendError",
    "Colorizer",
    "ColorrtError",
    "Contract",
    "ExportError",
    "ModelError",
    "Parity",
    "PictureError",
    "UsageError",
    "WeightsError",
    "__version__",
    "export_network",
    "read_artifact",
]

EXIT_CODES = {
    "ColorrtError": 1,
    "PictureError": 1,
    "UsageError": 2,
    "ModelError": 3,
    "WeightsError": 3,
    "ArtifactError": 3,
    "ExportError": 3,
    "BackendError": 3,
}


def test_public_names_are_these() -> None:
    assert colorrt.__all__ == NAMES
    assert dir(colorrt) == NAMES


@pytest.mark.parametrize("name", [name for name in NAMES if name != "__version__"])
def test_public_name_resolves_and_is_documented(name: str) -> None:
    if name == "export_network":
        pytest.importorskip("torch")
    thing = getattr(colorrt, name)
    assert thing.__name__ == name
    assert thing.__module__.startswith("colorrt.")
    # Not inspect.getdoc, which finds the parent's.
    assert thing.__doc__


@pytest.mark.parametrize(
    "name",
    [
        "close",
        "backend",
        "chroma",
        "colorize",
        "colorize_file",
        "colorize_many",
        "contract",
        "guess",
        "render",
        "see",
        "size",
    ],
)
def test_public_part_of_the_colorizer_is_documented(name: str) -> None:
    assert inspect.getdoc(inspect.getattr_static(colorrt.Colorizer, name))


def test_colorizer_takes_these_arguments() -> None:
    takes = ["artifact", "render_factor", "device", "exact", "threads", "upsample"]
    assert list(inspect.signature(colorrt.Colorizer).parameters) == takes
    assert list(inspect.signature(colorrt.Colorizer.colorize).parameters) == ["self", "picture", "saturation", "hints"]
    assert list(inspect.signature(colorrt.Colorizer.colorize_file).parameters) == [
        "self", "source", "target", "saturation", "quality", "overwrite", "max_pixels", "lossless_luma", "mark",
        "recolor", "hints",
    ]  # fmt: skip
    many = inspect.signature(colorrt.Colorizer.colorize_many).parameters
    assert list(many) == ["self", "pictures", "saturation", "return_errors"]
    assert list(inspect.signature(colorrt.Colorizer.chroma).parameters) == ["self", "luma"]


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'colorrt' has no attribute 'colorise'"):
        colorrt.colorise  # noqa: B018 (the attribute is asked for, not used)


def test_version_is_that_of_the_package() -> None:
    assert colorrt.__version__.count(".") >= 2


def test_errors_are_one_tree_with_these_exit_codes() -> None:
    tree: dict[str, Any] = {
        name: thing for name, thing in vars(errors).items() if inspect.isclass(thing) and issubclass(thing, Exception)
    }
    assert {name: thing.exit_code for name, thing in tree.items()} == EXIT_CODES
    assert all(issubclass(thing, errors.ColorrtError) for thing in tree.values())
    model = {name for name, thing in tree.items() if issubclass(thing, errors.ModelError)}
    assert model == {name for name, code in EXIT_CODES.items() if code == 3}
    assert tree.keys() < set(NAMES)
