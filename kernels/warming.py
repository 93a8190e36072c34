"""Compile or load every kernel ahead of the first picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from colorrt.kernels.chroma import render_planes, render_rgb
from colorrt.kernels.fineness import LEAST_SIDE
from colorrt.kernels.luma import luma
from colorrt.kernels.resize import resize_luma

if TYPE_CHECKING:
    from numpy.typing import NDArray


def warm_up() -> None:
    """Run every kernel once on a tiny picture, for uint8 and for uint16.

    The first process after an install compiles them (seconds); later ones load them from Numba's cache.
    """
    # Larger than the picture, so that chroma is shrunk too, and smooth over a rough guide, so that it follows edges.
    rows, columns = np.mgrid[:LEAST_SIDE, :LEAST_SIDE]
    chroma = np.stack([rows, columns]).astype(np.float32)
    guide = ((rows + columns) % 2).astype(np.float32)
    pictures: list[NDArray[np.uint8] | NDArray[np.uint16]]
    pictures = [np.zeros((2, 3, 3), np.uint8), np.zeros((2, 3, 3), np.uint16)]
    for picture in pictures:
        plane = luma(picture)
        resize_luma(plane, 2)
        render_rgb(plane, chroma, guide=guide)
    render_planes(luma(np.zeros((2, 3, 3), np.uint8)), chroma, guide=guide)


def warm_up_film() -> None:
    """Run every kernel of films once, on small pictures of 8 bits and of more; `warm_up` does so for pictures.

    The first film would be held up in its middle else, each time that it needs one more.
    """
    from colorrt.kernels.film import Coding, render_film, see_film
    from colorrt.kernels.steadiness import Steadiness
    from colorrt.kernels.steady import Steadier

    rows, columns = np.mgrid[:LEAST_SIDE, :LEAST_SIDE]
    chroma = np.stack([rows, columns]).astype(np.float32) / np.float32(8 * LEAST_SIDE)
    levels = np.random.default_rng(0).integers(0, 256, (2 * LEAST_SIDE, 2 * LEAST_SIDE))
    steadier, steadiness = Steadier(LEAST_SIDE), Steadiness()
    for coding, plane in ((Coding(), levels.astype(np.uint8)), (Coding(depth=10), (4 * levels).astype(np.uint16))):
        # The last one lies between two guesses, in a film that moves.
        for shift, guess in enumerate((chroma, chroma, None)):
            small = see_film(np.roll(plane, shift, axis=1), LEAST_SIDE, coding)
            steadier.push(small, guess)
        for steadied in steadier.flush():
            steadiness.add(steadied)
            render_film(plane, steadied.chroma, coding, guide=steadied.luma)
            render_film(plane, steadied.chroma, coding)
