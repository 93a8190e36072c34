"""What eyes see, against a slow reference that goes through the pixels one by one, from the definitions in the docs."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorrt.errors import UsageError
from colorrt.evaluation.hues import ColorMeter, is_one_hued
from colorrt.evaluation.skin import Box, boxes_of, read_boxes
from colorrt.evaluation.tables import color_lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Pictures = Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]]

# sRGB primaries and D65, as IEC 61966-2-1 and CIE 15 give them.
MATRIX = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
WHITE = (0.95047, 1.0, 1.08883)


def lab(red: int, green: int, blue: int) -> tuple[float, float]:
    """Return a* and b* of one sRGB pixel."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (red / 255, green / 255, blue / 255)]
    xyz = [sum(m * v for m, v in zip(row, linear, strict=True)) for row in MATRIX]
    f = [
        t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (v / w for v, w in zip(xyz, WHITE, strict=True))
    ]
    return 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def pixels(picture: NDArray[np.uint8]) -> list[tuple[float, float, float, float]]:
    """Return a*, b*, chroma and hue in degrees of all pixels."""
    found = []
    for red, green, blue in picture.reshape(-1, 3).tolist():
        a, b = lab(red, green, blue)
        found.append((a, b, math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360))
    return found


def reference(pairs: Pictures) -> dict[str, float]:
    """Return the figures of docs/quality.md, by their definitions."""
    n = len(pairs)
    mass, mass_original = [0.0] * 12, [0.0] * 12
    strong = strong_original = both = one_hued = one_hued_original = 0.0
    neutral = a_sum = b_sum = chroma_sum = 0.0
    for original, colored in pairs:
        truth, ours = pixels(original), pixels(colored)
        size = len(truth)
        for rows, sums in ((ours, mass), (truth, mass_original)):
            for _, _, chroma, hue in rows:
                # Below, it is what rounding leaves in gray.
                sums[int(hue // 30) % 12] += chroma / size / n if chroma > 0.05 else 0
        one_hued += has_one_hue(ours) / n
        one_hued_original += has_one_hue(truth) / n
        for (a, b, chroma, _), (_, _, true_chroma, _) in zip(ours, truth, strict=True):
            strong += (chroma > 20) / size / n
            strong_original += (true_chroma > 20) / size / n
            both += (chroma > 20 and true_chroma > 20) / size / n
            if true_chroma < 5:
                neutral, a_sum, b_sum, chroma_sum = (
                    neutral + 1 / size,
                    a_sum + a / size,
                    b_sum + b / size,
                    chroma_sum + chroma / size,
                )
    found = {"strong_area": strong, "strong_area_original": strong_original}
    found |= {"one_hued": one_hued, "one_hued_original": one_hued_original}
    found |= {f"hue_mass_{i}": m / t for i, (m, t) in enumerate(zip(mass, mass_original, strict=True)) if t}
    found |= {f"share_{i}": t / sum(mass_original) for i, t in enumerate(mass_original) if sum(mass_original)}
    if strong_original:
        found["strong_recall"] = both / strong_original
    if strong:
        found["strong_precision"] = both / strong
    if neutral:
        found |= {"cast_a": a_sum / neutral, "cast_b": b_sum / neutral, "neutral_chroma": chroma_sum / neutral}
        found["cast"] = math.hypot(a_sum / neutral, b_sum / neutral)
    return found


def has_one_hue(rows: Sequence[tuple[float, float, float, float]]) -> bool:
    total = sum(chroma for _, _, chroma, _ in rows)
    windows = [sum(chroma for _, _, chroma, hue in rows if (hue - start) % 360 < 60) for start in range(0, 360, 15)]
    return max(windows) > 0.9 * total


def measured(pairs: Pictures) -> dict[str, float]:
    meter = ColorMeter()
    for original, colored in pairs:
        meter.add(original, colored)
    figures = meter.figures().as_json()
    found = {name: value for name, value in figures.items() if isinstance(value, float)}
    found |= {f"hue_mass_{i}": value for i, value in enumerate(figures["hue_mass"]) if value is not None}
    return found | {f"share_{i}": value for i, value in enumerate(figures["hue_shares_original"])}


def picture(seed: int, height: int, width: int, spread: int) -> NDArray[np.uint8]:
    """Random colors around gray: a small spread gives neutral ones, a large one strong ones."""
    generator = np.random.default_rng(seed)
    gray = generator.integers(0, 256, (height, width, 1))
    off = generator.integers(-spread, spread + 1, (height, width, 3))
    return (gray + off).clip(0, 255).astype(np.uint8)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.integers(1, 5), st.integers(1, 5), st.integers(3, 120)), min_size=1, max_size=3
    )
)
def test_figures_are_those_of_their_definitions(drawn: list[tuple[int, int, int, int]]) -> None:
    pairs = [(picture(s, h, w, spread), picture(s + 100, h, w, spread // 2 + 2)) for s, h, w, spread in drawn]
    expected, found = reference(pairs), measured(pairs)
    # Hues of what is nearly gray are rounding.
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-3, abs=2e-3), name


def test_each_picture_counts_the_same_whatever_its_size() -> None:
    red, gray = (200, 40, 40), (90, 90, 90)
    small, large = np.full((2, 2, 3), red, np.uint8), np.full((20, 30, 3), gray, np.uint8)
    found = measured([(small, small), (large, large)])
    assert found["strong_area"] == found["strong_area_original"] == 0.5


def test_true_colors_have_no_fault() -> None:
    one = picture(5, 12, 9, 90)
    found = measured([(one, one)])
    assert found["strong_recall"] == found["strong_precision"] == 1
    assert all(found[f"hue_mass_{index}"] == 1 for index in range(12))


def test_tint_over_everything_is_a_cast_and_one_hue() -> None:
    original = np.repeat(np.arange(60, 200, 5, dtype=np.uint8)[:, None, None], 3, axis=2)
    pink = np.stack([original[..., 0] + 12, original[..., 1] - 6, original[..., 2]], axis=-1).astype(np.uint8)
    found = measured([(original, pink)])
    assert found["cast_a"] > 5
    assert found["cast"] == pytest.approx(found["neutral_chroma"], rel=0.05)
    assert found["one_hued"] == 1
    assert found["one_hued_original"] == 0


@pytest.mark.parametrize("start", [0, 1, 20, 21, 23])
def test_window_of_one_hue_goes_around_the_circle(start: int) -> None:
    mass = np.zeros(24)
    mass[[(start + step) % 24 for step in range(4)]] = 1
    assert is_one_hued(mass)
    mass[(start + 12) % 24] = 0.5
    assert not is_one_hued(mass)


def test_gray_results_lack_what_cannot_be_measured() -> None:
    gray = np.full((3, 3, 3), 120, np.uint8)
    meter = ColorMeter()
    meter.add(gray, gray)
    figures = meter.figures()
    assert figures.strong_recall is None
    assert figures.strong_precision is None
    assert figures.hue_mass == (None,) * 12
    assert figures.cast == pytest.approx(0, abs=0.02)
    assert all(isinstance(line, str) for line in color_lines(figures.as_json()))
    with pytest.raises(ValueError, match="no pictures"):
        ColorMeter().figures()
    with pytest.raises(ValueError, match="equal shape"):
        meter.add(gray, gray[:2])


def test_chroma_on_skin_is_that_inside_of_the_boxes() -> None:
    original = np.full((10, 20, 3), 128, np.uint8)
    original[2:6, 5:10] = (200, 140, 120)
    colored = original.copy()
    colored[2:6, 5:10] = (160, 145, 140)
    meter = ColorMeter()
    meter.add(original, colored, [Box(0.25, 0.2, 0.5, 0.6)])
    meter.add(original, original)
    figures = meter.figures()
    assert figures.skin_pictures == 1
    assert figures.skin_chroma == pytest.approx(math.hypot(*lab(160, 145, 140)), rel=1e-3)
    assert figures.skin_chroma_original == pytest.approx(math.hypot(*lab(200, 140, 120)), rel=1e-3)


@settings(deadline=None)
@given(st.integers(1, 40), st.floats(0, 0.99), st.floats(0.001, 1))
def test_box_covers_pixels_whose_middles_are_inside_and_at_least_one(count: int, first: float, length: float) -> None:
    last = min(1.0, first + length)
    if not first < last:
        return
    rows, columns = Box(first, first, last, last).pixels(count, count)
    assert rows == columns
    inside = [index for index in range(count) if first <= (index + 0.5) / count < last]
    covered = list(range(count))[rows]
    assert covered
    # A middle on the very edge may fall on either side by rounding.
    if inside and all(abs((index + 0.5) / count - edge) > 1e-9 for index in range(count) for edge in (first, last)):
        assert covered == inside


def test_boxes_are_found_by_the_last_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / "boxes.json").write_text(json.dumps({"a.jpg": [[0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]]}))
    boxes = read_boxes(tmp_path / "boxes.json")
    assert boxes_of(boxes, "people/a.jpg") == (Box(0.1, 0.2, 0.3, 0.4), Box(0, 0, 1, 1))
    assert boxes_of(boxes, "b.jpg") == ()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"a": 3}', '{"a": [[0, 0, 1]]}', '{"a": [[0.5, 0, 0.5, 1]]}', '{"a": [[0, 0, 1, 2]]}',
     '{"a": [[0, 0, 1, true]]}', '{"a": [["0", 0, 1, 1]]}'],
)  # fmt: skip
def test_boxes_that_are_none_are_refused_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"boxes\.json: [^\n]+left, top, right, bottom") as refused:
        read_boxes(path)
    assert "\n" not in str(refused.value)
    with pytest.raises(UsageError, match="can be read"):
        read_boxes(tmp_path / "none.json")
