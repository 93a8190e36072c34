"""The pictures of a film, one after the other, from any of them on."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from colorrt.runtime.film.layout import convert_frame, read_luma
from colorrt.runtime.film.opening import FilmFacts, import_av, reading

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Span:
    """A part of a film, in its time base: from a time on (None: its first picture) to before a time (None: its end)."""

    start: int | None = None
    stop: int | None = None


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture of a film.

    `frame`: as decoded, ours to write to once `make_writable` was called. `luma`: H x W uint8 or uint16, as coded.
    `pts`, `duration`: in the film's time base.
    """

    frame: Any
    luma: NDArray[Any]
    pts: int
    duration: int


class Decoder:
    """Decodes a film. `damaged`: packets so far that gave no picture; `mended`: times that did not go up.

    threads: of the codec; None leaves it to choose.
    """

    def __init__(self, facts: FilmFacts, span: Span, threads: int | None = None) -> None:
        self.facts = facts
        self.damaged = self.mended = 0
        self._span = span
        self._threads = threads

    def pictures(self, skip: int = 0, pts: int | None = None) -> Iterator[Picture]:
        """Yield the pictures of the span but for the first `skip`, the next of which has the time `pts`.

        Where the container has an index, the first ones are not decoded at all, if the next is found as it should be.
        Times that are missing, or do not go up, are mended: the one before and one frame more. Raises PictureError
        where the file cannot be read.
        """
        if skip and pts is not None and self.facts.seekable:
            pictures = self._timed(pts)
            first = next(pictures, None)
            if first is not None and first.pts == pts:
                yield first
                yield from pictures
                return
            pictures.close()
            self.damaged = self.mended = 0
        for number, picture in enumerate(self._timed(self._span.start)):
            if number >= skip:
                yield picture

    def _timed(self, begin: int | None) -> Generator[Picture, None, None]:
        """Yield pictures from the time `begin` on, each lasting until the next one."""
        # What containers say of durations is often in the order of decoding.
        last: Picture | None = None
        with closing(self._decode(begin)) as pictures:
            for picture in pictures:
                if last is not None:
                    yield replace(last, duration=picture.pts - last.pts)
                last = picture
        if last is not None:
            yield last

    def _decode(self, begin: int | None) -> Generator[Picture, None, None]:
        """Yield pictures from the time `begin` on."""
        facts, last, usual = self.facts, None, max(1, round(1 / (self.facts.rate * self.facts.time_base)))
        with reading(facts.path) as container:
            stream = container.streams[facts.stream]
            stream.thread_type = "AUTO"
            if self._threads is not None:
                stream.codec_context.thread_count = self._threads
            if begin is not None and facts.seekable:
                container.seek(begin, stream=stream, backward=True)
            for frame in self._frames(container, stream):
                if (frame.width, frame.height) != (facts.width, facts.height):
                    # Damage, or a film that changes its size: scaled, for a file has one size.
                    frame = frame.reformat(width=facts.width, height=facts.height)  # noqa: PLW2901 (the loop goes on with the converted frame)
                pts = frame.pts
                if pts is None or (last is not None and pts <= last):
                    self.mended += 1
                    pts = facts.start if last is None else last + usual
                last = pts
                if self._span.stop is not None and pts >= self._span.stop:
                    return
                if begin is not None and pts < begin:
                    continue
                frame = convert_frame(frame, facts.layout, facts.matrix)  # noqa: PLW2901 (the loop goes on with the converted frame)
                yield Picture(frame, read_luma(frame, facts.layout), pts, frame.duration or usual)

    def _frames(self, container: Any, stream: Any) -> Iterator[Any]:
        av = import_av()
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.InvalidDataError, av.error.EOFError):
                # Cut short: what was read is the film.
                self.damaged += 1
                packet = None
            if packet is None:
                return
            try:
                yield from packet.decode()
            except (av.error.InvalidDataError, av.error.EOFError):
                self.damaged += 1
