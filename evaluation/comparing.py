"""How far two artifacts are from each other, on photographs: what `colorrt verify` measures."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from colorrt.contract import Contract, Device, check_render_factor
from colorrt.errors import ModelError, UsageError
from colorrt.evaluation.quality import lab_errors
from colorrt.photos.reading import read_rgb_photos
from colorrt.photos.shipped import shipped_photos
from colorrt.runtime.artifact import Artifact, read_artifact
from colorrt.runtime.colorizer import Colorizer, Square
from colorrt.runtime.shipped import SHIPPED_RENDER_FACTOR

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LEVELS = 255


@dataclass(frozen=True)
class PhotoDifference:
    """One photograph. Chroma in levels of 255 over all S x S values of U and V; `de2000`: the mean at full size.

    `gain`: the slope of B's chroma on A's, 1 where saturation is kept; None where A's is gray.
    """

    name: str
    mean: float
    p99: float
    worst: float
    de2000: float
    gain: float | None


@dataclass(frozen=True)
class Difference:
    """B against A on all photographs: `mean` and `de2000` are means over them, the others are over all values.

    Chroma is compared before saturation; dE2000 after rendering, at A's own `saturation`.
    """

    a: str
    b: str
    model_a: str
    model_b: str
    precision_a: str
    precision_b: str
    backend_a: str
    backend_b: str
    render_factor: int
    saturation: float
    photos: int
    mean: float
    p99: float
    worst: float
    de2000: float
    gain: float | None
    per_photo: tuple[PhotoDifference, ...]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as what `json.dumps` takes."""
        return {"kind": "difference", **asdict(self)}


@dataclass(frozen=True)
class Seen:
    """A photograph as both see it: pixels (H, W, 3) uint8 of A and B, chroma (2, S, S) float32 of A and B."""

    name: str
    a: NDArray[np.uint8]
    b: NDArray[np.uint8]
    chroma_a: NDArray[np.float32]
    chroma_b: NDArray[np.float32]


def compare_artifacts(
    first: Path,
    second: Path,
    photos: Path | None,
    *,
    render_factor: int | None = None,
    device: str = Device.AUTO,
    threads: int | None = None,
    on_photo: Callable[[Seen], None] = lambda _: None,
    on_skip: Callable[[str, str], None] | None = None,
) -> Difference:
    """Run two artifacts on the same photographs and measure how far their answers are apart.

    `photos`: a folder or a tar archive; None takes the photographs that ship. `render_factor`: for two artifacts that
    take any. `device`: an engine runs on its GPU, whatever it says. `on_photo` gets each photograph after it is
    measured; `on_skip` is told the name of one that cannot be read, and why.

    Raises UsageError when their render factors cannot agree or there are no photographs, ModelError when one of them
    cannot be used or returns values that are not finite, BackendError when scikit-image is missing.
    """
    artifacts = (read_artifact(first), read_artifact(second))
    factor = agree_render_factor(*artifacts, render_factor)
    with ExitStack() as held:
        a, b = (
            held.enter_context(Colorizer(found.path, render_factor=factor, device=device, threads=threads))
            for found in artifacts
        )
        saturation = a.contract.saturation
        rows: list[PhotoDifference] = []
        spread = _Spread()
        products = squares = 0.0
        for name, original in read_rgb_photos(photos or shipped_photos(), on_skip):
            square = a.see(original)
            chromas = [_guess(one, path, square, name) for one, path in ((a, first), (b, second))]
            rgb_a, rgb_b = (a.render(square, chroma, saturation) for chroma in chromas)
            errors = LEVELS * np.abs(chromas[0] - chromas[1])
            spread.add(errors)
            product, square_sum = _products(*chromas)
            products, squares = products + product, squares + square_sum
            _, de2000 = lab_errors(rgb_a, rgb_b)
            rows.append(
                PhotoDifference(
                    name,
                    float(errors.mean()),
                    float(np.quantile(errors, 0.99)),
                    float(errors.max()),
                    de2000,
                    product / square_sum if square_sum else None,
                )
            )
            on_photo(Seen(name, rgb_a, rgb_b, *chromas))
        return Difference(
            a=str(first),
            b=str(second),
            model_a=a.contract.model,
            model_b=b.contract.model,
            precision_a=a.precision,
            precision_b=b.precision,
            backend_a=a.backend,
            backend_b=b.backend,
            render_factor=factor,
            saturation=saturation,
            photos=len(rows),
            mean=statistics.fmean(row.mean for row in rows),
            p99=spread.quantile(0.99),
            worst=max(row.worst for row in rows),
            de2000=statistics.fmean(row.de2000 for row in rows),
            gain=products / squares if squares else None,
            per_photo=tuple(rows),
        )


def agree_render_factor(first: Artifact, second: Artifact, asked: int | None) -> int:
    """Settle the render factor at which both run: that of the one that has its own, else `asked`, else 16.

    Raises UsageError when they have different ones, or `asked` is not what they have.
    """
    if asked is not None:
        try:
            check_render_factor(asked)
        except ValueError as error:
            raise UsageError(str(error)) from error
    own = [(found.path, found.contract.render_factor) for found in (first, second)]
    fixed = [(path, factor) for path, factor in own if factor is not None]
    if len({factor for _, factor in fixed}) > 1:
        (path_a, factor_a), (path_b, factor_b) = fixed
        raise UsageError(
            f"{path_a} was made for render factor {factor_a} and {path_b} for {factor_b}, different squares; "
            f"export one of them again with --render-factor {factor_a} or {factor_b}"
        )
    if not fixed:
        factor = asked or _common_factor(first.contract, second.contract)
    else:
        path, factor = fixed[0]
        if asked not in (None, factor):
            raise UsageError(f"{path} was made for render factor {factor}, not {asked}; leave --render-factor out")
    return factor


def _common_factor(*contracts: Contract) -> int:
    """Return 16, or what the first engine of any size was tuned for."""
    engines = [contract.engine for contract in contracts if contract.engine is not None]
    tuned = [engine.render_factors[1] for engine in engines if engine.render_factors is not None]
    return tuned[0] if tuned else SHIPPED_RENDER_FACTOR


def _guess(colorizer: Colorizer, path: Path, square: Square, name: str) -> NDArray[np.float32]:
    chroma: NDArray[np.float32] = colorizer.guess([square])[0]
    if not np.isfinite(chroma).all():
        raise ModelError(
            f"{path}: returns values that are not finite on {name} at {colorizer.size} x {colorizer.size}; "
            "with FP16 this is an overflow: export or build it again, FP32 works everywhere"
        )
    return chroma


def _products(a: NDArray[np.float32], b: NDArray[np.float32]) -> tuple[float, float]:
    """Return the sums of A's chroma times B's, and times itself: their quotient is the gain."""
    wide = a.astype(np.float64)
    return float((wide * b).sum()), float((wide * wide).sum())


class _Spread:
    """All errors of all photographs, counted by their nearest float16: within 0.05% of what they are."""

    def __init__(self) -> None:
        self._counts = np.zeros(1 << 15, np.int64)

    def add(self, errors: NDArray[np.float32]) -> None:
        bits = errors.astype(np.float16).view(np.uint16).ravel()
        self._counts += np.bincount(bits, minlength=self._counts.size)

    def quantile(self, share: float) -> float:
        # Bits of positive floats rise with their values.
        total = np.cumsum(self._counts)
        index = int(np.searchsorted(total, share * total[-1]))
        return float(np.array(index, np.uint16).view(np.float16))
