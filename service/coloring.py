"""A picture file as bytes in, its colored copy as bytes out, with all that it carries; or a small one to look at."""

from __future__ import annotations

import io
import shutil
import tempfile
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from colorrt import kernels
from colorrt.atomic import in_one_line
from colorrt.contract import UNIT, Upsampling
from colorrt.errors import ColorrtError, PictureError, UsageError
from colorrt.runtime.folder import BEST_QUALITY
from colorrt.runtime.hints import Hints, read_hints
from colorrt.runtime.marking import mark_of
from colorrt.runtime.pictures.colored import in_8_bits
from colorrt.runtime.pictures.formats import suffix_of
from colorrt.runtime.pictures.guards import picture_errors, pillow_limit_lifted
from colorrt.runtime.pictures.reading import Pages
from colorrt.runtime.stills import read_stills, write_stills
from colorrt.service.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from colorrt.runtime.paint import Paint
    from colorrt.runtime.stills import Sheet
    from colorrt.service.work import Deadline, Memory, Network

KIND_OF = {
    ".avif": "image/avif", ".bmp": "image/bmp", ".jp2": "image/jp2", ".jpg": "image/jpeg", ".png": "image/png",
    ".ppm": "image/x-portable-pixmap", ".tga": "image/x-tga", ".tif": "image/tiff", ".webp": "image/webp",
}  # fmt: skip
"""Media types of what is answered, by suffix."""
PICTURE, HINTS = "the picture", "the hints"
_VIEW_QUALITY = 92
_SHARED_MEMORY, _ROOM = Path("/dev/shm"), 1 << 30  # noqa: S108 (a folder of our own is made in it)


@dataclass(frozen=True)
class Asked:
    """How a picture is wanted. `saturation`, `render_factor`: None takes the model's own. `fit`: the longest side of a
    JPEG to look at, in place of the whole copy. `hint_bytes`: how many bytes at the beginning of the body are hints.
    `reach`: how far those spread. `quality`: None keeps the coded luma of gray JPEGs, and is 95 for all else."""

    saturation: float | None = None
    render_factor: int | None = None
    upsample: Upsampling = Upsampling.GUIDED
    quality: int | None = None
    lossless_luma: bool = False
    mark: bool = True
    fit: int | None = None
    hint_bytes: int = 0
    reach: float = 1.0


@dataclass(frozen=True, eq=False)
class Colored:
    """A colored copy. `kind`: its media type."""

    body: bytes
    kind: str


@dataclass(frozen=True)
class Tools:
    """What coloring needs, for all requests."""

    network: Network
    memory: Memory
    max_pixels: int


def color_body(body: bytes, asked: Asked, tools: Tools, deadline: Deadline) -> Colored:
    """Color the picture of a body. Raises PictureError, UsageError, ModelError, and ProblemError when time is over.

    What decoders raise that nobody foresaw is a PictureError, too: it is the picture's, not the service's.
    """
    deadline.check()
    try:
        if not 0 <= asked.hint_bytes < max(1, len(body)):
            raise UsageError(
                f"hints={asked.hint_bytes}: the body has {len(body)} bytes; put the PNG of the hints first, the "
                "picture behind it, and give the size of the PNG"
            )
        hints = read_hints(body[: asked.hint_bytes], HINTS, asked.reach) if asked.hint_bytes else None
        picture = body[asked.hint_bytes :]
        if not picture:
            raise PictureError(f"{PICTURE}: it is empty (0 bytes); send a picture file as the body")
        if asked.fit is not None:
            return _color_to_look_at(picture, asked, hints, tools, deadline)
        return _color_whole(picture, asked, hints, tools, deadline)
    except (ColorrtError, ProblemError, MemoryError):
        raise
    except Exception as error:
        raise PictureError(
            f"{PICTURE}: it could not be colored ({type(error).__name__}: {in_one_line(error)}), which colorrt did not "
            "foresee; open it in another program and save it anew"
        ) from error


def _color_whole(picture: bytes, asked: Asked, hints: Hints | None, tools: Tools, deadline: Deadline) -> Colored:
    colorizer = tools.network.colorizer
    with _scratch(len(picture)) as folder, tools.memory.share(deadline) as take:
        source = folder / f"picture{suffix_of(io.BytesIO(picture))}"
        target = folder / f"colored{source.suffix}"
        source.write_bytes(picture)

        def reserve(pixels: int, *, more: bool = False, each: float = 0.0) -> None:
            deadline.check()
            take(pixels * each)

        try:
            with closing(
                read_stills(
                    source,
                    target,
                    tools.max_pixels,
                    reserve,
                    lossless_luma=asked.lossless_luma,
                    encode_luma=asked.quality is not None,
                    side=UNIT * asked.render_factor if asked.render_factor else colorizer.size,
                )
            ) as sheets:
                first = next(sheets)
                if first.page is None:
                    target = target.with_suffix(first.still.suffix(target.suffix))
                mark = mark_of(colorizer, Path(PICTURE), asked.saturation, hints)

                def paint(sheet: Sheet) -> tuple[Sheet, Paint]:
                    deadline.check()
                    return (sheet.marked(mark) if asked.mark else sheet), _paint(sheet.still.luma, asked, hints, tools)

                def painted() -> Iterator[tuple[Sheet, Paint]]:
                    nonlocal first
                    yield paint(first)
                    del first
                    yield from map(paint, sheets)

                write_stills(target, painted(), asked.quality or BEST_QUALITY)
        except PictureError as error:
            raise PictureError(_without_paths(str(error), source, target)) from error
        deadline.check()
        return Colored(target.read_bytes(), KIND_OF[target.suffix])


def _color_to_look_at(picture: bytes, asked: Asked, hints: Hints | None, tools: Tools, deadline: Deadline) -> Colored:
    assert asked.fit is not None
    name = Path(PICTURE)
    with tools.memory.share(deadline) as take:
        with picture_errors(name):
            with pillow_limit_lifted:
                pages = Pages(io.BytesIO(picture), name, tools.max_pixels)
            take(pages.pixels(0) * pages.bytes_per_pixel(0))
            deadline.check()
            levels = pages.read(0).pixels
        luma = kernels.luma(levels)
        del levels
        if hints is not None:
            hints.check_fits(luma.shape[1], luma.shape[0])
        small = _reduced(in_8_bits(luma, "luma"), asked.fit)
        deadline.check()
        rgb = _paint(small, asked, hints, tools).rgb(small)
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=_VIEW_QUALITY, subsampling=0)
    return Colored(stream.getvalue(), KIND_OF[".jpg"])


def _paint(luma: NDArray[Any], asked: Asked, hints: Hints | None, tools: Tools) -> Paint:
    colorizer = tools.network.colorizer
    square = colorizer.see(luma, asked.render_factor)
    return colorizer.paint(square, tools.network.guess(square), asked.saturation, hints, asked.upsample)


def _reduced(luma: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    height, width = luma.shape
    scale = longest / max(height, width)
    if scale >= 1:
        return luma
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(luma).resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0))


@contextmanager
def _scratch(size: int) -> Iterator[Path]:
    """Lend a private folder in memory where the system has one and there is room, on disk else; it is removed."""
    place: Path | None = None
    try:
        if shutil.disk_usage(_SHARED_MEMORY).free > _ROOM + 8 * size:
            place = _SHARED_MEMORY
    except OSError:
        # Systems other than Linux.
        place = None
    with tempfile.TemporaryDirectory(prefix="colorrt-", dir=place, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _without_paths(words: str, *paths: Path) -> str:
    for path in paths:
        words = words.replace(str(path), PICTURE).replace(path.name, PICTURE)
    return words
