"""What each layer costs in color and in work, and which are given back to FP32 until a graph holds its budget."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from colorrt.calibration.budget import Verdict

Judge = Callable[[Collection[str]], Verdict]
"""Judges the graph whose convolutions of these names stay FP32."""


@dataclass(frozen=True)
class Layer:
    """A convolution: its name, and the products that it computes of one square."""

    name: str
    products: int


@dataclass(frozen=True)
class Sensitivity:
    """What a layer does to chroma when it alone is INT8."""

    layer: Layer
    verdict: Verdict

    @property
    def price(self) -> float:
        """How much of the budget it uses for each product that runs in INT8."""
        return self.verdict.excess / self.layer.products


def measure_sensitivity(layers: Sequence[Layer], judge: Judge) -> list[Sensitivity]:
    """Judge each of `layers` with all the others in FP32. Returns them with the dearest first."""
    names = {layer.name for layer in layers}
    found = [Sensitivity(layer, judge(names - {layer.name})) for layer in layers]
    return sorted(found, key=lambda one: (-one.price, one.layer.name))


def give_back(
    ranked: Sequence[Sensitivity], judge: Judge, kept: Collection[str], most_products: float
) -> tuple[tuple[str, ...], Verdict] | None:
    """Find the fewest of the `ranked` layers, dearest first, that are to stay FP32, beside `kept`, for the budget.

    Returns the names and the verdict; None when the budget does not hold even with as many as have `most_products`
    products. Their number is doubled until the budget holds, then halved: some ten graphs are judged.
    """
    free = [one.layer for one in ranked if one.layer.name not in kept]
    limit, spent = 0, 0
    for layer in free:
        spent += layer.products
        if spent > most_products:
            break
        limit += 1

    def names(count: int) -> tuple[str, ...]:
        return (*kept, *(layer.name for layer in free[:count]))

    fails, holds, verdict = 0, None, None
    count = 1
    while holds is None and fails < limit:
        count = min(count, limit)
        found = judge(names(count))
        if found.excess <= 1:
            holds, verdict = count, found
        else:
            fails, count = count, 2 * count
    if holds is None or verdict is None:
        return None
    while holds - fails > 1:
        middle = (holds + fails) // 2
        found = judge(names(middle))
        if found.excess <= 1:
            holds, verdict = middle, found
        else:
            fails = middle
    return names(holds), verdict
