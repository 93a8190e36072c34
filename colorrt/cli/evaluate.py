"""`colorrt eval`: how near the colors come to those of real color photographs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorrt.cli.app import app, check_result_file, guarded, needs, say

if TYPE_CHECKING:
    from colorrt.bench.quality import Quality

CURVE_SATURATIONS = (0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5)


@app.command(name="eval")
@guarded
def evaluate(
    photos: Annotated[Path, typer.Argument(help="Color photographs: a folder or a .tar.", metavar="FOLDER_OR_TAR")],
    engine: Annotated[Path | None, typer.Option(help="An artifact; without it, the model that ships.")] = None,
    render_factor: Annotated[int | None, typer.Option(help="Render factor, 1 to 64; 16 if not given.")] = None,
    saturation: Annotated[float | None, typer.Option(help="Saturation; the model's own if not given.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures as JSON.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet as PNG: gray, colored, original.")] = None,
    curve: Annotated[
        Path | None, typer.Option(help="Write PSNR against colorfulness as the saturation varies, as a PNG plot.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads; all cores if not given.")] = None,
) -> None:
    """Measure a model on color photographs: PSNR, ab error, dE2000 and colorfulness, beside plain gray's.

    Each photograph is reduced to its luma, colored, and compared with itself.
    """
    try:
        from colorrt.bench.evaluation import draw_curve, evaluate_photos
    except ImportError as error:
        raise needs("bench", error) from error
    from colorrt.errors import UsageError
    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.saving import atomic_path

    for path in (json_file, sheet, curve):
        check_result_file(path)
    with Colorizer(engine, render_factor=render_factor, device=device, threads=threads) as colorizer:
        saturation = colorizer.choose_saturation(saturation)
        typer.echo(
            f"{colorizer.contract.model} at render factor {colorizer.render_factor}, saturation {saturation:g}, "
            f"{colorizer.backend}"
        )
        quality = evaluate_photos(
            colorizer, photos, saturation, sheet, lambda name, reason: say(f"skipped {name}: {reason}")
        )
        _print(quality)
        table = {
            "model": colorizer.contract.model,
            "weights_sha256": colorizer.contract.weights_sha256,
            "render_factor": colorizer.render_factor,
            "saturation": saturation,
            **quality.as_json(),
        }
        if curve is not None:
            points = draw_curve(colorizer, photos, CURVE_SATURATIONS, curve)
            table["curve"] = [asdict(point) for point in points]
            for point in points:
                figures = f"{point.psnr_db:.2f} dB at colorfulness {point.colorfulness:.1f}"
                typer.echo(f"saturation {point.saturation:4.2f}: {figures}")
    if json_file is not None:
        with atomic_path(json_file, UsageError) as part:
            part.write_text(json.dumps(table, indent=1), encoding="utf-8")


def _print(quality: Quality) -> None:
    rows = (
        ("PSNR, dB", quality.psnr_db, quality.gray_psnr_db, None),
        ("colorfulness", quality.colorfulness, 0.0, quality.colorfulness_original),
        ("ab error", quality.ab_mae, quality.gray_ab_mae, 0.0),
        ("dE2000", quality.de2000, quality.gray_de2000, 0.0),
    )
    typer.echo(f"{quality.pictures} pictures  colored     gray  original")
    for name, ours, gray, original in rows:
        typer.echo(f"{name:<12} {ours:>9.2f} {gray:>8.2f} " + ("" if original is None else f"{original:>9.2f}"))
