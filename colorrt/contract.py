"""The contract that every artifact carries: what is inside, which sizes it takes, what was measured.

It is written as JSON into `metadata_props["colorrt"]` of an ONNX file and into the network's name of a TensorRT
engine, where it lies verbatim in the plan's bytes. Pure data: importing this module imports nothing heavy.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

SCHEMA = 1
METADATA_KEY = "colorrt"
# The first bytes of every contract: what a search through a plan looks for.
MARK = '{"colorrt_contract":'
UNIT = 16
"""Pixels of the square per unit of render factor: S = 16 x render factor."""
HIGHEST_RENDER_FACTOR = 64
INPUT, OUTPUT = "luma", "chroma"


@dataclass(frozen=True)
class Parity:
    """How far the artifact's chroma is from the PyTorch network's, on real photos, in levels of 255."""

    photos: int
    mean: float
    """Mean absolute difference."""
    worst: float
    """Largest absolute difference."""


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
    attention: str
    batch: tuple[int, int | None]
    """Fewest and most pictures at a time; None: no bound."""
    saturation: float
    """The saturation that a picture gets when none is asked for."""
    weights_sha256: str
    opset: int
    producer: str
    parity: Parity | None = None

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

        Raises ValueError, with the reason, when `text` is no contract or one of a newer schema.
        """
        table = json.loads(text)
        if not isinstance(table, dict) or "colorrt_contract" not in table:
            raise ValueError("it is not a colorrt contract")
        if table["colorrt_contract"] != SCHEMA:
            raise ValueError(
                f"its contract has schema {table['colorrt_contract']}, this colorrt reads {SCHEMA}: upgrade colorrt"
            )
        known = {field.name for field in fields(cls)}
        values: dict[str, Any] = {name: value for name, value in table.items() if name in known}
        try:
            values["batch"] = tuple(values["batch"])
            if values.get("parity") is not None:
                values["parity"] = Parity(**values["parity"])
            contract = cls(**values)
        except (KeyError, TypeError) as error:
            raise ValueError(f"its contract is damaged ({error})") from error
        return contract


def check_render_factor(render_factor: int) -> int:
    """Return `render_factor`; raises ValueError outside 1..64."""
    if not 1 <= render_factor <= HIGHEST_RENDER_FACTOR:
        raise ValueError(
            f"render factor {render_factor} is outside 1..{HIGHEST_RENDER_FACTOR}; "
            "small factors color boldly and coarsely, 16 to 35 suit most pictures"
        )
    return render_factor
