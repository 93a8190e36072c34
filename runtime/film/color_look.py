"""Whether a film is in color already, told from pictures spread over it."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from colorrt.runtime.film.decoding import Span
from colorrt.runtime.film.opening import FilmFacts, import_av, reading
from colorrt.runtime.pictures.color_spread import is_in_color

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

PLACES = 16
"""Pictures that are looked at."""

LONGER = 256
"""Pixels that the longer side of a picture is reduced to before it is judged."""

CONTRAST = 4.0
"""Standard deviation of its levels (of 255) below which a picture says nothing: black, a fade, an empty card."""

FEWEST = 6
"""Pictures that can be decoded alone; where a film has fewer of them at PLACES, it is decoded up to each place."""

# Packets that are read from a place on for a picture; and, of a film without a length, altogether.
_PATIENCE = 400
_MOST = 20_000


@dataclass(frozen=True)
class FilmColor:
    """What was found: of `looked` pictures that say something, how many are `in_color`."""

    looked: int
    in_color: int

    @property
    def is_color(self) -> bool:
        """Whether the film is in color: half of its pictures are, or more.

        A color film has gray scenes, and some of its pictures are too pale to tell; a gray one has a card or a logo in
        color. Of a film tinted scene by scene no picture is in color.
        """
        return self.in_color > 0 and 2 * self.in_color >= self.looked


NONE = FilmColor(0, 0)


def look_at_color(facts: FilmFacts, span: Span) -> FilmColor:
    """Look at PLACES pictures spread over the span of a film; gray films cost nothing.

    Each is the picture before its place that can be decoded alone; in short films, where these are few, the one at its
    place. Of a film without a length, they are spread over what its first 20,000 packets hold. What cannot be decoded
    is passed over: that is told elsewhere.
    """
    if facts.layout.step is None:
        return NONE
    looked = found = 0
    with closing(_spread(facts, span)) as frames:
        for frame in frames:
            pixels = _reduce(frame)
            if pixels.std(axis=(0, 1)).max() < CONTRAST:
                continue
            looked += 1
            found += is_in_color(pixels)
    return FilmColor(looked, found)


def _reduce(frame: Any) -> Any:
    scale = min(1.0, LONGER / max(frame.width, frame.height))
    width, height = (max(1, round(scale * side)) for side in (frame.width, frame.height))
    return frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA").to_ndarray()


def _spread(facts: FilmFacts, span: Span) -> Generator[Any, None, None]:
    av = import_av()
    with reading(facts.path) as container:
        stream = container.streams[facts.stream]
        if facts.seconds is None:
            yield from _among_first(container, stream)
            return
        first = span.start if span.start is not None else facts.start
        last = facts.start + round(facts.seconds / facts.time_base)
        last = min(last, span.stop) if span.stop is not None else last
        places = np.linspace(first, last, PLACES, endpoint=False).astype(np.int64).tolist()
        # By its time, for key pictures may lie farther apart than places.
        keys: dict[Any, Any] = {}
        for place in places:
            with suppress(av.error.FFmpegError, OSError):
                container.seek(place, stream=stream, backward=True)
                frame = next(_decode(container, stream, _PATIENCE), None)
                if frame is not None:
                    keys[frame.pts] = frame
        if len(keys) >= FEWEST:
            yield from keys.values()
            return
    with reading(facts.path) as container:
        stream = container.streams[facts.stream]
        stream.thread_type = "AUTO"
        with suppress(av.error.FFmpegError, OSError):
            container.seek(places[0], stream=stream, backward=True)
        for frame in _decode(container, stream, _MOST):
            if frame.pts is None or frame.pts >= places[0]:
                yield frame
                places = [place for place in places[1:] if frame.pts is None or place > frame.pts]
            if not places:
                return


def _among_first(container: Any, stream: Any) -> Iterator[Any]:
    """Yield at most PLACES pictures, evenly spread over those that can be decoded alone."""
    stream.codec_context.skip_frame = "NONKEY"
    kept: list[Any] = []
    every = 1
    for number, frame in enumerate(_decode(container, stream, _MOST)):
        if number % every == 0:
            kept.append(frame)
        if len(kept) > PLACES:
            kept, every = kept[::2], 2 * every
    yield from kept


def _decode(container: Any, stream: Any, most: int) -> Iterator[Any]:
    av = import_av()
    with suppress(av.error.InvalidDataError, av.error.EOFError):
        for number, packet in enumerate(container.demux(stream)):
            with suppress(av.error.InvalidDataError, av.error.EOFError):
                yield from packet.decode()
            if number >= most:
                return
