"""One page that shows how a model does: figures, curve, bands and pictures, with nothing outside of it."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING, Any

from colorrt.evaluation.tables import color_lines, stability_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .9rem .2rem 0; text-align: right; font-weight: normal; }
td:first-child, th:first-child { text-align: left; } thead th { border-bottom: 1px solid currentColor; }
img { max-width: 100%; height: auto; } .note { opacity: .7; max-width: 50rem; }
.bar { display: inline-block; height: .7rem; background: #3a7; vertical-align: middle; }
.bar.gray { background: #999; } .bars { text-align: left; }
"""
_BAR_EMS = 12.0


def write_report(path: Path, figures: Mapping[str, Any], curve: bytes | None, sheet: bytes | None) -> None:
    """Write the page to `path`.

    figures: what `colorrt eval --json` writes. curve, sheet: PNG files as bytes, shown where given.
    The page loads nothing: no scripts, fonts or links; the pictures are inside.
    """
    # Names of files may hold bytes that are no UTF-8; Python gives them as signs that UTF-8 cannot write.
    path.write_text(make_report(figures, curve, sheet), encoding="utf-8", errors="backslashreplace")


def make_report(figures: Mapping[str, Any], curve: bytes | None, sheet: bytes | None) -> str:
    """Return the page of `write_report` as text."""
    name = html.escape(str(figures["model"]))
    settings = (
        f"render factor {_factors(figures['render_factor'])}, saturation {figures['saturation']:g}, "
        f"{figures['pictures']} photographs"
    )
    parts = [_figures(figures)]
    if figures.get("colors"):
        parts.append(_colors(figures["colors"]))
    if curve is not None:
        parts.append(
            "<h2>Closeness to the original against colorfulness</h2>" + _picture(curve, "PSNR against colorfulness")
        )
    if figures.get("bands"):
        parts.append(_bands(figures["bands"]))
    if figures.get("stability"):
        parts.append(_stability(figures["stability"]))
    parts.append(_extremes(figures["per_picture"]))
    if sheet is not None:
        parts.append("<h2>Gray, colored, original</h2>" + _picture(sheet, "contact sheet"))
    weights = html.escape(str(figures["weights_sha256"]))
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{name}</h1><p>{settings}</p>"
        + "\n".join(parts)
        + f'<p class="note">Weights: SHA-256 {weights}. Written by colorrt eval.</p></body></html>\n'
    )


def _factors(value: int | Sequence[int]) -> str:
    return str(value) if isinstance(value, int) else ", ".join(map(str, value))


def _figures(figures: Mapping[str, Any]) -> str:
    rows: list[tuple[str, float, float, float | None]] = [
        ("PSNR, dB (higher is closer)", figures["psnr_db"], figures["gray_psnr_db"], None),
        ("colorfulness", figures["colorfulness"], 0.0, figures["colorfulness_original"]),
        ("ab error", figures["ab_mae"], figures["gray_ab_mae"], 0.0),
        ("dE2000", figures["de2000"], figures["gray_de2000"], 0.0),
    ]
    if figures.get("frechet"):
        rows.append(("Frechet distance", figures["frechet"]["colored"], figures["frechet"]["gray"], 0.0))
    body = [(name, f"{a:.2f}", f"{b:.2f}", "" if c is None else f"{c:.2f}") for name, a, b, c in rows]
    return "<h2>Figures</h2>" + _table(("means over the photographs", "colored", "gray", "original"), body)


def _colors(colors: Mapping[str, Any]) -> str:
    """What eyes see; the terminal's lines, for they are aligned already."""
    note = (
        '<p class="note">In CIE Lab; each photograph counts the same. Neutral: the original has a chroma below 5. '
        "One-hued: nine tenths of the chroma within 60 degrees of hue.</p>"
    )
    lines = "<pre>" + html.escape("\n".join(color_lines(colors))) + "</pre>"
    return "<h2>What eyes see</h2>" + note + lines + _hues(colors)


def _hues(colors: Mapping[str, Any]) -> str:
    """The histogram of hues beside that of the originals: share of all chroma in each twelfth of the circle."""
    ours, truth = colors["hue_shares"], colors["hue_shares_original"]
    highest = max(*ours, *truth) or 1.0
    step = 360 // len(ours)
    rows = []
    for place, pair in enumerate(zip(ours, truth, strict=True)):
        bars = "".join(
            f'<span class="bar" style="width:{_BAR_EMS * share / highest:.2f}em;'
            f'background:lch({light}% 55 {step * place + step // 2})"></span><br>'
            for share, light in zip(pair, (65, 45), strict=True)
        )
        shown = (f"{share:.1%}" for share in pair)
        rows.append((f"{step * place} to {step * (place + 1)}", *shown, f'<div class="bars">{bars}</div>'))
    heads = ("hue, degrees", "colored", "original", "colored above, original below")
    return "<h2>Hues</h2>" + _table(heads, rows)


def _bands(bands: Sequence[Mapping[str, Any]]) -> str:
    highest = max((band["gray_error"] or 0.0 for band in bands), default=0.0) or 1.0
    rows = []
    for band in bands:
        error, gray = band["error"], band["gray_error"]
        if error is None or gray is None:
            continue
        bars = "".join(
            f'<span class="bar {kind}" style="width:{_BAR_EMS * value / highest:.2f}em"></span><br>'
            for kind, value in (("", error), ("gray", gray))
        )
        shown = (f"{error:.1f}", f"{gray:.1f}", f"{band['bias_u']:+.1f}", f"{band['bias_v']:+.1f}")
        rows.append((f"{band['first']} to {band['last']}", f"{band['share']:.0%}", *shown, bars))
    heads = ("luma", "pixels", "error", "gray's", "U off by", "V off by", "colored, gray")
    note = '<p class="note">Mean distance of chroma from the original, in levels of 255, by the luma of the pixel.</p>'
    return "<h2>Chroma error by luma</h2>" + note + _table(heads, rows)


def _stability(stability: Mapping[str, Any]) -> str:
    rows = [(name, f"{value:.2f}") for name, value in stability_rows(stability)]
    rows.append(("size of the chroma itself", f"{stability['chroma']:.2f}"))
    note = (
        '<p class="note">Mean change of the predicted chroma, in levels of 255, when the picture changes a little.</p>'
    )
    return "<h2>Stability</h2>" + note + _table(("disturbance", "change"), rows)


def _extremes(rows: Sequence[Mapping[str, Any]]) -> str:
    """List where the colors helped most, and where they did most harm, against plain gray."""
    ordered = sorted(rows, key=lambda row: row["psnr_db"] - row["gray_psnr_db"])
    shown = ordered[:5] + ordered[max(5, len(ordered) - 5) :]
    body = [
        (
            html.escape(str(row["name"])),
            f"{row['psnr_db'] - row['gray_psnr_db']:+.2f}",
            f"{row['colorfulness']:.0f}",
            f"{row['colorfulness_original']:.0f}",
        )
        for row in shown
    ]
    heads = ("photograph", "dB over gray", "colorfulness", "original's")
    return "<h2>Worst and best</h2>" + _table(heads, body)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{cell}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _picture(png: bytes, title: str) -> str:
    return f'<p><img alt="{html.escape(title)}" src="data:image/png;base64,{base64.b64encode(png).decode()}"></p>'
