"""The colorizer: a picture of any size in, the same picture in color out, its luma untouched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorrt import kernels
from colorrt.contract import UNIT, Contract, Device, Precision, Upsampling
from colorrt.errors import PictureError, UsageError
from colorrt.runtime.artifact import read_artifact
from colorrt.runtime.hints import Hints, HintsLike, add_hints, read_hints
from colorrt.runtime.mean_color import keep_mean
from colorrt.runtime.paint import Paint
from colorrt.runtime.pictures.in_memory import PictureLike, is_float, levels_of, to_floats
from colorrt.runtime.render_factors import average_guesses, choose_render_factor, choose_render_factors
from colorrt.runtime.sessions.opening import open_session
from colorrt.runtime.sessions.session import Session, SessionOptions
from colorrt.runtime.shipped import shipped_artifact

HIGHEST_SATURATION = 10.0


@dataclass(frozen=True)
class Square:
    """What the network sees of a picture, and the luma that stays."""

    luma: NDArray[Any]
    """H x W uint8 or uint16, of the picture itself."""
    small: NDArray[np.float32]
    """S x S float32, 0..1."""
    smaller: tuple[NDArray[np.float32], ...] = ()
    """The same at further render factors, whose guesses are averaged with that for `small`."""


class Colorizer:
    """Colorize pictures with one artifact.

    `artifact`: an ONNX file made by `colorrt export`; None takes the model that ships. `render_factor`: 1..64, for
    graphs of any size (16 when not given); a graph of one size takes only its own. Of several, such as (8, 16, 24), the
    guesses are averaged; `size` and `render_factor` are then those of the largest. `device`: "auto", "cpu",
    "openvino" or "cuda". `exact`: compute with the numbers of the file, where OpenVINO would take BF16 for FP32.
    `threads`: CPU threads, None for all cores. `upsample`: how chroma comes to the picture's size: "guided" follows the
    edges of its luma, "bilinear" does not (as DeOldify).

    Raises ArtifactError or BackendError when the artifact cannot run, UsageError for impossible settings. Usable
    as a context manager; `close` frees the network.
    """

    def __init__(
        self,
        artifact: str | Path | None = None,
        *,
        render_factor: int | Sequence[int] | None = None,
        device: str = Device.AUTO,
        exact: bool = False,
        threads: int | None = None,
        upsample: str = Upsampling.GUIDED,
    ) -> None:
        if upsample not in tuple(Upsampling):
            raise UsageError(f"there is no upsampling {upsample!r}; choose {' or '.join(Upsampling)}")
        self.upsample = upsample
        options = SessionOptions(device, threads, exact)
        found = read_artifact(Path(artifact) if artifact is not None else shipped_artifact())
        self.render_factors = choose_render_factors(found.contract, render_factor)
        self.render_factor = self.render_factors[-1]
        if threads is not None:
            kernels.set_threads(threads)
        self._session: Session = open_session(found, options)

    @property
    def contract(self) -> Contract:
        """What the artifact promises."""
        return self._session.contract

    @property
    def backend(self) -> str:
        """What runs the network, for people."""
        return self._session.backend

    @property
    def precision(self) -> str:
        """The numbers that the network is computed with."""
        return self._session.precision

    @property
    def network_name(self) -> str:
        """The model, and what makes its guesses differ from those of its FP32 file: "lite", "lite int8 openvino"."""
        own = "" if self.contract.precision == Precision.FP32 else str(self.contract.precision)
        return " ".join(filter(None, (self.contract.model, own, self._session.making)))

    @property
    def best_batch(self) -> int:
        """Pictures at a time that the network is best asked for."""
        return self._session.best_batch

    @property
    def size(self) -> int:
        """Side of the square that the network sees, in pixels."""
        return UNIT * self.render_factor

    def colorize(
        self, picture: PictureLike, saturation: float | None = None, *, hints: HintsLike | None = None
    ) -> NDArray[Any]:
        """Colorize one picture.

        `picture`: a path; the bytes of a picture file; an image of Pillow (turned upright if its EXIF says how); or
        an array H x W or H x W x 3 of uint8, uint16 or floats in 0..1. Of a color picture only the luma is used,
        alpha is not. `saturation`: factor on the guessed chroma (equation 11 of Salmona et al. 2022), 0..10; above 1
        its mean stays, see `keep_mean`; None takes the model's own. `hints`: colors that are wanted at some places, as
        strokes on a transparent picture of the same proportions, see `read_hints`. Returns H x W x 3 in the dtype of
        the picture (floats in 0..1 again, by way of 16 bits); its BT.601 luma is that of the picture within rounding.

        Raises PictureError when the file or image cannot be read, the hints do not fit it or cannot be read, or the
        network answers nothing finite, ModelError when it fails, UsageError for arrays of other shapes, dtypes and
        ranges, or an impossible saturation.
        """
        saturation = self.choose_saturation(saturation)
        wanted = None if hints is None else read_hints(hints)
        square = self.see(levels_of(picture))
        color = self.render(square, self.guess([square])[0], saturation, wanted)
        return to_floats(color, picture.dtype) if isinstance(picture, np.ndarray) and is_float(picture) else color

    def chroma(self, luma: NDArray[Any]) -> NDArray[np.float32]:
        """Guess the chroma planes of a luma plane.

        `luma`: H x W, uint8 or uint16. Returns 2 x S x S float32, S = `size`: U = 0.492 (B - Y), V = 0.877 (R - Y)
        in the units of luma, before saturation. Raises UsageError when `luma` is no plane.
        """
        if np.ndim(luma) != 2:
            raise UsageError(f"luma is one plane, H x W; got an array of {np.ndim(luma)} dimensions")
        chroma: NDArray[np.float32] = self.guess([self.see(luma)])[0]
        return chroma

    def see(self, pixels: NDArray[Any], render_factor: int | None = None) -> Square:
        """Take the luma of a picture (H x W or H x W x 3) and squeeze it to the network's square, or squares.

        `render_factor`: of this square, where the artifact takes others than the colorizer's own.
        Raises UsageError when `pixels` has another shape or dtype, or the artifact takes no such square.
        """
        factors = self.render_factors
        if render_factor is not None:
            factors = (choose_render_factor(self.contract, render_factor),)
        try:
            luma = kernels.luma(pixels)
            *smaller, small = (kernels.resize_luma(luma, UNIT * factor) for factor in factors)
            return Square(luma, small, tuple(smaller))
        except (TypeError, ValueError) as error:
            raise UsageError(f"this is not a picture: {error}") from error

    def guess(self, squares: list[Square]) -> NDArray[np.float32]:
        """Run the network on a batch, at each of the render factors. Returns N x 2 x S x S float32."""
        guesses = [
            self._session.run(np.stack(smalls)[:, None])
            for smalls in zip(*((square.small, *square.smaller) for square in squares), strict=True)
        ]
        return guesses[0] if len(guesses) == 1 else average_guesses(guesses)

    def run(self, luma: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network itself: N x 1 x S x S float32, 0..1, to N x 2 x S x S. Raises UsageError, ModelError."""
        return self._session.run(luma)

    def paint(
        self,
        square: Square,
        chroma: NDArray[np.float32],
        saturation: float | None = None,
        hints: Hints | None = None,
        upsample: str | None = None,
    ) -> Paint:
        """Make the chroma (2 x S x S) that `guess` answered for this square ready to be put onto the picture.

        `hints`: are blended in. `upsample`: in place of the colorizer's own.

        Raises PictureError when the network answered with no finite number at all, or the hints are of another
        picture; UsageError for an impossible saturation.
        """
        if not np.isfinite(chroma).any():
            raise PictureError("the network returned no finite value; is its file damaged?")
        saturation = self.choose_saturation(saturation)
        chroma = keep_mean(chroma, saturation)
        if hints is not None:
            height, width = square.luma.shape
            hints.check_fits(width, height)
            chroma = add_hints(chroma, square.small, hints, saturation)
        return Paint(chroma, saturation, square.small if (upsample or self.upsample) == Upsampling.GUIDED else None)

    def render(
        self,
        square: Square,
        chroma: NDArray[np.float32],
        saturation: float | None = None,
        hints: Hints | None = None,
    ) -> NDArray[Any]:
        """Put chroma (2 x S x S) onto the picture's own luma. Returns H x W x 3 in the dtype of the luma.

        Raises what `paint` raises.
        """
        return self.paint(square, chroma, saturation, hints).rgb(square.luma)

    def choose_saturation(self, saturation: float | None) -> float:
        """Return `saturation`, or the model's own for None. Raises UsageError outside 0..10."""
        if saturation is None:
            return self.contract.saturation
        if not (math.isfinite(saturation) and 0 <= saturation <= HIGHEST_SATURATION):
            raise UsageError(
                f"saturation {saturation} is outside 0..{HIGHEST_SATURATION:g}; 0 is gray, 1 is the network's guess"
            )
        return saturation

    def close(self) -> None:
        """Free the network."""
        self._session.close()

    def __enter__(self) -> Colorizer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
