"""What a query asks for, read strictly: a name that is misspelled is an error, not a default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from colorrt.contract import HIGHEST_RENDER_FACTOR, Upsampling
from colorrt.runtime.colorizer import HIGHEST_SATURATION
from colorrt.runtime.hints import LARGEST_REACH, LEAST_REACH
from colorrt.service.coloring import Asked
from colorrt.service.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping

LEAST_FIT, MOST_FIT = 16, 4096
MOST_HINT_BYTES = 20_000_000
NAMES = (
    "fit",
    "hints",
    "lossless_luma",
    "mark",
    "model",
    "quality",
    "reach",
    "render_factor",
    "saturation",
    "upsample",
)


def read_asked(query: Mapping[str, str]) -> Asked:
    """Return what a query asks for. Raises ProblemError (400) for names and values that mean nothing."""
    for name in query:
        if name not in NAMES:
            raise ProblemError(400, f"{name[:40]!r} is no option; there are {', '.join(NAMES)}")
    upsample = query.get("upsample", Upsampling.GUIDED)
    if upsample not in tuple(Upsampling):
        raise ProblemError(400, f"upsample={upsample[:40]!r}: choose {' or '.join(Upsampling)}")
    return Asked(
        saturation=_number(query, "saturation", 0, HIGHEST_SATURATION),
        render_factor=_whole(query, "render_factor", 1, HIGHEST_RENDER_FACTOR),
        upsample=Upsampling(upsample),
        quality=_whole(query, "quality", 1, 100),
        lossless_luma=_flag(query, "lossless_luma", default=False),
        mark=_flag(query, "mark", default=True),
        fit=_whole(query, "fit", LEAST_FIT, MOST_FIT),
        reach=_number(query, "reach", LEAST_REACH, LARGEST_REACH) or Asked.reach,
        hint_bytes=_whole(query, "hints", 0, MOST_HINT_BYTES) or 0,
    )


def _whole(query: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and least <= int(text) <= most):
        raise ProblemError(400, f"{name}={text[:40]!r} is not a whole number from {least} to {most:,}")
    return int(text)


def _number(query: Mapping[str, str], name: str, least: float, most: float) -> float | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        value = float(text) if len(text) < 40 else most + 1
    except ValueError:
        value = most + 1
    # NaN passes neither.
    if not least <= value <= most:
        raise ProblemError(400, f"{name}={text[:40]!r} is not a number from {least:g} to {most:g}")
    return value


def _flag(query: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = query.get(name)
    if text is None:
        return default
    if text not in ("0", "1"):
        raise ProblemError(400, f"{name}={text[:40]!r}: give 1 or 0")
    return text == "1"
