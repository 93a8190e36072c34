"""Pictures to color, the run that colors a folder, and what must hold of the files that come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from colorrt import kernels
from colorrt.runtime.folder import Outcome, Result, Settings, color_jobs
from colorrt.runtime.jobs import plan_jobs
from colorrt.runtime.pictures.reading import open_pages

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from colorrt.runtime.colorizer import Colorizer

GENERATOR = np.random.default_rng(0)
GRAY = GENERATOR.integers(0, 256, (24, 40)).astype(np.uint8)
DEEP = GENERATOR.integers(0, 65536, (24, 40)).astype(np.uint16)

DONE, SKIPPED, FAILED = Outcome.DONE, Outcome.SKIPPED, Outcome.FAILED


def assert_luma(path: Path, gray: NDArray[Any], page: int = 0) -> None:
    with open_pages(path) as pages:
        pixels = pages.read(page).pixels
    assert pixels.dtype == gray.dtype
    assert pixels.shape == (*gray.shape, 3)
    assert np.abs(kernels.luma(pixels).astype(int) - gray).max() <= 1
    # The tiny network paints everything orange.
    assert (pixels[..., 0] > pixels[..., 2]).mean() > 0.9


def color(colorizer: Colorizer, photos: Path, out: Path, **settings: Any) -> list[Result]:
    return list(color_jobs(colorizer, plan_jobs([str(photos)], out), Settings(**settings)))


def outcomes(results: list[Result]) -> list[Outcome]:
    return [result.outcome for result in results]


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
