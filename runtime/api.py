"""The colorizer that programs use: pictures of any kind, whole files, and many pictures through the pipeline."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorrt.atomic import in_one_line, printable
from colorrt.errors import ColorrtError, PictureError
from colorrt.runtime import colorizer
from colorrt.runtime.folder import TOO_LARGE, Outcome, Settings, color_jobs
from colorrt.runtime.hints import HintsLike, read_hints
from colorrt.runtime.history import Skip
from colorrt.runtime.jobs import Job
from colorrt.runtime.passage import Frame, Reserve
from colorrt.runtime.pictures.color_spread import InColorError
from colorrt.runtime.pictures.in_memory import PictureLike, is_float, levels_of, to_floats
from colorrt.runtime.pictures.reading import DEFAULT_MAX_PIXELS
from colorrt.runtime.pipeline import run_passages


class Colorizer(colorizer.Colorizer):
    """Colorize pictures with one artifact: `colorize` one, `colorize_file` with all it carries, `colorize_many`.

    `artifact`: an ONNX file made by `colorrt export`, or an engine by `colorrt build`; None takes the model that ships.
    `render_factor`: 1..64, for graphs of any size (16 when not given); a graph of one size takes only its own. Of
    several, such as (8, 16, 24), the guesses are averaged.
    `device`: "auto", "cpu", "openvino" or "cuda". `exact`: compute with the numbers of the file, where OpenVINO would
    take BF16 for FP32. `threads`: CPU threads, None for all cores. `upsample`: how chroma comes to the picture's size:
    "guided" follows the edges of its luma, "bilinear" does not (as DeOldify).

    Raises ArtifactError or BackendError when the artifact cannot run, UsageError for impossible settings. Usable as a
    context manager; `close` frees the network.
    """

    def colorize_file(
        self,
        source: str | Path,
        target: str | Path,
        *,
        saturation: float | None = None,
        quality: int | None = None,
        overwrite: bool = False,
        max_pixels: int | None = DEFAULT_MAX_PIXELS,
        lossless_luma: bool = False,
        mark: bool = True,
        recolor: bool = True,
        hints: HintsLike | None = None,
    ) -> Path:
        """Colorize a picture file into another as `colorrt run` does: with all its pages, at its depth, with everything
        that it carries (EXIF, XMP, IPTC, color profile, resolution, alpha).

        `target`: the file to write; its suffix names the format, its folder is made. `saturation`: 0..10, None takes
        the model's own. `quality`: 1..100, of JPEG, WebP and AVIF; None keeps the coded luma of a gray JPEG bit for bit
        where `target` is a JPEG, with its pixels as they lie and the EXIF orientation kept, and is 95 for all else.
        `overwrite`: replace `target` if it exists. `max_pixels`: the most pixels of a page that is decoded.
        `lossless_luma`: keep the coded luma of any JPEG, and color nothing else. `mark`: say in the XMP that it was
        colored, and how. `recolor`: color a picture that is in color already, too, as `colorize` does; False leaves
        such a picture as it is, and pages of a TIFF that are. `hints`: colors that are wanted at some places, see
        `read_hints`; of several pages, on each.

        Returns the file written: `target`, with the suffix .png where its own names a format that cannot hold the
        picture (GIF; JPEG for alpha). It appears whole or not at all.

        Raises PictureError when the source cannot be read, `target` exists, is the source, or cannot be written;
        InColorError, which is one, when it is in color already and `recolor` is False; ModelError when
        the network fails; UsageError for an impossible saturation or quality.
        """
        settings = Settings(
            saturation=saturation,
            quality=quality,
            overwrite=overwrite,
            max_pixels=max_pixels,
            lossless_luma=lossless_luma,
            mark=mark,
            recolor=recolor,
            hints=None if hints is None else read_hints(hints),
        )
        (result,) = color_jobs(self, [Job(Path(source), Path(target))], settings)
        if result.skip is Skip.IN_COLOR:
            raise InColorError(Path(source))
        if result.outcome is Outcome.SKIPPED:
            raise PictureError(f"{printable(result.job.target)}: it exists already; overwrite=True replaces it")
        if result.outcome is Outcome.FAILED:
            raise PictureError(result.reason or "")
        return result.job.target

    def colorize_many(
        self, pictures: Iterable[PictureLike], saturation: float | None = None, *, return_errors: bool = False
    ) -> Iterator[NDArray[Any] | ColorrtError]:
        """Colorize pictures one after the other, each as `colorize` does; yield them in their order.

        Reading, network and rendering work side by side, and the network gets several pictures at a time where that is
        faster (`best_batch`). `pictures`: of any kinds, mixed; the iterable is asked for a few more than were yielded.
        `saturation`: 0..10, None takes the model's own.

        Yields H x W x 3 in the dtype of each picture. `return_errors`: what is wrong with a picture (PictureError,
        UsageError) is yielded in its place and the others go on; without it, it is raised at its turn and ends all.

        Raises ModelError when the network fails, UsageError, before the first picture, for an impossible saturation.
        """
        self.choose_saturation(saturation)
        return self._colorized(pictures, saturation, return_errors=return_errors)

    def _colorized(
        self, pictures: Iterable[PictureLike], saturation: float | None, *, return_errors: bool
    ) -> Generator[NDArray[Any] | ColorrtError, None, None]:
        passages = (_Passage(self, picture, saturation) for picture in pictures)
        with closing(run_passages(passages, self.guess, self.best_batch)) as colored:
            for picture in colored:
                if isinstance(picture, ColorrtError) and not return_errors:
                    raise picture
                yield picture


class _Passage:
    """A picture in memory on its way to an array in color."""

    def __init__(self, colorizer: Colorizer, picture: PictureLike, saturation: float | None) -> None:
        self._colorizer = colorizer
        self._picture = picture
        self._saturation = saturation
        self._colored: NDArray[Any] | None = None

    def frames(self, reserve: Reserve) -> Generator[Frame[np.dtype[Any] | None], None, None]:
        """Read the picture. Content: the dtype of floats, None of others."""
        dtype = self._picture.dtype if is_float(self._picture) and isinstance(self._picture, np.ndarray) else None
        yield Frame(self._colorizer.see(levels_of(self._picture, reserve)), dtype)

    def admit(self, first: Frame[np.dtype[Any] | None]) -> None:
        """Take any."""

    def write(self, colored: Iterator[tuple[Frame[np.dtype[Any] | None], NDArray[np.float32]]]) -> None:
        """Render the one frame."""
        for frame, chroma in colored:
            rgb = self._colorizer.render(frame.square, chroma, self._saturation)
            self._colored = rgb if frame.content is None else to_floats(rgb, frame.content)

    def end(self, error: Exception | None) -> NDArray[Any] | ColorrtError:
        """Return the picture, or what was wrong with it."""
        if isinstance(error, ColorrtError):
            return error
        if isinstance(error, MemoryError):
            return PictureError(f"picture in memory: {TOO_LARGE}")
        if self._colored is None:
            return PictureError(f"picture in memory: it could not be colored ({in_one_line(error)})")
        return self._colored
