"""What the mark of a result says, from what colors it."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from colorrt.atomic import printable
from colorrt.runtime.provenance.mark import Mark

if TYPE_CHECKING:
    from pathlib import Path

    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.hints import Hints


def mark_of(colorizer: Colorizer, source: Path, saturation: float | None, hints: Hints | None = None) -> Mark:
    """Return the mark of what `colorizer` makes of `source`. `saturation`: None is the model's own."""
    contract = colorizer.contract
    return Mark(
        tool=creator_tool(),
        source=printable(source.name),
        model=contract.model,
        weights_sha256=contract.weights_sha256,
        render_factors=colorizer.render_factors,
        saturation=colorizer.choose_saturation(saturation),
        upsampling=colorizer.upsample,
        hints=0 if hints is None else len(hints),
    )


@lru_cache(maxsize=1)
def creator_tool() -> str:
    """Return "colorrt VERSION"."""
    return f"colorrt {version('colorrt')}"
