"""What a film is, before any work is done: its pictures, its coding, and what comes along with them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorrt.atomic import in_one_line, printable
from colorrt.errors import BackendError, PictureError
from colorrt.runtime.film.layout import Layout, find_coding, find_layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from colorrt.kernels.film import Coding

SEEKABLE = ("mov", "matroska")
"""Kinds of containers whose index leads to exactly the picture that was asked for."""

# Packets that are read for a first picture; a damaged film may begin with some that give none.
_PATIENCE = 2000


@dataclass(frozen=True)
class FilmFacts:
    """What there is to know of a film.

    `frames`: how many pictures it has, as far as the file or its length tell; None where neither does. `start`: the
    time of its first picture in `time_base`; `seconds`: its length. `seekable`: whether pictures can be found by time.
    `interlaced`: whether two moments share a frame. `primaries`, `transfer`: numbers of H.273. `turned`: degrees
    counterclockwise that players turn it by. `captions`: whether its frames carry closed captions. `others`: kind and
    codec of each stream beside the pictures ("audio aac"), by its index.
    """

    path: Path
    width: int
    height: int
    pixel_format: str
    layout: Layout
    coding: Coding
    matrix: int
    primaries: int
    transfer: int
    time_base: Fraction
    rate: Fraction
    frames: int | None
    start: int
    seconds: float | None
    aspect: Fraction | None
    turned: int
    interlaced: bool
    captions: bool
    seekable: bool
    stream: int
    others: tuple[tuple[int, str], ...]


def import_av() -> Any:
    """Return PyAV. Raises BackendError, with what to install, where it is not there or too old."""
    try:
        import av
    except ImportError as error:
        raise BackendError(
            "films need PyAV, which is not installed: pip install 'colorrt[video]'; pictures work without"
        ) from error
    if int(av.__version__.split(".")[0]) < 17:
        raise BackendError(
            f"films need PyAV 17.1 or later, and {av.__version__} is installed: pip install 'colorrt[video]'"
        )
    av.logging.set_level(None)
    return av


@contextmanager
def reading(path: Path) -> Iterator[Any]:
    """Open a container to read; its errors become PictureError, in one line."""
    av = import_av()
    # PyAV 19 takes this no more.
    lenient = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
    try:
        with av.open(str(path), **lenient) as container:
            yield container
    except av.error.InvalidDataError as error:
        raise PictureError(
            f"{printable(path)}: this is no film, or damaged from its beginning; play it to see"
        ) from error
    except av.error.EOFError as error:
        raise PictureError(f"{printable(path)}: it ends before its first picture; copy it again") from error
    except (av.error.FFmpegError, OSError) as error:
        raise PictureError(
            f"{printable(path)}: it cannot be read ({in_one_line(error.strerror or error)}); play it to see"
        ) from error


def open_film(path: Path) -> FilmFacts:
    """Look at a film: its container and its first picture.

    Raises PictureError, "PATH: why; what to do", for what is no film, has no pictures or none that can be decoded, is
    interlaced, or of a coding that cannot be colored; BackendError without PyAV.
    """
    with reading(path) as container:
        stream = find_pictures(container, path)
        frame = _first_frame(container, stream, path)
        try:
            layout = find_layout(frame.format)
            coding, matrix = find_coding(frame, layout, stream.codec_context.name)
        except PictureError as error:
            raise PictureError(f"{printable(path)}: {error}") from error
        facts = _facts(path, container, stream, frame, layout, coding, matrix)
    if facts.interlaced:
        raise PictureError(
            f"{printable(path)}: it is interlaced: each of its frames shows two moments, and color would run from one "
            "into the other; deinterlace it first (FFmpeg's filter bwdif does)"
        )
    return facts


def find_pictures(container: Any, path: Path) -> Any:
    """Return the stream of pictures: the best that is no cover picture. Raises PictureError where there is none."""
    streams = [
        stream for stream in container.streams.video if stream.codec_context is not None and not is_cover(stream)
    ]
    if not streams:
        kinds = "only sound" if container.streams.audio else "none"
        raise PictureError(f"{printable(path)}: there are no pictures in it ({kinds}); name a film with pictures")
    return max(streams, key=lambda stream: (stream.codec_context.width * stream.codec_context.height, -stream.index))


def is_cover(stream: Any) -> bool:
    """Return whether a stream of pictures is the one picture that a film is shown by in lists."""
    return bool(int(stream.disposition) & int(import_av().stream.Disposition.attached_pic))


def _first_frame(container: Any, stream: Any, path: Path) -> Any:
    av = import_av()
    for count, packet in enumerate(container.demux(stream)):
        try:
            for frame in packet.decode():
                return frame
        except av.error.InvalidDataError:
            pass
        if count > _PATIENCE:
            break
    raise PictureError(f"{printable(path)}: not one picture in it can be decoded; play it to see")


def _facts(
    path: Path, container: Any, stream: Any, frame: Any, layout: Layout, coding: Coding, matrix: int
) -> FilmFacts:
    context = stream.codec_context
    rate = Fraction(stream.average_rate or stream.guessed_rate or stream.base_rate or 25)
    # A film of a thousandth of a frame a second is a still with a long time base.
    rate = rate if 0 < rate < 1000 else Fraction(25)
    seconds = _seconds(container, stream)
    frames = stream.frames or (round(seconds * rate) if seconds else 0)
    aspect = frame_aspect(stream, context)
    return FilmFacts(
        path,
        frame.width,
        frame.height,
        frame.format.name,
        layout,
        coding,
        matrix,
        int(frame.color_primaries),
        int(frame.color_trc),
        Fraction(stream.time_base),
        rate,
        frames or None,
        int(frame.pts or 0),
        seconds,
        aspect,
        int(getattr(frame, "rotation", 0) or 0),
        bool(frame.interlaced_frame),
        _has_captions(frame),
        container.format.name.split(",")[0] in SEEKABLE,
        stream.index,
        tuple((other.index, _kind(other)) for other in container.streams if other.index != stream.index),
    )


def _seconds(container: Any, stream: Any) -> float | None:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None


def frame_aspect(stream: Any, context: Any) -> Fraction | None:
    """Return the shape of a pixel, None for square ones and those that are not said."""
    aspect = stream.sample_aspect_ratio or context.sample_aspect_ratio
    return Fraction(aspect) if aspect and aspect not in (0, 1) else None


def _has_captions(frame: Any) -> bool:
    try:
        from av.sidedata.sidedata import Type

        return frame.side_data.get(Type.A53_CC) is not None
    except Exception:
        return False


def _kind(stream: Any) -> str:
    context = stream.codec_context
    name = context.name if context is not None else str(stream.metadata.get("handler_name", "")).strip()
    return f"{stream.type or 'data'} {name}".strip()
