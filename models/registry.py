"""The families of networks, and which of them a weights file belongs to.

A family recognizes its state dicts by their keys and reads widths and depths from the shapes, so variants of
other sizes load too. A new family is a new file in this folder and one entry in `FAMILIES`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from colorrt.errors import WeightsError
from colorrt.models import deoldify, ipol, lite, lite_bins
from colorrt.models.checkpoint import fill, load_state
from colorrt.models.color import ChromaOfRgb
from colorrt.models.lookalikes import describe_stranger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Family:
    """A kind of network.

    `recognize` returns the model's name when a state dict is of this family, else None. `build` returns the
    luma-to-chroma module (N x 1 x S x S -> N x 2 x S x S) in eval mode with its weights; raises WeightsError.
    `attention_stride`: picture pixels per token along each axis of the self-attention. `bytes_per_pixel`: memory
    that features take at the peak, per pixel of the square, measured.
    """

    name: str
    title: str
    recognize: Callable[[Mapping[str, Tensor]], str | None]
    build: Callable[[Mapping[str, Tensor]], nn.Module]
    default_saturation: float
    attention_stride: int
    bytes_per_pixel: int

    def attention_tokens(self, size: int) -> int:
        """Count the tokens of self-attention for pictures of `size` x `size`, `size` a multiple of 16."""
        return (size // self.attention_stride) ** 2


@dataclass(frozen=True)
class Network:
    """A network with its weights, ready to run or export.

    `module` maps luma (N x 1 x S x S float32, 0..1) to chroma (N x 2 x S x S float32). `parameters` counts
    its weights; `sha256` is the digest of the weights file in hexadecimal.
    """

    module: nn.Module
    model: str
    family: Family
    parameters: int
    sha256: str
    default_saturation: float


def detect(state: Mapping[str, Tensor]) -> tuple[Family, str]:
    """Return the family of a state dict and the model's name ("deoldify-artistic").

    Raises WeightsError that says what the state dict looks like instead, and what is known.
    """
    for family in FAMILIES:
        model = family.recognize(state)
        if model is not None:
            return family, model
    known = "; ".join(f"{family.name} ({family.title})" for family in FAMILIES)
    raise WeightsError(f"{describe_stranger(state)}, which colorrt cannot load; it knows {known}")


def load_network(path: Path) -> Network:
    """Read a weights file and build its network on the CPU, in eval mode.

    Raises WeightsError, in one line with the path, when the file is no checkpoint or not of a known network.
    """
    state = load_state(path)
    try:
        family, model = detect(state)
        module = family.build(state)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return Network(module, model, family, parameters, _digest(path), family.default_saturation)


def _recognize_deoldify(state: Mapping[str, Tensor]) -> str | None:
    variant = deoldify.recognize(state)
    return f"deoldify-{variant}" if variant else None


def _build_deoldify(state: Mapping[str, Tensor]) -> nn.Module:
    return ChromaOfRgb(deoldify.build(state)).eval()


def _recognize_ipol(state: Mapping[str, Tensor]) -> str | None:
    return "ipol" if ipol.recognizes(state) else None


def _build_ipol(state: Mapping[str, Tensor]) -> nn.Module:
    return ChromaOfRgb(ipol.build(state)).eval()


def _recognize_lite(state: Mapping[str, Tensor]) -> str | None:
    if not lite.recognizes(state):
        return None
    return "lite-bins" if lite_bins.MARK in state else "lite"


def _build_lite(state: Mapping[str, Tensor]) -> nn.Module:
    try:
        if lite_bins.MARK in state:
            return lite_bins.build(state)
        shape = lite.read_shape(state)
    except KeyError as error:
        raise WeightsError(f"the state dict looks like lite, but lacks {error.args[0]}; it is incomplete") from error
    with torch.device("meta"):
        network = lite.Lite(shape)
    fill(network, state, "lite")
    return network


FAMILIES: tuple[Family, ...] = (
    Family(
        name="deoldify",
        title="DeOldify artistic, stable and video",
        recognize=_recognize_deoldify,
        build=_build_deoldify,
        default_saturation=1.0,
        attention_stride=deoldify.ATTENTION_STRIDE,
        bytes_per_pixel=6000,
    ),
    Family(
        name="ipol",
        title="the network of the IPOL review of DeOldify",
        recognize=_recognize_ipol,
        build=_build_ipol,
        # The guess as it is; the published code's own default is 2.
        default_saturation=1.0,
        attention_stride=ipol.ATTENTION_STRIDE,
        bytes_per_pixel=6000,
    ),
    Family(
        name="lite",
        title="the small network that colorrt ships",
        recognize=_recognize_lite,
        build=_build_lite,
        # Its guesses are means of what may be, and so duller than photographs; but more color is less true: see README
        # for the curve.
        default_saturation=1.0,
        attention_stride=16,
        bytes_per_pixel=600,
    ),
)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
