"""Inception-v3 as a classifier, for what it finds in gray pictures; torchvision's keys without the auxiliary head.

Source: Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2016, as torchvision has it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.models.layers import resize_square

SIZE = 299
NORM_EPS = 1e-3
Pair = tuple[int, int]
Step = str | tuple[str, str]


class Unit(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(
        self, inside: int, outside: int, kernel: int | Pair = 1, stride: int = 1, padding: int | Pair = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outside, eps=NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> N x C' x H' x W'."""
        return F.relu(self.bn(self.conv(x)))


class Block(nn.Module):
    """Branches beside each other: chains of units, named as torchvision names them, and a pool.

    `chains`: names of units in their order, "mean" and "max" being pools; at a pair of names a chain splits.
    """

    def __init__(self, chains: tuple[tuple[Step, ...], ...], units: dict[str, Unit]) -> None:
        super().__init__()
        self.chains = chains
        for name, unit in units.items():
            self.add_module(name, unit)

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> N x C' x H' x W', the branches in the order of torchvision."""
        found = []
        for chain in self.chains:
            y = x
            for step in chain:
                if isinstance(step, tuple):
                    y = torch.cat([self.get_submodule(name)(y) for name in step], dim=1)
                elif step == "mean":
                    y = F.avg_pool2d(y, 3, 1, 1)
                elif step == "max":
                    y = F.max_pool2d(y, 3, 2)
                else:
                    y = self.get_submodule(step)(y)
            found.append(y)
        return torch.cat(found, dim=1)


def _a(inside: int, pool: int) -> Block:
    units = {"branch1x1": Unit(inside, 64), "branch5x5_1": Unit(inside, 48), "branch5x5_2": Unit(48, 64, 5, 1, 2)}
    units |= {"branch3x3dbl_1": Unit(inside, 64), "branch3x3dbl_2": Unit(64, 96, 3, 1, 1)}
    units |= {"branch3x3dbl_3": Unit(96, 96, 3, 1, 1), "branch_pool": Unit(inside, pool)}
    deep = ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3")
    return Block((("branch1x1",), ("branch5x5_1", "branch5x5_2"), deep, ("mean", "branch_pool")), units)


def _b(inside: int) -> Block:
    units = {"branch3x3": Unit(inside, 384, 3, 2), "branch3x3dbl_1": Unit(inside, 64)}
    units |= {"branch3x3dbl_2": Unit(64, 96, 3, 1, 1), "branch3x3dbl_3": Unit(96, 96, 3, 2)}
    return Block((("branch3x3",), ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"), ("max",)), units)


def _c(inside: int, width: int) -> Block:
    wide: tuple[Pair, Pair] = ((1, 7), (0, 3))
    tall: tuple[Pair, Pair] = ((7, 1), (3, 0))

    def unit(first: int, last: int, way: tuple[Pair, Pair]) -> Unit:
        return Unit(first, last, way[0], 1, way[1])

    units = {"branch1x1": Unit(inside, 192), "branch7x7_1": Unit(inside, width)}
    units |= {"branch7x7_2": unit(width, width, wide), "branch7x7_3": unit(width, 192, tall)}
    units |= {"branch7x7dbl_1": Unit(inside, width), "branch7x7dbl_2": unit(width, width, tall)}
    units |= {"branch7x7dbl_3": unit(width, width, wide), "branch7x7dbl_4": unit(width, width, tall)}
    units |= {"branch7x7dbl_5": unit(width, 192, wide), "branch_pool": Unit(inside, 192)}
    short = tuple(f"branch7x7_{index}" for index in range(1, 4))
    long = tuple(f"branch7x7dbl_{index}" for index in range(1, 6))
    return Block((("branch1x1",), short, long, ("mean", "branch_pool")), units)


def _d(inside: int) -> Block:
    units = {"branch3x3_1": Unit(inside, 192), "branch3x3_2": Unit(192, 320, 3, 2)}
    units |= {"branch7x7x3_1": Unit(inside, 192), "branch7x7x3_2": Unit(192, 192, (1, 7), 1, (0, 3))}
    units |= {"branch7x7x3_3": Unit(192, 192, (7, 1), 1, (3, 0)), "branch7x7x3_4": Unit(192, 192, 3, 2)}
    long = tuple(f"branch7x7x3_{index}" for index in range(1, 5))
    return Block((("branch3x3_1", "branch3x3_2"), long, ("max",)), units)


def _e(inside: int) -> Block:
    units = {"branch1x1": Unit(inside, 320), "branch3x3_1": Unit(inside, 384)}
    units |= {"branch3x3_2a": Unit(384, 384, (1, 3), 1, (0, 1)), "branch3x3_2b": Unit(384, 384, (3, 1), 1, (1, 0))}
    units |= {"branch3x3dbl_1": Unit(inside, 448), "branch3x3dbl_2": Unit(448, 384, 3, 1, 1)}
    units |= {"branch3x3dbl_3a": Unit(384, 384, (1, 3), 1, (0, 1))}
    units |= {"branch3x3dbl_3b": Unit(384, 384, (3, 1), 1, (1, 0)), "branch_pool": Unit(inside, 192)}
    short = ("branch3x3_1", ("branch3x3_2a", "branch3x3_2b"))
    long = ("branch3x3dbl_1", "branch3x3dbl_2", ("branch3x3dbl_3a", "branch3x3dbl_3b"))
    return Block((("branch1x1",), short, long, ("mean", "branch_pool")), units)


class InceptionLogits(nn.Module):
    """Luma (N x 1 x S x S float32, 0..1, any S) -> logits of ImageNet's classes (N x `classes`)."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Unit(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = Unit(32, 32, 3)
        self.Conv2d_2b_3x3 = Unit(32, 64, 3, 1, 1)
        self.Conv2d_3b_1x1 = Unit(64, 80)
        self.Conv2d_4a_3x3 = Unit(80, 192, 3)
        blocks = {"5b": _a(192, 32), "5c": _a(256, 64), "5d": _a(288, 64), "6a": _b(288), "6b": _c(768, 128)}
        blocks |= {"6c": _c(768, 160), "6d": _c(768, 160), "6e": _c(768, 192), "7a": _d(768)}
        blocks |= {"7b": _e(1280), "7c": _e(2048)}
        for name, block in blocks.items():
            self.add_module(f"Mixed_{name}", block)
        self.mixed = tuple(f"Mixed_{name}" for name in blocks)
        self.fc = nn.Linear(2048, classes)

    def forward(self, luma: Tensor) -> Tensor:
        """N x 1 x S x S -> N x classes."""
        x = resize_square(luma, SIZE)
        # The range that its weights know; ImageNet's statistics would be undone before the first layer anyway.
        x = (2 * x - 1).expand(-1, 3, -1, -1)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        x = F.max_pool2d(x, 3, 2)
        for name in self.mixed:
            x = self.get_submodule(name)(x)
        logits: Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits


def from_torchvision(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the auxiliary head of torchvision's file; all other keys are those of `InceptionLogits`."""
    return {key: value for key, value in state.items() if not key.startswith("AuxLogits.")}
