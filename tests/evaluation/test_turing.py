"""The human test: half of the pictures real, none shown both ways, a page that does not tell, right counts."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from colorrt.errors import UsageError
from colorrt.evaluation.turing import Question, TuringTest, make_turing_test
from colorrt.evaluation.turing_page import make_turing_page
from colorrt.runtime.colorizer import Colorizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Presses keys that the test gives, and prints what would be saved.
PRESS = """
for (const key of JSON.parse(process.argv[3])) {
  if (key === "click") { elements.colored.handlers.click(); } else { handlers.keydown({ key, preventDefault() {} }); }
}
const link = elements.save?.href;
const text = (elements.counts?.children ?? []).map(row => row.children.map(cell => cell.textContent));
console.log(JSON.stringify([link ? JSON.parse(decodeURIComponent(link.slice(link.indexOf(",") + 1))) : null, text]));
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Eight green photographs."""
    (tmp_path / "photos").mkdir()
    for index in range(8):
        Image.new("RGB", (48, 36), (20 + index, 140, 40)).save(tmp_path / "photos" / f"{index}.png")
    return tmp_path / "photos"


@pytest.fixture
def blue(make_onnx: Callable[..., Path], tmp_path: Path) -> Iterator[Colorizer]:
    with Colorizer(make_onnx(tmp_path / "blue.onnx", offset=(0.2, 0.0)), render_factor=1, device="cpu") as colorizer:
        yield colorizer


def is_green(encoded: bytes) -> bool:
    _, green, blue = np.asarray(Image.open(io.BytesIO(encoded))).reshape(-1, 3).astype(float).mean(0)
    return bool(green > blue)


def test_half_of_the_pictures_are_real_and_the_seed_decides(photos: Path, blue: Colorizer) -> None:
    tests = [make_turing_test(photos, blue, seed=seed) for seed in (1, 1, 2)]
    assert tests[0] == tests[1]
    assert tests[0].questions != tests[2].questions
    for test in tests:
        assert sorted(one.name for one in test.questions) == [f"{index}.png" for index in range(8)]
        assert sum(one.real for one in test.questions) == 4
        assert all(is_green(one.picture) == one.real for one in test.questions)


def test_no_more_pictures_than_asked_for_and_words_for_none(photos: Path, blue: Colorizer) -> None:
    assert len(make_turing_test(photos, blue, most=3).questions) == 3
    (photos / "4.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match="none of the photographs that were drawn"):
        make_turing_test(photos, blue, most=1, on_skip=lambda *_: None)


def questions(kinds: str) -> TuringTest:
    asked = tuple(Question(f"{place}.jpg", b"picture", kind == "R") for place, kind in enumerate(kinds))
    return TuringTest("models/mine </script>.onnx", 7, asked)


def test_page_loads_nothing_and_does_not_tell() -> None:
    page = make_turing_page(questions("RC"))
    assert all(sign not in page for sign in ("http:", "https:", "<link", "url(", "mine", "0.jpg"))
    assert page.count("</script>") == 2


@pytest.fixture
def press(open_page: Callable[[str, str, list[str]], Any]) -> Callable[[str, list[str]], Any]:
    """(kinds, keys): what the page of these questions saves and shows."""
    return lambda kinds, keys: open_page(make_turing_page(questions(kinds)), PRESS, keys)


def test_page_counts_right_answers_and_what_fooled(press: Callable[[str, list[str]], Any]) -> None:
    saved, text = press("RRCCC", ["r", "ArrowRight", "click", "ArrowLeft", "x", "1", "Backspace", "2"])
    # Real and taken for real, real and taken for colored, colored and found, fooled, found.
    assert (saved["pictures"], saved["real"], saved["right"]) == (5, 2, 3)
    assert (saved["colored_taken_for_real"], saved["real_taken_for_colored"]) == (1, 1)
    assert [answer["right"] for answer in saved["answers"]] == [True, False, True, False, True]
    assert text[:4] == [
        ["colored by", "models/mine </script>.onnx"],
        ["right answers", "3 of 5 (60%)"],
        ["colored, taken for real", "1 of 3 (33%)"],
        ["real, taken for colored", "1 of 2 (50%)"],
    ]
    assert press("RC", ["r"])[0] is None
