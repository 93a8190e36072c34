"""`colorrt info`, `colorrt models`: what an artifact and the package are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colorrt.cli.app import app, guarded, say_table
from colorrt.contract import Engine, Parity


@app.command()
@guarded
def info(
    artifact: Annotated[Path, typer.Argument(help="An ONNX file or an engine.", metavar="ARTIFACT")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the contract as JSON.")] = False,
) -> None:
    """Print what an artifact is: its model, sizes, precision and measured parity. Loads no network."""
    from colorrt.runtime.artifact import read_artifact

    found = read_artifact(artifact)
    contract = found.contract
    if as_json:
        typer.echo(contract.to_json())
        return
    size = "any multiple of 16" if contract.size is None else f"{contract.size} x {contract.size}"
    most = "any number" if contract.batch[1] is None else str(contract.batch[1])
    engine = contract.engine
    rows = [] if engine is None else _engine_rows(engine)
    say_table(
        [
            ("file", f"{artifact.name}, {found.kind.value}, {artifact.stat().st_size / 1e6:.1f} MB"),
            ("model", contract.model),
            ("render factor", "any" if contract.render_factor is None else str(contract.render_factor)),
            ("square", size),
            ("precision", contract.precision),
            ("attention", contract.attention),
            ("pictures at a time", f"{contract.batch[0]} to {most}"),
            ("saturation", f"{contract.saturation:g}"),
            ("parity with PyTorch", _parity(contract.parity)),
            *([] if contract.precision == "fp32" else [("parity with FP32", _parity(contract.precision_parity))]),
            *rows,
            ("weights", f"sha256 {contract.weights_sha256}"),
            ("opset", str(contract.opset)),
            ("made by", contract.producer),
        ]
    )


def _parity(parity: Parity | None) -> str:
    if parity is None:
        return "not measured"
    return f"{parity.mean:.1e} mean, {parity.worst:.1e} worst, levels of 255, {parity.photos} photos"


def _engine_rows(engine: Engine) -> list[tuple[str, str]]:
    rows = [
        ("built by", f"{engine.flavor} {engine.version}, {engine.gpu or 'on a machine without a GPU'}"),
        ("runs on", f"compute capability {', '.join(engine.capabilities) or 'of any GPU that its builder takes'}"),
        ("tuned for", f"{engine.optimum} at a time"),
        ("proof", engine.proof),
    ]
    if engine.render_factors is not None:
        least, tuned, largest = engine.render_factors
        rows.append(("render factors", f"{least} to {largest}, tuned for {tuned}"))
    return rows


@app.command()
@guarded
def models() -> None:
    """List the networks that colorrt knows and the model that ships."""
    from colorrt.models.catalog import KNOWN_MODELS
    from colorrt.runtime.artifact import read_artifact
    from colorrt.runtime.shipped import shipped_artifact, shipped_card

    contract = read_artifact(shipped_artifact()).contract
    say_table([(model.name, f"{model.title}; weights: {model.weights}") for model in KNOWN_MODELS])
    typer.echo(f"ships in the package: {contract.model}, any render factor, saturation {contract.saturation:g}")
    typer.echo(f"its card, with figures and known failures: {shipped_card()}")
