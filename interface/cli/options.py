"""Options that several commands take, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colorrt.contract import Device, Precision, Upsampling

MODEL = "Model and device"
COLOR = "Color"
RESULTS = "Results"

EngineOption = Annotated[
    Path | None,
    typer.Option(
        help="Model file: ONNX from 'colorrt export', or an engine from 'colorrt build'.",
        metavar="FILE",
        show_default="the shipped model",
        rich_help_panel=MODEL,
    ),
]
ShippedPrecisionOption = Annotated[
    Precision | None,
    typer.Option(
        help="Numbers of the shipped model: int8 is 6 MB instead of 21, and within half a level of 255 of fp32.",
        metavar="fp32|int8",
        show_default="fp32",
        rich_help_panel=MODEL,
    ),
]
RenderFactorOption = Annotated[
    str | None,
    typer.Option(
        help="Side of the square that the network sees, in units of 16 pixels: 1 to 64. Guesses at several, such as "
        "8,16,24, are averaged.",
        metavar="N[,N]",
        show_default="16, or what the model was made for",
        rich_help_panel=MODEL,
    ),
]
DeviceOption = Annotated[
    Device,
    typer.Option(
        help="What runs the network. auto: the CPU for ONNX, the GPU for engines. openvino: the CPU, often faster; "
        "needs the extra 'openvino'.",
        rich_help_panel=MODEL,
    ),
]
ThreadsOption = Annotated[
    int | None, typer.Option(help="CPU threads.", metavar="N", show_default="all cores", rich_help_panel=MODEL)
]
SaturationOption = Annotated[
    float | None,
    typer.Option(
        help="Factor on the predicted color: 0 is gray, 1 is what the network predicts, more (up to 10) spreads colors "
        "apart around their mean.",
        metavar="X",
        show_default="the model's own",
        rich_help_panel=COLOR,
    ),
]
UpsampleOption = Annotated[
    Upsampling,
    typer.Option(
        help="How color is brought to full size: guided follows the edges of the picture, bilinear does not.",
        rich_help_panel=COLOR,
    ),
]
JsonFileOption = Annotated[
    Path | None,
    typer.Option("--json", help="Write the figures as JSON.", metavar="FILE", rich_help_panel=RESULTS),
]
AsJsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
