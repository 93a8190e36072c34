"""The blind choice: fair sides, a page that loads nothing and tells nothing, and counts that are right."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from colorrt.errors import UsageError
from colorrt.evaluation.choice_page import make_choice_page
from colorrt.evaluation.choosing import Choice, Pair, make_choice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Press = Callable[[Choice, list[str]], dict[str, Any]]

# Presses keys that the test gives, and prints what would be saved.
PRESS = """
const shown = [];
for (const key of JSON.parse(process.argv[3])) {
  shown.push([elements.left.src, elements.right.src]);
  if (key === "click") { elements["pick-left"].handlers.click(); }
  else { handlers.keydown({ key, preventDefault() {} }); }
}
const link = elements.save?.href;
const saved = link ? JSON.parse(decodeURIComponent(link.slice(link.indexOf(",") + 1))) : null;
console.log(JSON.stringify({ shown, saved, ask: elements.ask.hidden, rows: elements.counts?.children.length ?? 0 }));
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(7):
        small = np.random.default_rng(index).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(small).resize((48, 36)).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def two(make_onnx: Callable[..., Path], tmp_path: Path) -> tuple[Path, Path]:
    """Two models: the first makes everything blue, the second everything red."""
    blue = make_onnx(tmp_path / "blue.onnx", offset=(0.2, 0.0))
    return blue, make_onnx(tmp_path / "red.onnx", offset=(0.0, 0.2))


def is_blue(encoded: bytes) -> bool:
    red, _, blue = np.asarray(Image.open(io.BytesIO(encoded))).reshape(-1, 3).astype(float).mean(0)
    return bool(blue > red)


def test_sides_are_drawn_from_the_seed_and_as_often_left_as_right(photos: Path, two: tuple[Path, Path]) -> None:
    choices = [make_choice(photos, *two, render_factor=1, device="cpu", seed=seed) for seed in (1, 1, 2)]
    assert choices[0] == choices[1]
    order = [[pair.name for pair in choice.pairs] for choice in choices]
    assert sorted(order[0]) == sorted(order[2]) == [f"{index}.png" for index in range(7)]
    assert order[0] != order[2]
    for choice in choices:
        assert sum(pair.a_left for pair in choice.pairs) in (3, 4)
        for pair in choice.pairs:
            assert is_blue(pair.left) == pair.a_left
            assert is_blue(pair.right) != pair.a_left


def test_no_more_pairs_than_asked_for(photos: Path, two: tuple[Path, Path]) -> None:
    choice = make_choice(photos, *two, render_factor=1, device="cpu", most=3)
    assert sorted(pair.name for pair in choice.pairs) == ["1.png", "3.png", "5.png"]


def test_nothing_to_choose_is_said_in_words(photos: Path, two: tuple[Path, Path]) -> None:
    (photos / "3.png").write_bytes(b"Dear all,")
    with pytest.raises(UsageError, match=r"photos: none of the photographs that were drawn"):
        make_choice(photos, *two, render_factor=1, device="cpu", most=1, on_skip=lambda *_: None)


def choice_of(sides: str) -> Choice:
    """Pairs whose pictures say which model made them; "A" is left where the letter is L."""
    pairs = [
        Pair(f"{place}.jpg", *((b"A", b"B") if side == "L" else (b"B", b"A")), side == "L")
        for place, side in enumerate(sides)
    ]
    return Choice("models/first.onnx", "models/second </script>.onnx", 7, tuple(pairs))


def test_page_loads_nothing_and_does_not_tell_the_models() -> None:
    page = make_choice_page(choice_of("LR"))
    assert all(sign not in page for sign in ("http:", "https:", "<link", "url(", "first.onnx", 'a_left"'))
    assert "default-src &#x27;none&#x27;" in page
    assert page.count("</script>") == 2


@pytest.fixture
def press(open_page: Callable[[str, str, list[str]], Any]) -> Press:
    """(choice, keys): what the page of this choice saves and shows."""
    return lambda choice, keys: open_page(make_choice_page(choice), PRESS, keys)


def test_page_counts_what_was_chosen_whichever_side_it_stood_on(
    press: Press,
) -> None:
    found = press(choice_of("LRLR"), ["ArrowLeft", "2", "ArrowDown", "click"])
    shown = [[base64.b64decode(side.split(",")[1]).decode() for side in pair] for pair in found["shown"]]
    assert shown == [["A", "B"], ["B", "A"], ["A", "B"], ["B", "A"]]
    saved = found["saved"]
    assert (saved["chosen_a"], saved["chosen_b"], saved["equal"], saved["seed"]) == (2, 1, 1, 7)
    assert [answer["pick"] for answer in saved["answers"]] == ["a", "a", "equal", "b"]
    assert [answer["photo"] for answer in saved["answers"]] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert (saved["a"], saved["b"]) == ("models/first.onnx", "models/second </script>.onnx")
    assert found["ask"] is True
    assert found["rows"] == 7


def test_page_goes_back_and_ignores_other_keys(press: Press) -> None:
    found = press(choice_of("LL"), ["ArrowLeft", "x", "Backspace", "Backspace", "1", "ArrowRight"])
    assert [answer["pick"] for answer in found["saved"]["answers"]] == ["a", "b"]
    assert press(choice_of("LL"), ["1"])["saved"] is None
