"""Color into the chroma planes of frames, and frames into packets, piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from colorrt.kernels.film import render_film
from colorrt.runtime.film.codecs import Output, Tags, set_up
from colorrt.runtime.film.layout import write_plane
from colorrt.runtime.film.opening import import_av
from colorrt.runtime.film.packets import Coded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from colorrt.runtime.film.decoding import Picture
    from colorrt.runtime.film.layout import Layout


def fill_frame(
    picture: Picture,
    layout: Layout,
    output: Output,
    chroma: NDArray[np.float32],
    saturation: float,
    guide: NDArray[np.float32] | None,
) -> Any:
    """Return a frame with the picture's luma and this chroma (2 x S x S), in the output's pixel format.

    A frame of that format already is kept, with all that it carries; only its chroma is written. Luma goes over bit for
    bit, or with more bits where the output has more.
    """
    av = import_av()
    luma = _deepen(picture.luma, layout.depth, output)
    planes = render_film(luma, chroma, output.coding, saturation, guide=guide)
    frame = picture.frame
    if frame.format.name == output.pixel_format:
        # What was decoded serves the decoder as a reference still.
        frame.make_writable()
    else:
        made = av.VideoFrame(frame.width, frame.height, output.pixel_format)
        write_plane(made, 0, luma)
        for name in ("time_base", "color_range", "colorspace", "color_primaries", "color_trc"):
            setattr(made, name, getattr(frame, name))
        frame = made
    for index, plane in enumerate(planes, start=1):
        write_plane(frame, index, plane)
    # The encoder chooses; the source's choice would make every picture of its kind.
    frame.pict_type = 0
    frame.pts, frame.duration = picture.pts, picture.duration
    return frame


def _deepen(luma: NDArray[Any], depth: int, output: Output) -> NDArray[Any]:
    more = output.coding.depth - depth
    if not more:
        return luma
    if output.coding.full:
        top, bottom = 2**output.coding.depth - 1, 2**depth - 1
        full: NDArray[Any] = ((luma.astype(np.uint32) * top + bottom // 2) // bottom).astype(np.uint16)
        return full
    return np.left_shift(luma.astype(np.uint16), more)


class PieceEncoder:
    """Encodes one piece of a film, closed in itself. `threads`: of the encoder; None leaves it to choose."""

    def __init__(self, output: Output, tags: Tags, threads: int | None = None) -> None:
        av = import_av()
        self._context = av.CodecContext.create(output.encoder, "w")
        set_up(self._context, output, tags)
        if threads is not None:
            self._context.thread_count = threads
        self._packets: list[Coded] = []
        self._tags = tags
        self.frames = 0

    def add(self, frame: Any) -> None:
        """Encode a frame."""
        frame.time_base = self._tags.time_base
        self._keep(self._context.encode(frame))
        self.frames += 1

    def finish(self) -> Iterator[Coded]:
        """End the piece, and yield its packets in order."""
        self._keep(self._context.encode(None))
        yield from self._packets

    def _keep(self, packets: Any) -> None:
        for packet in packets:
            self._packets.append(Coded(packet.pts, packet.duration or 0, packet.is_keyframe, bytes(packet)))
