"""The figures of an evaluation as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAME = 34
HALF_RANGE = 127.5
"""What KTH's report divides a and b by."""


def quality_lines(table: Mapping[str, Any]) -> list[str]:
    """Return the means over the pictures, beside those of gray and of the originals, from what `--json` writes."""
    rows = (
        ("PSNR, dB", table["psnr_db"], table["gray_psnr_db"], None),
        ("colorfulness", table["colorfulness"], 0.0, table["colorfulness_original"]),
        ("ab error", table["ab_mae"], table["gray_ab_mae"], 0.0),
        ("dE2000", table["de2000"], table["gray_de2000"], 0.0),
    )
    # As KTH's report measures: a and b over 127.5.
    normalized = [_number(table[key] / HALF_RANGE, 4) for key in ("ab_mae", "gray_ab_mae")]
    lines = [_line(f"{table['pictures']} pictures", "colored", "gray", "original")]
    lines += [_line(name, *(_number(value, 2) for value in values)) for name, *values in rows]
    lines.append(_line("MAE of normalized ab", *normalized, _number(0.0, 4)))
    return [*lines, _line("farther from the original than gray", _share(table["farther_than_gray"]))]


def extra_lines(table: Mapping[str, Any]) -> list[str]:
    """Return what else was measured: colors, and the Frechet distance and stability where they were asked for."""
    lines = color_lines(table["colors"])
    if table.get("frechet"):
        found = table["frechet"]
        lines.append(_line("Frechet", *(_number(value, 2) for value in (found["colored"], found["gray"], 0.0))))
    if table.get("stability"):
        lines += stability_lines(table["stability"])
    return lines


def color_lines(colors: Mapping[str, Any]) -> list[str]:
    """Return what eyes see, colored beside original. Hues are those of Lab, from their first degree."""
    area = colors["area"]
    lines = [
        _line("AuC of ab distances", _share(area["raw"], 1), _share(area["gray_raw"], 1), _share(1.0, 1)),
        _line(
            "  each color the same", *(_share(area[key], 1) for key in ("rebalanced", "gray_rebalanced")), _share(1, 1)
        ),
        _line("area with chroma above 20", _share(colors["strong_area"]), "", _share(colors["strong_area_original"])),
        _line("  of the original's, found", _share(colors["strong_recall"])),
        _line("  of ours, right", _share(colors["strong_precision"])),
        _line("one-hued pictures", _share(colors["one_hued"]), "", _share(colors["one_hued_original"])),
        _line("cast where the original is neutral", _number(colors["cast"], 2))
        + f"   a* {_number(colors['cast_a'], 2, sign=True)}, b* {_number(colors['cast_b'], 2, sign=True)}; "
        f"chroma {_number(colors['neutral_chroma'], 1)}",
    ]
    if colors["skin_pictures"]:
        shown = (_number(colors["skin_chroma"], 1), "", _number(colors["skin_chroma_original"], 1))
        lines.append(_line(f"chroma on skin, {colors['skin_pictures']} pictures", *shown))
    mass, shares = colors["hue_mass"], colors["hue_shares_original"]
    degrees = [f"{360 * index // len(mass):>5}" for index in range(len(mass))]
    lines.append("hue, degrees from     " + "".join(degrees))
    lines.append("chroma over original's" + "".join(f"{_number(value, 2):>5}" for value in mass))
    lines.append("share of ours         " + "".join(f"{_share(value):>5}" for value in colors["hue_shares"]))
    return [*lines, "original's share      " + "".join(f"{_share(value):>5}" for value in shares)]


def stability_lines(stability: Mapping[str, Any]) -> list[str]:
    """Return how much chroma changes when the picture hardly does, in levels of 255 and as a part of it."""
    lines = [f"{'change of the guessed chroma by':<{_NAME}} {'levels':>9} {'part':>8}"]
    for name, value in stability_rows(stability):
        part = value / stability["chroma"] if stability["chroma"] else 0.0
        lines.append(_line("  " + name, _number(value, 2), _share(part)))
    return lines


def stability_rows(stability: Mapping[str, Any]) -> Sequence[tuple[str, float]]:
    """Return the kinds of change that were measured, and each of them in levels of 255."""
    kinds = (
        ("noise of 4 levels", "noise"),
        ("shift by one pixel", "shift"),
        ("contrast 5% up or down", "contrast"),
        ("other render factors of 8, 16, 24", "render_factor"),
    )
    return [(name, stability[key]) for name, key in kinds if stability.get(key) is not None]


def _line(name: str, *cells: str) -> str:
    widths = (9, 8, 9)
    return (
        f"{name:<{_NAME}} " + " ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=False))
    ).rstrip()


def _number(value: float | None, digits: int, *, sign: bool = False) -> str:
    return "" if value is None else f"{value:{'+' if sign else ''}.{digits}f}"


def _share(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:.{digits}%}"
