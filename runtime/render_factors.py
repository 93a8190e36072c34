"""Render factors: which one an artifact runs at, and several whose guesses are averaged."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from colorrt import kernels
from colorrt.atomic import in_one_line
from colorrt.contract import HIGHEST_RENDER_FACTOR, Contract, check_render_factor
from colorrt.errors import UsageError
from colorrt.runtime.shipped import SHIPPED_RENDER_FACTOR


def choose_render_factors(contract: Contract, asked: int | Sequence[int] | None) -> tuple[int, ...]:
    """Settle the render factors of an artifact, ascending, each once.

    Raises UsageError when one of them is outside 1..64 or the artifact was not made for it, or there are none.
    """
    if asked is None or not isinstance(asked, Sequence) or isinstance(asked, str):
        return (choose_render_factor(contract, asked),)
    if not asked:
        raise UsageError("there is no render factor to run at; give one or more, from 1 to 64")
    factors = tuple(sorted({_checked(one) for one in asked}))
    if len(factors) > 1 and contract.render_factor is not None:
        raise UsageError(
            f"this artifact was made for render factor {contract.render_factor} alone, so the guesses at "
            f"{in_words(factors)} cannot be averaged; leave --render-factor out, or export one for all of them: "
            "colorrt export WEIGHTS"
        )
    return tuple(choose_render_factor(contract, factor) for factor in factors)


def choose_render_factor(contract: Contract, asked: int | None) -> int:
    """Settle the render factor of an artifact.

    Raises UsageError when `asked` is outside 1..64 or is not the one that the artifact was made for.
    """
    if asked is not None:
        asked = _checked(asked)
    if contract.engine is not None and contract.engine.render_factors is not None:
        return _factor_of_engine(contract.engine.render_factors, asked)
    if contract.render_factor is None:
        return asked or SHIPPED_RENDER_FACTOR
    if asked is not None and asked != contract.render_factor:
        raise UsageError(
            f"this artifact was made for render factor {contract.render_factor}, not {asked}; leave --render-factor "
            f"out, or export one for it: colorrt export WEIGHTS --render-factor {asked}"
        )
    return contract.render_factor


def read_render_factors(text: str | None) -> int | tuple[int, ...] | None:
    """Read "16" or "8,16,24" as the command line gives them; None stays None. Raises UsageError."""
    if text is None:
        return None
    try:
        factors = tuple(_checked(int(part)) for part in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"--render-factor {in_one_line(text)!r} is not a whole number from 1 to {HIGHEST_RENDER_FACTOR}, or some: "
            "8,16,24"
        ) from error
    return factors[0] if len(factors) == 1 else factors


def in_words(factors: Sequence[int]) -> str:
    """Return "16" or "8, 16, 24"."""
    return ", ".join(map(str, factors))


def as_value(factors: Sequence[int]) -> int | list[int]:
    """Return one factor as a number, several as a list: what JSON files hold."""
    return factors[0] if len(factors) == 1 else list(factors)


def average_guesses(guesses: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Average guesses of one batch at different sizes (N x 2 x S x S float32 each) at the largest of them.

    Smaller ones are enlarged linearly. Every guess counts the same.
    """
    size = max(guess.shape[-1] for guess in guesses)
    total = np.zeros((*guesses[0].shape[:2], size, size), np.float32)
    for guess in guesses:
        for place in np.ndindex(*guess.shape[:2]):
            plane = guess[place]
            total[place] += plane if plane.shape[-1] == size else kernels.resize_plane(plane, size, size)
    total /= np.float32(len(guesses))
    return total


def _checked(asked: int) -> int:
    try:
        return check_render_factor(operator.index(asked))
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error


def _factor_of_engine(factors: tuple[int, int, int], asked: int | None) -> int:
    least, tuned, largest = factors
    if asked is not None and not least <= asked <= largest:
        raise UsageError(
            f"this engine was built for render factors {least} to {largest}, not {asked}; choose one of them, or build "
            f"one for it: colorrt build ONNX --render-factors {asked}"
        )
    return tuned if asked is None else asked
