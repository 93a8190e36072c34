"""`colorrt verify`: how far two artifacts are from each other on real photographs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorrt.cli.app import app, check_result_file, guarded, needs, say

if TYPE_CHECKING:
    from colorrt.evaluation.comparing import Difference

ABOVE_BOUND = 1


@app.command()
@guarded
def verify(
    first: Annotated[Path, typer.Argument(help="An artifact, ONNX or engine: what is trusted.", metavar="A")],
    second: Annotated[Path, typer.Argument(help="The artifact to compare with it.", metavar="B")],
    photos: Annotated[
        Path | None,
        typer.Argument(help="A folder or .tar of photographs; without it, those that ship.", metavar="[PHOTOS]"),
    ] = None,
    bound: Annotated[
        float | None,
        typer.Option(help="Exit with 1 when the mean chroma error is above this, in levels of 255.", metavar="LEVELS"),
    ] = None,
    render_factor: Annotated[
        int | None,
        typer.Option(help="Render factor if both take any, 1 to 64; 16 if not given. Else it is that of the one."),
    ] = None,
    difference: Annotated[
        Path | None,
        typer.Option(help="Write a picture as PNG: A, B and their difference, amplified.", metavar="FILE"),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures as JSON.", metavar="FILE")] = None,
    device: Annotated[str, typer.Option(help="What runs ONNX files: auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads; all cores if not given.")] = None,
) -> None:
    """Compare any two artifacts on real photographs: chroma error in levels of 255, and dE2000 at full size.

    They may differ in anything, FP32 and FP16, ONNX and engine, or networks, but see squares of the same size. Chroma
    is compared as it leaves the network; dE2000 after rendering each photograph with A's saturation. Exit code: 0 all
    compared and within --bound, 1 above it (or some photographs could not be read), 2 wrong usage, 3 an artifact
    cannot be used or answers with numbers that are not finite.
    """
    try:
        import skimage  # noqa: F401
    except ImportError as error:
        raise needs("bench", error) from error
    from colorrt.atomic import atomic_path
    from colorrt.errors import UsageError
    from colorrt.evaluation.comparing import compare_artifacts
    from colorrt.evaluation.difference_picture import DifferencePicture
    from colorrt.photos.reading import photo_names
    from colorrt.photos.shipped import shipped_photos

    # So written, a NaN is refused too.
    if bound is not None and not bound >= 0:
        raise UsageError(f"--bound {bound} is no error in levels of 255; give 0 or more, such as 0.5")
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
    if json_file is not None:
        with atomic_path(json_file, UsageError) as part:
            table = {**found.as_json(), "bound": bound, "skipped": skipped}
            part.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    if bound is not None and found.mean > bound:
        say(
            f"above the bound: the mean chroma error is {found.mean:.4f} levels of 255, and --bound allows {bound:g}; "
            "take the more precise of the two, or look where they differ with --difference FILE.png"
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
    photos = [(row.name[-40:], row.mean, row.p99, row.worst, row.de2000) for row in found.per_photo]
    photos.append(("all together", found.mean, found.p99, found.worst, found.de2000))
    width = max(len(name) for name, *_ in photos)
    rows.append(f"{'photograph':<{width}} {'mean':>9} {'p99':>9} {'worst':>9} {'dE2000':>8}")
    for name, mean, p99, worst, de2000 in photos:
        rows.append(f"{name:<{width}} {mean:>9.4f} {p99:>9.4f} {worst:>9.3f} {de2000:>8.4f}")
    for line in rows:
        say(line, err=False)
