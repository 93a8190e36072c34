"""`colorrt verify`: how far two models are from each other on real photographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorrt.cli.app import MEASURE, check_result_file, command, needs, say, write_json
from colorrt.cli.options import MODEL, RESULTS, DeviceOption, JsonFileOption, ThreadsOption
from colorrt.contract import Device

if TYPE_CHECKING:
    from colorrt.evaluation.comparing import Difference

ABOVE_BOUND = 1


@command(
    MEASURE,
    "colorrt verify artistic-rf35.onnx fp16.plan",
    "colorrt verify artistic-rf35.onnx fp16.plan photos/ --bound 0.5 --difference difference.png",
)
def verify(
    first: Annotated[Path, typer.Argument(help="The model file, ONNX or engine, to compare with.", metavar="A")],
    second: Annotated[Path, typer.Argument(help="The model file to check.", metavar="B")],
    photos: Annotated[
        Path | None,
        typer.Argument(
            help="A folder or .tar of photographs.", metavar="PHOTOS", show_default="the shipped photographs"
        ),
    ] = None,
    bound: Annotated[
        float | None,
        typer.Option(
            help="Exit with 1 if the mean chroma error exceeds this, in levels of 255.",
            metavar="LEVELS",
            show_default="no bound",
            rich_help_panel="Comparison",
        ),
    ] = None,
    render_factor: Annotated[
        int | None,
        typer.Option(
            help="Render factor, 1 to 64, if both models take any.",
            metavar="N",
            show_default="16, or what one of them was made for",
            rich_help_panel=MODEL,
        ),
    ] = None,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    difference: Annotated[
        Path | None,
        typer.Option(
            help="Write a picture as PNG: A, B and their difference, amplified.",
            metavar="FILE",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    json_file: JsonFileOption = None,
) -> None:
    """Compare two models on real photographs: chroma error, gain and dE2000.

    The two may differ in anything (FP32 and FP16, ONNX and engine, or the network) but must take squares of the same
    size. Chroma is compared as the network returns it, in levels of 255; dE2000 at full size, after rendering each
    photograph with A's saturation. Gain is the slope of B's chroma on A's: below 1, B is paler.

    Exit codes: 0 all compared and within --bound, 1 above it (or some photographs could not be read), 2 wrong usage,
    3 a model cannot be used or its output is not finite.
    """
    try:
        import skimage  # noqa: F401 (only whether it is there)
    except ImportError as error:
        raise needs("eval", error) from error
    from colorrt.errors import UsageError
    from colorrt.evaluation.comparing import compare_artifacts
    from colorrt.evaluation.difference_picture import DifferencePicture
    from colorrt.photos.reading import photo_names
    from colorrt.photos.shipped import shipped_photos

    # So written, a NaN is refused too.
    if bound is not None and not bound >= 0:
        raise UsageError(f"--bound {bound} is not an error in levels of 255; use 0 or more, such as 0.5")
    for path in (difference, json_file):
        check_result_file(path, [first, second])
    picture = DifferencePicture(len(photo_names(photos or shipped_photos())))
    skipped: list[str] = []

    def skip(name: str, reason: str) -> None:
        skipped.append(name)
        say(f"failed: {name}: {reason}")

    found = compare_artifacts(
        first, second, photos,
        render_factor=render_factor, device=device, threads=threads, on_photo=picture.add, on_skip=skip,
    )  # fmt: skip
    _print(found)
    if difference is not None:
        factor = picture.write(difference)
        say(f"{difference}: A, B and their difference, amplified {factor} times", err=False)
    write_json(json_file, {**found.as_json(), "bound": bound, "skipped": skipped})
    if bound is not None and found.mean > bound:
        say(
            f"above the bound: the mean chroma error is {found.mean:.4f} levels of 255, and --bound allows {bound:g}; "
            "use the more precise model, or see where they differ with --difference FILE.png"
        )
        raise typer.Exit(ABOVE_BOUND)
    if skipped:
        raise typer.Exit(1)


def _print(found: Difference) -> None:
    rows = [
        f"A  {found.a}: {found.model_a} {found.precision_a}, {found.backend_a}",
        f"B  {found.b}: {found.model_b} {found.precision_b}, {found.backend_b}",
        f"render factor {found.render_factor}; chroma error: levels of 255; dE2000: at saturation {found.saturation:g}",
    ]
    photos = [(row.name[-40:], row.mean, row.p99, row.worst, row.de2000, row.gain) for row in found.per_photo]
    photos.append(("all together", found.mean, found.p99, found.worst, found.de2000, found.gain))
    width = max(len(name) for name, *_ in photos)
    rows.append(f"{'photograph':<{width}} {'mean':>9} {'p99':>9} {'worst':>9} {'dE2000':>8} {'gain':>7}")
    for name, mean, p99, worst, de2000, gain in photos:
        slope = "gray" if gain is None else f"{gain:.4f}"
        rows.append(f"{name:<{width}} {mean:>9.4f} {p99:>9.4f} {worst:>9.3f} {de2000:>8.4f} {slope:>7}")
    for line in rows:
        say(line, err=False)
