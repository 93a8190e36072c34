"""The contract that every artifact carries: what is inside, which sizes it takes, what was measured.

It is written as JSON into `metadata_props["colorrt"]` of an ONNX file and into the network's name of a TensorRT
engine, where it lies verbatim in the plan's bytes. Beside it stands what every room has to agree on: the numbers of
BT.601 and the names that options take. Pure data: importing this module imports nothing heavy.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

SCHEMA = 1
METADATA_KEY = "colorrt"
# The first bytes of every contract: what a search through a plan looks for.
MARK = '{"colorrt_contract":'
UNIT = 16
"""Pixels of the square per unit of render factor: S = 16 x render factor."""
HIGHEST_RENDER_FACTOR = 64
HINT, MASK = "hint", "mask"
INPUT, OUTPUT = "luma", "chroma"
NOT_YET_RUN = "not yet run"
_LONGEST_INT = 18

# The kernels are compiled with these numbers, and Numba's cache does not notice when another file than the kernel's
# own changes: whoever changes one clears the cache (see `colorrt.kernels.luma`).
LUMA_OF_RGB = (0.299, 0.587, 0.114)
"""BT.601: Y = 0.299 R + 0.587 G + 0.114 B."""
U_SCALE, V_SCALE = 0.492, 0.877
"""BT.601 as the IPOL paper on DeOldify writes it: U = 0.492 (B - Y), V = 0.877 (R - Y)."""


class StrEnum(str, Enum):
    """Names that are strings: `Device.CPU == "cpu"`, and messages and JSON show "cpu". Python 3.10 has none.

    `"cpu" in tuple(Device)` asks whether a plain string is one of them; `"cpu" in Device` raises before Python 3.12.
    """

    __str__ = str.__str__
    __repr__ = str.__repr__
    __format__ = str.__format__  # type: ignore[assignment]  # mypy: the names of the parameters differ


class Precision(StrEnum):
    """Numbers inside the graph; luma and chroma are float32 whatever it is."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


class Device(StrEnum):
    """What runs a network. AUTO: the CPU for ONNX files, the GPU for engines. CPU: ONNX Runtime there."""

    AUTO = "auto"
    CPU = "cpu"
    OPENVINO = "openvino"
    CUDA = "cuda"


class Target(StrEnum):
    """What an export is to run on."""

    CPU = "cpu"
    TENSORRT = "tensorrt"


class AttentionForm(StrEnum):
    """How self-attention is computed, never what comes out: see `colorrt.models.layers.SelfAttention`."""

    PLAIN = "plain"
    TILED = "tiled"
    HEADS = "heads"


class Upsampling(StrEnum):
    """How chroma comes to full size: along the edges of the luma, or linearly, as DeOldify does."""

    GUIDED = "guided"
    BILINEAR = "bilinear"


class Steady(StrEnum):
    """Whether the color of a film is steadied from frame to frame, and by which neighbors."""

    ON = "on"
    OFF = "off"
    CAUSAL = "causal"


class FilmCodec(StrEnum):
    """What films are written with."""

    X264 = "x264"
    X265 = "x265"
    AV1 = "av1"
    PRORES = "prores"
    DNXHR = "dnxhr"
    FFV1 = "ffv1"


class EngineFlavor(StrEnum):
    """The TensorRTs, by the name of their Python package; the preferred one first."""

    TENSORRT = "tensorrt"
    TENSORRT_RTX = "tensorrt_rtx"


FLAVORS = tuple(EngineFlavor)


@dataclass(frozen=True)
class Parity:
    """How far the artifact's chroma is from the PyTorch network's, on real photos, in levels of 255."""

    photos: int
    mean: float
    """Mean absolute difference."""
    worst: float
    """Largest absolute difference."""
    p99: float | None = None
    """The difference that 99% of all values stay below; None: files of older versions do not tell."""
    gain: float | None = None
    """Slope of the artifact's chroma on the other's: 1 keeps saturation. None: not told, or all chroma is gray."""


@dataclass(frozen=True)
class SizeParity:
    """Parity on squares of one size: an INT8 graph reaches other values at other sizes."""

    size: int
    """Side of the squares in pixels."""
    parity: Parity


@dataclass(frozen=True)
class Calibration:
    """How an INT8 graph was made."""

    target: str
    """A `Target`: unsigned values with zero points for "cpu", signed ones without for "tensorrt"."""
    ranges: str
    """How ranges were taken: "percentile 99.99"."""
    photos: int
    """Squares of luma that they were measured on."""
    source: str
    """Whose photographs those were: "shipped photographs, aged", or the name of a folder."""
    layers: int
    """Convolutions in INT8."""
    kept: tuple[str, ...]
    """Names of those in FP32."""
    worst_photo: str
    """The photograph with the largest mean difference from FP32, among those of the parity."""
    sizes: tuple[SizeParity, ...] = ()
    """The parity with FP32 at each size by itself; files of older versions do not tell."""


@dataclass(frozen=True)
class Engine:
    """What a TensorRT engine adds to the contract of the graph it was built from."""

    flavor: str
    """An `EngineFlavor`: the Python package that built it, and the one that runs it."""
    version: str
    capabilities: tuple[str, ...]
    """Compute capabilities of the GPUs it runs on ("8.6"); empty: the builder's word for any that its flavor takes."""
    gpu: str | None
    """The GPU that it was built on; None: built ahead of time, on a machine without one."""
    proof: str
    """What shows that it does what it says: NOT_YET_RUN, or where it ran against its graph."""
    optimum: int
    """Pictures at a time that it was tuned for."""
    render_factors: tuple[int, int, int] | None = None
    """Of an engine of any size: the least, the tuned and the largest render factor; else None."""


@dataclass(frozen=True)
class Contract:
    """What an artifact promises.

    Every artifact takes `luma` (N x 1 x S x S float32, BT.601 luma of the gamma-coded picture, 0..1) and returns
    `chroma` (N x 2 x S x S float32, U = 0.492 (B - Y), V = 0.877 (R - Y), gray is 0, 0).
    """

    model: str
    render_factor: int | None
    """None: the graph takes any S that is a multiple of 16."""
    precision: str
    """A `Precision`; files of newer versions may have others."""
    attention: str | None
    """An `AttentionForm`; files of newer versions may have others. None: the network has no self-attention."""
    batch: tuple[int, int | None]
    """Fewest and most pictures at a time; None: no bound."""
    saturation: float
    """The saturation that a picture gets when none is asked for."""
    weights_sha256: str
    opset: int
    producer: str
    parity: Parity | None = None
    """Of the graph against PyTorch."""
    precision_parity: Parity | None = None
    """Of a graph or engine of lower precision against the FP32 graph that it was made from."""
    engine: Engine | None = None
    """None: an ONNX graph."""
    calibration: Calibration | None = None
    """Of an INT8 graph, and of an engine made of one."""

    @property
    def size(self) -> int | None:
        """S in pixels, or None when the graph takes any multiple of 16."""
        return None if self.render_factor is None else UNIT * self.render_factor

    def to_json(self) -> str:
        """Write the contract as one line of ASCII JSON that begins with `MARK`."""
        table = {"colorrt_contract": SCHEMA, **asdict(self), "size": self.size}
        return json.dumps(table, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Contract:
        """Read a contract from JSON; fields of newer producers are ignored.

        Raises ValueError, with the reason and what to do, when `text` is no contract, one of another schema, or
        damaged.
        """
        try:
            table = json.loads(text, parse_int=_int)
        except (ValueError, RecursionError) as error:
            raise _damaged(str(error)) from error
        if not isinstance(table, dict) or "colorrt_contract" not in table:
            raise ValueError("it is not a colorrt contract; make one with 'colorrt export'")
        schema = table["colorrt_contract"]
        if schema != SCHEMA:
            raise ValueError(
                f"its contract has schema {str(schema)[:40]}, and this colorrt reads schema {SCHEMA}; "
                "upgrade colorrt, or export it again with this one"
            )
        values = _fields(table, _KINDS)
        values["batch"] = _batch(values["batch"])
        values["saturation"] = float(values["saturation"])
        if not (math.isfinite(values["saturation"]) and values["saturation"] >= 0):
            raise _damaged(f"saturation is {values['saturation']}")
        if values["render_factor"] is not None:
            try:
                check_render_factor(values["render_factor"])
            except ValueError as error:
                raise _damaged(str(error)) from error
        for name in ("parity", "precision_parity"):
            values[name] = _parity(name, table.get(name))
        values["engine"] = _engine(table.get("engine"))
        values["calibration"] = _calibration(table.get("calibration"))
        return cls(**values)


_KINDS: dict[str, tuple[type, ...]] = {
    "model": (str,),
    "render_factor": (int, type(None)),
    "precision": (str,),
    "attention": (str, type(None)),
    "batch": (list,),
    "saturation": (int, float),
    "weights_sha256": (str,),
    "opset": (int,),
    "producer": (str,),
}
_PARITY_KINDS: dict[str, tuple[type, ...]] = {"photos": (int,), "mean": (int, float), "worst": (int, float)}
# What files of older versions do not have.
_PARITY_EXTRAS: dict[str, tuple[type, ...]] = {"p99": (int, float, type(None)), "gain": (int, float, type(None))}
_CALIBRATION_KINDS: dict[str, tuple[type, ...]] = {
    "target": (str,),
    "ranges": (str,),
    "photos": (int,),
    "source": (str,),
    "layers": (int,),
    "kept": (list,),
    "worst_photo": (str,),
}
_ENGINE_KINDS: dict[str, tuple[type, ...]] = {
    "flavor": (str,),
    "version": (str,),
    "capabilities": (list,),
    "gpu": (str, type(None)),
    "proof": (str,),
    "optimum": (int,),
    "render_factors": (list, type(None)),
}


def _fields(table: dict[str, Any], kinds: dict[str, tuple[type, ...]]) -> dict[str, Any]:
    for name, kind in kinds.items():
        if name not in table:
            raise _damaged(f"{name} is missing")
        if not isinstance(table[name], kind) or isinstance(table[name], bool):
            raise _damaged(f"{name} is {_brief(table[name])}")
    return {name: table[name] for name in kinds}


def _parity(name: str, table: Any) -> Parity | None:
    if table is None:
        return None
    if not isinstance(table, dict):
        raise _damaged(f"{name} is {_brief(table)}")
    extras = {key: table.get(key) for key in _PARITY_EXTRAS}
    return Parity(**_fields(table, _PARITY_KINDS), **_fields(extras, _PARITY_EXTRAS))


def _calibration(table: Any) -> Calibration | None:
    if table is None:
        return None
    if not isinstance(table, dict):
        raise _damaged(f"calibration is {_brief(table)}")
    values = _fields(table, _CALIBRATION_KINDS)
    if not all(isinstance(name, str) for name in values["kept"]):
        raise _damaged(f"kept is {_brief(values['kept'])}")
    sizes = table.get("sizes", [])
    if not isinstance(sizes, list):
        raise _damaged(f"sizes is {_brief(sizes)}")
    return Calibration(**{**values, "kept": tuple(values["kept"])}, sizes=tuple(map(_size_parity, sizes)))


def _size_parity(table: Any) -> SizeParity:
    parity = _parity("sizes", table.get("parity")) if isinstance(table, dict) else None
    if parity is None:
        raise _damaged(f"sizes holds {_brief(table)}")
    return SizeParity(**_fields(table, {"size": (int,)}), parity=parity)


def _engine(table: Any) -> Engine | None:
    if table is None:
        return None
    if not isinstance(table, dict):
        raise _damaged(f"engine is {_brief(table)}")
    values = _fields(table, _ENGINE_KINDS)
    if values["flavor"] not in FLAVORS:
        raise _damaged(f"flavor is {_brief(values['flavor'])}")
    if not all(isinstance(capability, str) for capability in values["capabilities"]):
        raise _damaged(f"capabilities is {_brief(values['capabilities'])}")
    values["capabilities"] = tuple(values["capabilities"])
    factors = values["render_factors"]
    if factors is not None:
        if len(factors) != 3 or any(type(factor) is not int for factor in factors):
            raise _damaged(f"render_factors is {_brief(factors)}")
        least, tuned, largest = factors
        if not 1 <= least <= tuned <= largest <= HIGHEST_RENDER_FACTOR:
            raise _damaged(f"render_factors is {_brief(factors)}")
        values["render_factors"] = (least, tuned, largest)
    return Engine(**values)


def _batch(value: list[Any]) -> tuple[int, int | None]:
    whole = [type(bound) is int for bound in value]
    if whole == [True, True] and 1 <= value[0] <= value[1]:
        return value[0], value[1]
    if whole == [True, False] and value[0] >= 1 and value[1] is None:
        return value[0], None
    raise _damaged(f"batch is {_brief(value)}")


def _int(digits: str) -> int:
    # More digits than a double has are no number of ours, and would not fit into one.
    if len(digits) > _LONGEST_INT:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _brief(value: object) -> str:
    try:
        return ascii(value)[:40]
    except RecursionError:
        return f"a deeply nested {type(value).__name__}"


def _damaged(reason: str) -> ValueError:
    return ValueError(f"its contract is damaged ({reason}); export it again with 'colorrt export'")


def check_render_factor(render_factor: int) -> int:
    """Return `render_factor`; raises ValueError outside 1..64."""
    if not 1 <= render_factor <= HIGHEST_RENDER_FACTOR:
        raise ValueError(
            f"render factor {render_factor} is outside 1..{HIGHEST_RENDER_FACTOR}; "
            "it is the side of the network's square in steps of 16 pixels; 8 to 24 suit lite, 16 to 35 DeOldify"
        )
    return render_factor
