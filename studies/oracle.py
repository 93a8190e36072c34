"""The papers' networks against what the original classes answered, with the same synthetic weights.

The answers, and the scripts that make the weights, lie in a folder that is not part of the repository: `reference/` for
eccv16, siggraph17 and HKUST's half ResNet-18, `ddcolor/` for DDColor.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
import torch

from colorrt.contract import INPUT, OUTPUT, UNIT
from colorrt.errors import UsageError
from colorrt.export.graph import trace
from colorrt.models.color import ChromaOfLab
from colorrt.models.registry import load_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array = NDArray[np.float32]

LEVELS = 255
ZHANG = ("eccv16", "siggraph17", "hkust")
DDCOLOR = ("ddcolor-tiny", "ddcolor-large")
NAMES = ZHANG + DDCOLOR
_WHOLE = (...,)
# What is stored of large answers: every fourth or eighth pixel.
_SAMPLED = {256: (..., slice(1, None, 4), slice(2, None, 4)), 512: (..., slice(3, None, 8), slice(5, None, 8))}


@dataclass(frozen=True)
class Case:
    """One answer of an original. `seen`: what the network is given, `guess`: its output, in Lab units or as it comes;
    `luma`, `chroma`: of the whole way; None where not stored. `guess_part`, `chroma_part`: which pixels are."""

    name: str
    size: int
    seen: Array | None
    guess: Array | None
    luma: Array | None
    chroma: Array | None
    guess_part: tuple[Any, ...] = _WHOLE
    chroma_part: tuple[Any, ...] = _WHOLE


@dataclass(frozen=True)
class Agreement:
    """Largest differences from the original over the cases of one size: a and b in Lab units, chroma in levels of 255.
    None: not stored, or not asked for."""

    network: str
    size: int
    cases: int
    ab: float | None
    chroma: float | None
    graph: float | None


def load_original(zoo: Path, name: str) -> ChromaOfLab:
    """Make the synthetic weights of a network in a scratch folder and load it. Takes up to a gigabyte on the disk.

    Raises UsageError when the folder or the network is not known.
    """
    if name not in NAMES or not zoo.is_dir():
        raise UsageError(f"{zoo}, {name}: name the folder with the originals' answers, and of {', '.join(NAMES)}")
    if name in ZHANG:
        script, keys = zoo / "reference" / "make_checkpoint.py", zoo / "reference" / f"keys_{name}.tsv"
    else:
        script = zoo / "ddcolor" / "make_ddcolor_checkpoint.py"
        keys = zoo / "ddcolor" / f"keys_{name.replace('-', '_')}.tsv"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        # A script of the folder that the user named.
        subprocess.run([sys.executable, str(script), str(keys), str(path)], check=True, capture_output=True)  # noqa: S603 (fixed words and paths)
        module = load_network(path).module
    assert isinstance(module, ChromaOfLab)
    return module


def read_cases(zoo: Path, name: str, network: ChromaOfLab) -> Iterator[Case]:
    """Read what is stored of a network's original, sorted by name."""
    if name in DDCOLOR:
        for path in sorted((zoo / "ddcolor" / "raw").glob(f"{name.removeprefix('ddcolor-')}_s*.npz")):
            yield from _cases_of_ddcolor(path)
        return
    scale = network.scale
    for path in sorted((zoo / "reference" / "raw").glob(f"{name}_*.npz")):
        arrays = dict(np.load(path))
        if "net_output" in arrays and "net_input" not in arrays:
            # The same as eccv16's, stored once.
            arrays["net_input"] = np.load(path.with_name(path.name.replace(name, "eccv16")))["net_input"]
        size = int(path.stem.split("_")[1])
        seen = guess = None
        if "net_output" in arrays:
            seen = ((arrays["net_input"] - scale.center) / scale.spread).astype(np.float32)
            # Zhang's answers are stored as a and b, HKUST's as the network gives them.
            guess = arrays["net_output"] * scale.gain + scale.offset if name == "hkust" else arrays["net_output"]
        luma = arrays.get("luma")
        if luma is None and name == "hkust":
            # It sees gray itself.
            luma = arrays["net_input"]
        elif luma is None and "chroma" in arrays:
            luma = luma_of(arrays["net_input"])
        yield Case(path.stem, size, seen, guess, luma, arrays.get("chroma"))


def open_graph(network: ChromaOfLab, size: int | None) -> ort.InferenceSession:
    """Export a network for squares of `size`, or of any size for None, and open the graph on ONNX Runtime."""
    model = trace(network, None if size is None else size // UNIT).SerializeToString()
    return ort.InferenceSession(model, providers=["CPUExecutionProvider"])


def measure_agreement(
    network: ChromaOfLab, name: str, cases: list[Case], session: ort.InferenceSession | None
) -> Agreement:
    """Run a network, and where there is one its graph, on cases of one size."""
    (size,) = {case.size for case in cases}
    scale, worst = network.scale, {"ab": [0.0], "chroma": [0.0], "graph": [0.0]}
    for case in cases:
        with torch.inference_mode():
            if case.seen is not None and case.guess is not None:
                guess = network.network(torch.from_numpy(case.seen)).numpy() * scale.gain + scale.offset
                worst["ab"].append(float(np.abs(guess[case.guess_part] - case.guess).max()))
            if case.luma is None or case.chroma is None:
                continue
            chroma = network(torch.from_numpy(case.luma)).numpy()
        worst["chroma"].append(_levels(chroma, case))
        if session is not None:
            worst["graph"].append(_levels(session.run([OUTPUT], {INPUT: case.luma})[0], case))
    ab, in_torch, in_graph = (max(found) if len(found) > 1 else None for found in worst.values())
    return Agreement(name, size, len(cases), ab, in_torch, in_graph)


def compare_with_originals(zoo: Path, names: list[str]) -> Iterator[Agreement]:
    """Measure each network at each size that is stored, one after another. Raises UsageError for unknown names."""
    for name in names:
        network = load_original(zoo, name)
        cases = list(read_cases(zoo, name, network))
        # DDColor's graphs are of one size.
        session = open_graph(network, None) if name in ZHANG else None
        for size in sorted({case.size for case in cases}):
            graph = session or open_graph(network, size)
            yield measure_agreement(network, name, [case for case in cases if case.size == size], graph)


def agreement_line(found: Agreement) -> str:
    """Return a row of the table."""
    figures = (found.ab, found.chroma, found.graph)
    shown = " ".join(f"{'' if figure is None else f'{figure:.1e}':>12}" for figure in figures)
    return f"{found.network:<16} {found.size:>5} {found.cases:>6} {shown}"


def as_json(rows: list[Agreement]) -> list[dict[str, Any]]:
    """Return the rows as what `json.dumps` takes."""
    return [asdict(row) for row in rows]


def luma_of(lightness: Array) -> Array:
    """Return the luma of the gray pixels of this L*, 0..100, from the definition."""
    root = (lightness.astype(np.float64) + 16) / 116
    linear = np.where(root > 0.2068966, root**3, (root - 16 / 116) / 7.787)
    coded = np.where(linear > 0.0031308, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055, 12.92 * linear)
    return coded.astype(np.float32)


def _cases_of_ddcolor(path: Path) -> Iterator[Case]:
    _, side, picture = path.stem.split("_", 2)
    size = int(side[1:])
    given, wanted = np.load(path.with_name(f"input_{side}_{picture}.npz")), np.load(path)
    luma = (given["luma_u8"].astype(np.float32) / np.float32(255))[None, None]
    part = _SAMPLED[size]
    if "net_input" in given:
        # RGB, as the original's own pipeline gives it.
        yield Case(f"{path.stem}, its pipeline", size, given["net_input"], wanted["net_output"], None, None)
    if size == 256:
        yield Case(path.stem, size, luma, wanted["luma_net_output_4"], luma, wanted["chroma"], part)
    else:
        yield Case(path.stem, size, luma, wanted["luma_net_output_8"], luma, wanted["chroma_8"], part, part)


def _levels(chroma: Array, case: Case) -> float:
    return float(np.abs(chroma[case.chroma_part] - case.chroma).max()) * LEVELS
