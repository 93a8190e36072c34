"""Loaded pictures that know how to save themselves in color: the seam between the pipeline and the ways of a format."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from colorrt import kernels
from colorrt.atomic import printable
from colorrt.errors import PictureError
from colorrt.runtime.jpeg.lossless import open_lossless
from colorrt.runtime.jpeg.still import open_jpeg
from colorrt.runtime.pictures.colored import Colored
from colorrt.runtime.pictures.picture import Picture
from colorrt.runtime.pictures.reading import open_pages
from colorrt.runtime.pictures.writing import holds_pages, output_suffix, write_pages, write_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.paint import Paint


class Still(Protocol):
    """A picture in memory that can save its colored copy.

    To give a format a way of its own (planes of a JPEG, say), make a class like this and return it from `open_still`.
    """

    @property
    def luma(self) -> NDArray[Any]:
        """(H, W) uint8 or uint16, upright: what the network sees, and what stays."""

    def suffix(self, wanted: str) -> str:
        """Return the suffix that the copy gets, if one with the suffix `wanted` is asked for."""

    def save(self, path: Path, paint: Paint, quality: int) -> None:
        """Write the copy, whole or not at all. Raises PictureError."""


@dataclass(frozen=True, eq=False)
class PictureStill:
    """A still of any format, through RGB."""

    picture: Picture
    """Its pixels are luma."""

    @property
    def luma(self) -> NDArray[Any]:
        """(H, W) uint8 or uint16."""
        return self.picture.pixels

    def suffix(self, wanted: str) -> str:
        """See `output_suffix`."""
        return output_suffix(self.picture, wanted)

    def save(self, path: Path, paint: Paint, quality: int) -> None:
        """See `write_picture`."""
        write_picture(path, Colored(self.luma, paint), self.picture, quality)


@dataclass(frozen=True)
class Document:
    """A file of several pages, none of which is loaded."""

    source: Path
    pages: int


def open_still(
    source: Path,
    target: Path,
    max_pixels: int | None,
    reserve: Callable[[int], None],
    *,
    lossless_luma: bool = False,
) -> Still | Document:
    """Load a picture, or tell that the file has several pages.

    target: where the copy is to go, for ways that depend on its format. reserve: called once the number of pixels (of
    the largest page) is known, before they are decoded; it may wait. lossless_luma: see `open_lossless`.
    Raises PictureError, "PATH: reason; advice" in one line.
    """
    if lossless_luma:
        return open_lossless(source, target, max_pixels, reserve)
    found = open_jpeg(source, target, max_pixels, reserve)
    if found is not None:
        return _still(found) if isinstance(found, Picture) else found
    with open_pages(source, max_pixels) as pages:
        count = len(pages)
        if count > 1 and not holds_pages(target.suffix):
            raise PictureError(
                f"{printable(source)}: it has {count} pages, and {printable(target.name)} would hold only one; "
                "name the output .tif"
            )
        reserve(max(pages.pixels(number) for number in range(count)))
        if count > 1:
            return Document(source, count)
        return _still(pages.read(0))


def color_document(
    colorizer: Colorizer, document: Document, target: Path, saturation: float | None, max_pixels: int | None
) -> None:
    """Color the pages of a document one by one into a TIFF; never is more than one in memory.

    Raises PictureError, and leaves no file, if any page cannot be read or colored.
    """
    with open_pages(document.source, max_pixels) as pages:
        count = len(pages)

        def colored() -> Iterator[tuple[Colored, Picture]]:
            for number in range(count):
                still = _still(pages.read(number))
                square = colorizer.see(still.luma)
                try:
                    paint = colorizer.paint(square, colorizer.guess([square])[0], saturation)
                except PictureError as error:
                    raise PictureError(
                        f"{printable(document.source)}: page {number + 1} of {count}: {error}"
                    ) from error
                yield Colored(still.luma, paint), still.picture

        write_pages(target, colored(), _most_bytes(pages.pixels(number) for number in range(count)), count)


def _still(picture: Picture) -> PictureStill:
    return PictureStill(replace(picture, pixels=kernels.luma(picture.pixels)))


def _most_bytes(pixels: Iterator[int]) -> int:
    # 16 bits and alpha, for depths are known only once a page is read.
    return 8 * sum(pixels)
