"""`colorrt serve`: a page to color with, and an HTTP service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorrt.cli.app import COLORIZE, announce_compiling, command, needs, say
from colorrt.cli.options import MODEL, DeviceOption, RenderFactorOption, ShippedPrecisionOption, ThreadsOption
from colorrt.contract import Device, Precision

if TYPE_CHECKING:
    from colorrt.runtime.colorizer import Colorizer

ACCESS, LIMITS = "Who may use it", "Limits"


@command(
    COLORIZE,
    "colorrt serve",
    "colorrt serve --port 9000 --engine artistic.onnx",
    "colorrt serve --host 0.0.0.0 --token 'a long secret' --allow-host color.example.org",
)
def serve(
    host: Annotated[
        str,
        typer.Option(help="Address to listen at; 0.0.0.0 is all of them.", metavar="ADDRESS", rich_help_panel=ACCESS),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="0 takes any.", metavar="N", rich_help_panel=ACCESS)
    ] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            help="What clients have to bear: 'Authorization: Bearer TOKEN'.",
            envvar="COLORRT_TOKEN",
            metavar="TOKEN",
            show_default="none is asked for",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="A further name that the service answers to; repeatable.", metavar="NAME", rich_help_panel=ACCESS
        ),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(
            help="Origin of another page that may call, such as https://example.org; repeatable.",
            metavar="ORIGIN",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    engine: Annotated[
        list[Path] | None,
        typer.Option(
            help="Model file: ONNX from 'colorrt export', or an engine from 'colorrt build'; repeatable.",
            metavar="FILE",
            show_default="the shipped model",
            rich_help_panel=MODEL,
        ),
    ] = None,
    render_factor: RenderFactorOption = None,
    precision: ShippedPrecisionOption = None,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    max_bytes: Annotated[
        int, typer.Option(min=1, help="Refuse larger bodies.", metavar="N", rich_help_panel=LIMITS)
    ] = 200_000_000,
    max_pixels: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Refuse pictures with more pixels, before they are decoded.",
            metavar="N",
            show_default="150 million",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    queue: Annotated[
        int,
        typer.Option(
            min=1, help="Pictures inside at a time; others are sent away.", metavar="N", rich_help_panel=LIMITS
        ),
    ] = 16,
    time_limit: Annotated[
        float, typer.Option(min=0.1, help="Seconds for one picture.", metavar="SECONDS", rich_help_panel=LIMITS)
    ] = 60.0,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Print a line for each answer.")] = False,
) -> None:
    """Serve a page to color with in the browser, and an HTTP service (docs/serving.md).

    Only programs of this machine reach it unless --host says otherwise. Nothing of a picture is kept. Needs the extra
    'serve'.

    Exit codes: 0 stopped by Ctrl-C or SIGTERM, 2 wrong usage (a port in use, too), 3 the model cannot be used.
    """
    try:
        from colorrt.service.app import make_app, make_service
        from colorrt.service.running import listen
        from colorrt.service.running import serve as serve_at
        from colorrt.service.settings import ServiceSettings
    except ImportError as error:
        raise needs("serve", error) from error
    from colorrt.runtime.pictures.reading import DEFAULT_MAX_PIXELS

    settings = ServiceSettings(
        host,
        max_bytes,
        max_pixels or DEFAULT_MAX_PIXELS,
        queue,
        time_limit,
        token,
        tuple(cors or ()),
        tuple(allow_host or ()),
    )
    with listen(host, port) as bound:
        colorizers = _open(engine, precision, render_factor, device, threads)
        service = make_service(colorizers, settings)
        address = f"[{host}]" if ":" in host else host
        say(f"http://{address}:{bound.getsockname()[1]}/ (Ctrl-C stops)", err=False)
        if not settings.is_local and token is None:
            say("everyone who reaches this address may color: --token asks for a secret")
        stopped = False
        try:
            serve_at(service, make_app(service, say, _print_answer if verbose else None), bound)
        except KeyboardInterrupt:
            stopped = True
        finally:
            for colorizer in colorizers:
                colorizer.close()
        say(f"stopped: {service.metrics.colored} pictures colored", err=False)
        if stopped:
            raise typer.Exit(0)


def _open(
    engines: list[Path] | None, precision: Precision | None, render_factor: str | None, device: str, threads: int | None
) -> list[Colorizer]:
    """Open the models and color a tiny picture with each, so that the first visitor waits for nothing."""
    import numpy as np

    from colorrt import kernels
    from colorrt.errors import UsageError
    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.render_factors import read_render_factors
    from colorrt.runtime.shipped import shipped_artifact

    if engines and precision is not None:
        raise UsageError(f"--precision {precision} chooses among the models that ship; leave it or --engine out")
    factors = read_render_factors(render_factor)
    shipped = shipped_artifact(precision) if precision else None
    files: list[Path | None] = [*engines] if engines else [shipped]
    announce_compiling()
    kernels.warm_up()
    opened = [Colorizer(file, render_factor=factors, device=device, threads=threads) for file in files]
    strokes = np.zeros((16, 16, 4), np.uint8)
    strokes[4:8, 4:8] = 255
    for colorizer in opened:
        colorizer.colorize(np.full((16, 16), 128, np.uint8), hints=strokes)
        say(f"{colorizer.contract.model}, {colorizer.contract.precision}, {colorizer.backend}")
    return opened


def _print_answer(method: str, path: str, status: int, seconds: float) -> None:
    say(f"{method} {path[:80]} {status} {1000 * seconds:.0f} ms")
