"""The same photograph seen twice: another cut, another size, mirrored, aged anew. Its colors must not change.

Render factors, scans and the frames of a shot differ in nothing else, and a network that was never asked about them
changes its mind between them.
Source: the idea of equation 9 of Salmona et al. 2022 (stability under noise), for more than noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from colorrt.training.squares.augment import age, speckle

CELL = 16
"""Cuts begin and end on multiples of so many pixels: wherever a decoder ends, they fall between its cells."""
SMALLEST = 0.75
"""The least part of each side that a second look shows."""
FEWEST = 4
"""Squares in a second look: batch norm learns from them too."""
LEAST_SPREAD = 1e-3
"""In the units of chroma: a network that guesses gray everywhere is not divided by nothing."""


@dataclass(frozen=True)
class View:
    """A second look at the first M squares (S x S) of a batch.

    `seen`: luma (M x 1 x V x V, 0..1). `top`, `left`, `height`, `width`: the cut of the squares that it shows, in
    pixels. `mirrored`: left and right are exchanged.
    """

    seen: Tensor
    top: int
    left: int
    height: int
    width: int
    mirrored: bool

    def cut(self, plane: Tensor, size: int) -> Tensor:
        """Take what the view shows out of what belongs to the squares.

        `plane` (N x C x s x s) covers squares of `size` pixels, s being `size` or a half to a sixteenth of it. Returns
        M x C x h x w, mirrored where the view is.
        """
        step = size // plane.shape[-1]
        rows = slice(self.top // step, (self.top + self.height) // step)
        columns = slice(self.left // step, (self.left + self.width) // step)
        part = plane[: len(self.seen), :, rows, columns]
        return part.flip(3) if self.mirrored else part

    def to(self, device: torch.device) -> View:
        """Return the view with its luma on a device."""
        return View(self.seen.to(device), self.top, self.left, self.height, self.width, self.mirrored)


def take_view(luma: Tensor, share: float, sizes: Sequence[int], aging: str, generator: torch.Generator) -> View:
    """Look again at clean luma (N x 1 x S x S, 0..1, on the CPU), S a multiple of 16.

    `share` (0..1) of the squares' work: fewer of them where the size drawn from `sizes` is larger. `aging`: as of a
    stage, drawn anew.
    """
    count, size = len(luma), luma.shape[-1]

    def draw(below: int) -> int:
        return int(torch.randint(below, (1,), generator=generator))

    side = sizes[draw(len(sizes))]
    most = max(1, min(count, max(FEWEST, round(share * count * size**2 / side**2))))
    cells = size // CELL
    least = max(1, round(SMALLEST * cells))
    rows, columns = (least + draw(cells - least + 1) for _ in range(2))
    top, left = draw(cells - rows + 1), draw(cells - columns + 1)
    view = View(luma[:most], CELL * top, CELL * left, CELL * rows, CELL * columns, bool(draw(2)))
    part = view.cut(luma, size)
    seen = F.interpolate(part, size=(side, side), mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
    if aging != "none":
        seen = age(seen, generator) if aging == "old" else speckle(seen, generator)
    return View(seen, view.top, view.left, view.height, view.width, view.mirrored)


def consistency_loss(first: Tensor, second: Tensor) -> Tensor:
    """Change of chroma between two looks at the same cut (M x 2 x h x w, M x 2 x v x v), against its spread, a scalar.

    They are compared at the smaller size of both, each side for itself; the gradient goes through both. The spread is
    the mean distance of chroma from its mean over each picture: neither fading nor a tint over everything makes looks
    agree. Networks found both when the change was taken as it is, and as a part of all chroma. The one
    run with this form went wrong too, perhaps by opposite tints of shadows and lights (training/NOTES.md).
    """
    common = (min(first.shape[2], second.shape[2]), min(first.shape[3], second.shape[3]))
    one, other = F.adaptive_avg_pool2d(first, common), F.adaptive_avg_pool2d(second, common)
    spread = (_spread(one) + _spread(other)) / 2
    return (one - other).abs().mean() / spread.clamp_min(LEAST_SPREAD)


def _spread(chroma: Tensor) -> Tensor:
    return (chroma - chroma.mean(dim=(2, 3), keepdim=True)).abs().mean()
