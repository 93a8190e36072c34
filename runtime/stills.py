"""Loaded pictures that know how to save themselves in color: the seam between the pipeline and the ways of a format."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from colorrt import kernels
from colorrt.atomic import printable
from colorrt.errors import PictureError
from colorrt.runtime.jpeg.lossless import open_lossless
from colorrt.runtime.jpeg.still import open_jpeg
from colorrt.runtime.pictures.color_spread import InColorError, is_in_color
from colorrt.runtime.pictures.colored import Colored
from colorrt.runtime.pictures.picture import Picture
from colorrt.runtime.pictures.reading import open_pages
from colorrt.runtime.pictures.writing import holds_pages, output_suffix, write_pages, write_picture
from colorrt.runtime.provenance.mark import marked_xmp

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from colorrt.runtime.paint import Paint
    from colorrt.runtime.passage import Reserve
    from colorrt.runtime.provenance.mark import Mark


class Still(Protocol):
    """A picture in memory that can save its colored copy.

    To give a format a way of its own (planes of a JPEG, say), make a class like this and yield it from `read_stills`.
    """

    @property
    def luma(self) -> NDArray[Any]:
        """(H, W) uint8 or uint16, upright: what the network sees; of a JPEG that keeps its coded luma, half of both."""

    def suffix(self, wanted: str) -> str:
        """Return the suffix that the copy gets, if one with the suffix `wanted` is asked for."""

    def marked(self, mark: Mark) -> Still:
        """Return this still with a mark that its copy will carry where its format can, see `marked_xmp`."""

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

    def marked(self, mark: Mark) -> PictureStill:
        """See `Still`."""
        return PictureStill(replace(self.picture, xmp=marked_xmp(self.picture.xmp, mark)))

    def save(self, path: Path, paint: Paint, quality: int) -> None:
        """See `write_picture`."""
        write_picture(path, Colored(self.luma, paint), self.picture, quality)


@dataclass(frozen=True, eq=False)
class Page:
    """One page of several: it is written into the file of its copy, not by itself.

    number: from 0. size: bytes of all pages at most, uncompressed.
    """

    picture: Picture
    number: int
    count: int
    size: int


@dataclass(frozen=True, eq=False)
class Sheet:
    """What a source of stills yields. `page`: None where the file holds one picture, as nearly all do."""

    still: Still
    page: Page | None = None
    kept: NDArray[Any] | None = None
    """(H, W, 3) of a page that is in color already, and goes into the copy as it is."""
    frames: int = 1
    """Of an animation, of which this is the first; 0 where nobody counts them."""

    def marked(self, mark: Mark) -> Sheet:
        """Return this sheet with a mark that its copy will carry, see `Still`."""
        if self.kept is not None:
            return self
        page = self.page
        if page is not None:
            page = replace(page, picture=replace(page.picture, xmp=marked_xmp(page.picture.xmp, mark)))
        return replace(self, still=self.still.marked(mark), page=page)

    def rows(self, paint: Paint) -> NDArray[Any] | Colored:
        """Return what is written of a page: in the colors of `paint`, or in its own."""
        return Colored(self.still.luma, paint) if self.kept is None else self.kept


def read_stills(
    source: Path,
    target: Path,
    max_pixels: int | None,
    reserve: Reserve,
    *,
    lossless_luma: bool = False,
    encode_luma: bool = False,
    recolor: bool = True,
    side: int | None = None,
) -> Generator[Sheet, None, None]:
    """Load the picture of a file, or its pages one by one.

    target: where the copy is to go, for ways that depend on its format. reserve: called with the number of pixels of
    each, and what each of them takes, before they are decoded; it may wait. lossless_luma: see `open_lossless`.
    encode_luma: see `open_jpeg`. side: of the network's square, None decodes all pixels, see `reduction_of`.
    recolor: False raises InColorError for a picture that is in color already, and for several pages that all are; of
    pages that differ, those in color are `kept`.
    Raises PictureError, "PATH: reason; advice" in one line.
    """
    if lossless_luma:
        yield Sheet(open_lossless(source, target, max_pixels, reserve, recolor=recolor, side=side))
        return
    found = open_jpeg(source, target, max_pixels, reserve, recolor=recolor, encode_luma=encode_luma, side=side)
    if found is not None:
        yield Sheet(_still(found) if isinstance(found, Picture) else found)
        return
    with open_pages(source, max_pixels) as pages:
        count = len(pages)
        if count > 1 and not holds_pages(target.suffix):
            raise PictureError(
                f"{printable(source)}: it has {count} pages, and {printable(target.name)} would hold only one; "
                "name the output .tif"
            )
        # All of them before the first is colored: a page that is too large is found out at once.
        pixels = [pages.pixels(number) for number in range(count)]
        each = [pages.bytes_per_pixel(number) for number in range(count)]
        # A first page in color has the others looked at under its share.
        largest = 0 if recolor else max(range(count), key=lambda number: pixels[number] * each[number])
        for number in range(count):
            place = number or largest
            reserve(pixels[place], more=number + 1 < count, each=each[place])
            frames = pages.frames()
            picture = pages.read(number)
            kept = None if recolor or not is_in_color(picture.pixels) else picture.pixels
            if kept is not None and number == 0:
                del picture, kept
                # Under the share of the largest: a second one could be waited for forever.
                if all(is_in_color(pages.read(other).pixels) for other in range(1, count)):
                    raise InColorError(source)
                picture = pages.read(0)
                kept = picture.pixels
            still = _still(picture)
            # 16 bits and alpha, for depths are known only once a page is read.
            page = Page(still.picture, number, count, 8 * sum(pixels)) if count > 1 else None
            yield Sheet(still, page, kept, frames)
            del picture, kept, still, page


def open_still(
    source: Path,
    target: Path,
    max_pixels: int | None = None,
    *,
    lossless_luma: bool = False,
    encode_luma: bool = False,
    side: int | None = None,
) -> Still:
    """Load the picture of a file, or its first page, outside of a pipeline, see `read_stills`. Raises PictureError."""

    def reserve(pixels: int, *, more: bool = False, each: float = 0.0) -> None:
        """Nothing else is under way."""

    sheets = read_stills(
        source, target, max_pixels, reserve, lossless_luma=lossless_luma, encode_luma=encode_luma, side=side
    )
    with closing(sheets):
        return next(sheets).still


def write_stills(path: Path, colored: Iterator[tuple[Sheet, Paint]], quality: int) -> None:
    """Write the copy of a file from its sheets, whole or not at all. Raises PictureError, and what `colored` raises."""
    first, paint = next(colored)
    if first.page is None:
        first.still.save(path, paint, quality)
        return

    def rows() -> Iterator[tuple[NDArray[Any] | Colored, Picture]]:
        assert first.page is not None
        yield first.rows(paint), first.page.picture
        for sheet, own in colored:
            assert sheet.page is not None
            yield sheet.rows(own), sheet.page.picture

    write_pages(path, rows(), first.page.size, first.page.count)


def _still(picture: Picture) -> PictureStill:
    return PictureStill(replace(picture, pixels=kernels.luma(picture.pixels)))
