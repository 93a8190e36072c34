"""What an evaluation measures beside nearness, picture by picture: colors, bands, Frechet distance, stability."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from colorrt.evaluation.frechet import FrechetMeter
from colorrt.evaluation.hues import ColorMeter
from colorrt.evaluation.luma_bands import BandErrors
from colorrt.evaluation.quality import gray_of
from colorrt.evaluation.skin import boxes_of
from colorrt.evaluation.stability import PictureStability, measure_stability, summarize_stability

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from colorrt.evaluation.skin import Box
    from colorrt.runtime.colorizer import Colorizer


class Extras:
    """Called with each picture; answers with the figures of all of them.

    `skin`: boxes on skin by the photographs' names.
    Raises BackendError at once when `frechet` is asked for and what it needs is missing.
    """

    def __init__(
        self,
        colorizer: Colorizer,
        *,
        frechet: bool,
        stability: bool,
        skin: Mapping[str, tuple[Box, ...]] | None = None,
    ) -> None:
        self._colorizer = colorizer
        self._skin = skin or {}
        self._colors = ColorMeter()
        self._bands = BandErrors()
        self._frechet = FrechetMeter() if frechet else None
        self._stability: list[PictureStability] | None = [] if stability else None

    def __call__(self, name: str, original: NDArray[np.uint8], colored: NDArray[np.uint8]) -> None:
        """Measure one picture: original and colored version, (H, W, 3) uint8 each."""
        self._bands.add(original, colored)
        self._colors.add(original, colored, boxes_of(self._skin, name))
        if self._frechet is not None:
            self._frechet.add(original, colored, gray_of(original))
        if self._stability is not None:
            self._stability.append(measure_stability(self._colorizer, original, name))

    def as_json(self) -> dict[str, Any]:
        """Return the figures as what `json.dumps` takes: `colors`, `bands`; `frechet`, `stability` where asked for."""
        table: dict[str, Any] = {"colors": self._colors.figures().as_json()}
        table["bands"] = [asdict(band) for band in self._bands.bands()]
        if self._frechet is not None:
            found = self._frechet.summarize()
            table["frechet"] = None if found is None else asdict(found)
        if self._stability:
            summary = summarize_stability(self._stability)
            table["stability"] = {**asdict(summary), "score": summary.score, "relative": summary.relative}
        return table
