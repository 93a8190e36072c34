"""`colorrt info`, `colorrt models`: what a model file holds, and which networks there are."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorrt.cli.app import INSPECT, command, say_table
from colorrt.cli.options import AsJsonOption
from colorrt.contract import UNIT, Calibration, Engine, Parity, Precision

if TYPE_CHECKING:
    from collections.abc import Sequence


@command(INSPECT, "colorrt info artistic-rf35.onnx", "colorrt info fp16.plan --json")
def info(
    artifact: Annotated[Path, typer.Argument(help="Model file: ONNX or engine.", metavar="FILE")],
    as_json: AsJsonOption = False,
) -> None:
    """Show what a model file holds: its network, sizes, precision and measured parity.

    The file is only read, never run: engines need neither a GPU nor TensorRT.
    """
    from colorrt.models.weights.known_files import describe_known, find_known
    from colorrt.runtime.artifact import read_artifact

    found = read_artifact(artifact)
    contract = found.contract
    if as_json:
        typer.echo(contract.to_json())
        return
    size = "any multiple of 16" if contract.size is None else f"{contract.size} x {contract.size}"
    most = "any" if contract.batch[1] is None else str(contract.batch[1])
    known = find_known(contract.weights_sha256)
    engine = contract.engine
    rows = [] if engine is None else _engine_rows(engine)
    say_table(
        [
            ("file", f"{artifact.name}, {found.kind.value}, {artifact.stat().st_size / 1e6:.1f} MB"),
            ("model", contract.model),
            ("render factor", "any" if contract.render_factor is None else str(contract.render_factor)),
            ("square", size),
            ("precision", contract.precision),
            ("attention", contract.attention or "none"),
            ("batch size", f"{contract.batch[0]} to {most}"),
            ("saturation", f"{contract.saturation:g}"),
            ("parity with PyTorch", _parity(contract.parity)),
            *(
                []
                if contract.precision == Precision.FP32
                else [("parity with FP32", _parity(contract.precision_parity))]
            ),
            *_calibration_rows(contract.calibration),
            *rows,
            ("weights", f"sha256 {contract.weights_sha256}"),
            *([] if known is None else [("known as", describe_known(known))]),
            ("opset", str(contract.opset)),
            ("made by", contract.producer),
        ]
    )


def _parity(parity: Parity | None) -> str:
    if parity is None:
        return "not measured"
    p99 = "" if parity.p99 is None else f", {parity.p99:.1e} p99"
    gain = "" if parity.gain is None else f"; gain {parity.gain:.4f}"
    return f"{parity.mean:.1e} mean{p99}, {parity.worst:.1e} worst, levels of 255, {parity.photos} photos{gain}"


def _calibration_rows(found: Calibration | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    return [
        ("calibrated", f"{found.ranges} on {found.photos} squares ({found.source}), for {found.target}"),
        ("layers in INT8", str(found.layers)),
        ("layers in FP32", ", ".join(found.kept) or "none"),
        ("farthest from FP32", found.worst_photo),
        *((f"at {one.size} x {one.size}", _parity(one.parity)) for one in found.sizes if len(found.sizes) > 1),
    ]


def _engine_rows(engine: Engine) -> list[tuple[str, str]]:
    rows = [
        ("built by", f"{engine.flavor} {engine.version}, {engine.gpu or 'without a GPU'}"),
        ("runs on", f"compute capability {', '.join(engine.capabilities) or 'of any GPU that its builder supports'}"),
        ("tuned for", f"batch size {engine.optimum}"),
        ("proof", engine.proof),
    ]
    if engine.render_factors is not None:
        least, tuned, largest = engine.render_factors
        rows.append(("render factors", f"{least} to {largest}, tuned for {tuned}"))
    return rows


@command(INSPECT, "colorrt models", "colorrt models --json")
def models(as_json: AsJsonOption = False) -> None:
    """List the networks that colorrt knows, the published files that it recognizes, and the shipped model."""
    from colorrt.models.catalog import FAMILY_FILES
    from colorrt.models.weights.known_files import KNOWN_FILES
    from colorrt.runtime.artifact import read_artifact
    from colorrt.runtime.shipped import shipped_artifact, shipped_card

    contract = read_artifact(shipped_artifact()).contract
    if as_json:
        networks = [
            {"family": file.module, **asdict(model), "size": UNIT * model.render_factor}
            for file in FAMILY_FILES
            for model in file.models
        ]
        shipped = {"file": str(shipped_artifact()), "card": str(shipped_card()), "contract": asdict(contract)}
        known = [asdict(file) for file in KNOWN_FILES]
        typer.echo(json.dumps({"networks": networks, "known_files": known, "shipped": shipped}))
        return
    rows = [("network", "size", "steps", "license", "loads")]
    rows += [
        (model.name, str(UNIT * model.render_factor), str(model.steps), model.license or "", model.weights)
        for file in FAMILY_FILES
        for model in file.models
    ]
    _say_columns(rows)
    typer.echo("size: side of the square, in pixels, that a network was made for; others in steps")
    typer.echo("")
    typer.echo("recognized by SHA-256:")
    _say_columns([(f"{file.sha256[:16]}...", file.file, file.title, file.license, file.home) for file in KNOWN_FILES])
    typer.echo("")
    typer.echo(f"shipped: {contract.model}, any render factor, saturation {contract.saturation:g}")
    typer.echo(f"model card, with figures and known weaknesses: {shipped_card()}")


def _say_columns(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
