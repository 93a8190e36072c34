"""`colorrt eval`: how close the colors come to those of real color photographs."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from colorrt.cli.app import MEASURE, announce_compiling, check_result_file, command, needs, say, write_json
from colorrt.cli.choose import write_page
from colorrt.cli.options import (
    RESULTS,
    DeviceOption,
    EngineOption,
    JsonFileOption,
    RenderFactorOption,
    SaturationOption,
    ThreadsOption,
    UpsampleOption,
)
from colorrt.contract import Device, Upsampling
from colorrt.errors import UsageError

CURVE_SATURATIONS = (0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5)
FIGURES = "More figures"
CHOICE = "Judged by people"


@command(
    MEASURE,
    "colorrt eval photos/",
    "colorrt eval photos/ --engine mine.onnx --frechet --stability --report page.html",
    "colorrt eval photos/ --choose old.onnx new.onnx --report choose.html",
    "colorrt eval photos/ --engine mine.onnx --turing page.html",
    name="eval",
)
def evaluate(
    photos: Annotated[
        Path,
        typer.Argument(
            help="Color photographs: a folder of them or of tar archives, or one archive.", metavar="PHOTOS"
        ),
    ],
    engine: EngineOption = None,
    render_factor: RenderFactorOption = None,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    saturation: SaturationOption = None,
    upsample: UpsampleOption = Upsampling.GUIDED,
    frechet: Annotated[
        bool,
        typer.Option(
            "--frechet",
            help="Measure the Frechet distance to the originals; needs PyTorch.",
            rich_help_panel=FIGURES,
        ),
    ] = False,
    stability: Annotated[
        bool,
        typer.Option(
            "--stability",
            help="Measure how much colors change under noise, shifts, contrast and other render factors.",
            rich_help_panel=FIGURES,
        ),
    ] = False,
    skin: Annotated[
        Path | None,
        typer.Option(
            help="Measure chroma on skin: boxes in a JSON file; docs/quality.md has its form.",
            metavar="FILE",
            rich_help_panel=FIGURES,
        ),
    ] = None,
    json_file: JsonFileOption = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            help="Write a contact sheet as PNG: gray, colored, original.", metavar="FILE", rich_help_panel=RESULTS
        ),
    ] = None,
    curve: Annotated[
        Path | None,
        typer.Option(
            help="Plot PSNR against colorfulness over a range of saturations, as PNG.",
            metavar="FILE",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write everything as one self-contained HTML page.", metavar="FILE", rich_help_panel=RESULTS),
    ] = None,
    choose: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            help="Measure nothing; write a page on which you choose blindly between the colors of two models.",
            metavar="A B",
            show_default=False,
            rich_help_panel=CHOICE,
        ),
    ] = None,
    turing: Annotated[
        Path | None,
        typer.Option(
            help="Measure nothing; write a page that shows one picture at a time, real or colored, and counts right "
            "answers.",
            metavar="PAGE",
            show_default=False,
            rich_help_panel=CHOICE,
        ),
    ] = None,
    pairs: Annotated[
        int, typer.Option(help="Photographs on such a page, at most.", metavar="N", min=1, rich_help_panel=CHOICE)
    ] = 100,
    seed: Annotated[
        int, typer.Option(help="Draws the order and the sides.", metavar="N", min=0, rich_help_panel=CHOICE)
    ] = 1,
) -> None:
    """Measure how close a model's colors come to those of real photographs.

    Each photograph is reduced to its luma, colored, and compared with the original: PSNR, ab error, dE2000 and
    colorfulness, beside the same figures of the gray picture; then what eyes see first: which hues are there, how much
    is strongly colored, one-hued pictures, a cast over what is neutral.
    """
    from colorrt.runtime.render_factors import as_value, in_words, read_render_factors

    factors = read_render_factors(render_factor)
    if turing is not None or choose is not None:
        measures = {"--skin": skin, "--json": json_file, "--sheet": sheet, "--curve": curve}
        _refuse_measures(choose, turing, report, engine, {"--frechet": frechet, "--stability": stability, **measures})
        write_page(
            photos, choose, turing, report, engine,
            render_factor=factors, device=device, threads=threads, upsample=upsample, saturation=saturation, seed=seed,
            most=pairs,
        )  # fmt: skip
        return
    try:
        from colorrt.evaluation.curves import check_plotting
        from colorrt.evaluation.evaluation import SheetRows, draw_curve, evaluate_photos, measure_curve
        from colorrt.evaluation.figures import Extras
        from colorrt.evaluation.report import write_report
        from colorrt.evaluation.skin import read_boxes
        from colorrt.evaluation.tables import extra_lines, quality_lines
        from colorrt.photos.reading import photo_names
    except ImportError as error:
        raise needs("eval", error) from error
    from colorrt.atomic import atomic_path
    from colorrt.runtime.colorizer import Colorizer

    for path in (json_file, sheet, curve, report):
        check_result_file(path)
    boxes = {} if skin is None else read_boxes(skin)
    announce_compiling()
    with Colorizer(engine, render_factor=factors, device=device, threads=threads, upsample=upsample) as colorizer:
        saturation = colorizer.choose_saturation(saturation)
        typer.echo(
            f"{colorizer.contract.model} at render factor {in_words(colorizer.render_factors)}, "
            f"saturation {saturation:g}, {colorizer.upsample} upsampling, {colorizer.backend}"
        )
        extras = Extras(colorizer, frechet=frechet, stability=stability, skin=boxes)
        if curve is not None or report is not None:
            check_plotting()
        with tempfile.TemporaryDirectory() as folder:
            if report is not None:
                # The page shows both, whether they are also asked for as files or not.
                sheet, curve = sheet or Path(folder) / "sheet.png", curve or Path(folder) / "curve.png"
            rows = None if sheet is None else SheetRows(photo_names(photos))
            quality = evaluate_photos(
                colorizer,
                photos,
                saturation,
                lambda name, reason: say(f"skipped {name}: {reason}"),
                [extras] if rows is None else [extras, rows],
            )
            table = {
                "model": colorizer.contract.model,
                "weights_sha256": colorizer.contract.weights_sha256,
                "render_factor": as_value(colorizer.render_factors),
                "saturation": saturation,
                "upsample": colorizer.upsample,
                **quality.as_json(),
                **extras.as_json(),
            }
            typer.echo("\n".join(quality_lines(table) + extra_lines(table)))
            _say_what_is_missing(table, photos, skin)
            # Before all that can still fail, and again with the curve: measuring that takes about as long once more.
            write_json(json_file, table)
            has_sheet = sheet is not None and rows is not None and rows.write(sheet)
            if curve is not None:
                points = measure_curve(colorizer, photos, CURVE_SATURATIONS)
                table["curve"] = [asdict(point) for point in points]
                for point in points:
                    figures = f"{point.psnr_db:.2f} dB at colorfulness {point.colorfulness:.1f}"
                    typer.echo(f"saturation {point.saturation:4.2f}: {figures}")
                write_json(json_file, table)
                draw_curve(colorizer, points, curve)
            if report is not None and sheet is not None and curve is not None:
                with atomic_path(report, UsageError) as part:
                    write_report(part, table, curve.read_bytes(), sheet.read_bytes() if has_sheet else None)


def _say_what_is_missing(table: dict[str, Any], photos: Path, skin: Path | None) -> None:
    if "frechet" in table and table["frechet"] is None:
        say(f"{photos}: no Frechet distance: it compares sets, and needs at least two photographs")
    if skin is not None and not table["colors"]["skin_pictures"]:
        say(f"{skin}: none of its names is among the photographs of {photos}; no chroma on skin")


def _refuse_measures(
    choose: object, turing: Path | None, report: Path | None, engine: Path | None, measures: dict[str, object]
) -> None:
    page = "--turing" if choose is None else "--choose"
    # Each page has its own way to name the model and the file.
    others = {"--report": report} if choose is None else {"--turing": turing, "--engine": engine}
    if asked := [name for name, value in {**others, **measures}.items() if value]:
        raise UsageError(f"{page} measures nothing; leave out {', '.join(asked)}")
