"""Films made on the spot, and what is in a film."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from colorrt.runtime.film.coloring import FilmResult, FilmStep, color_film
from colorrt.runtime.film.plan import FilmSettings, plan_film

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from colorrt.runtime.colorizer import Colorizer


def picture(number: int, height: int, width: int, depth: int, *, shot: int = 0) -> Any:
    """Luma of one picture: waves that move, grain, all levels of the depth."""
    rows, columns = np.mgrid[:height, :width]
    waves = np.sin((columns + 2 * number) / (9.0 + 4 * shot)) + np.sin((rows - number + 30 * shot) / 7.0)
    luma = (waves / 4 + 0.5) * (2**depth - 1) * 0.9
    luma += np.random.default_rng(number).normal(0, 2 ** (depth - 7), luma.shape)
    return np.clip(np.rint(luma), 0, 2**depth - 1).astype(np.uint8 if depth == 8 else np.uint16)


def make_film(
    path: Path,
    *,
    frames: int = 12,
    size: tuple[int, int] = (48, 64),
    pixel_format: str = "yuv420p",
    codec: str = "ffv1",
    rate: Fraction = Fraction(25),
    times: list[int] | None = None,
    time_base: Fraction | None = None,
    tags: dict[str, int] | None = None,
    aspect: Fraction | None = None,
    rotation: int | None = None,
    metadata: dict[str, str] | None = None,
    chapters: list[dict[str, Any]] | None = None,
    audio: bool = False,
    subtitles: bool = False,
    cuts: tuple[int, ...] = (),
    options: dict[str, str] | None = None,
) -> Path:
    """Write a film. `times`: of its frames, in `time_base`; None: one after the other at `rate`."""
    height, width = size
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        context = stream.codec_context
        context.time_base = stream.time_base = time_base or 1 / rate
        context.options = options or {}
        for name, value in (tags or {}).items():
            setattr(context, name, value)
        if aspect is not None:
            context.sample_aspect_ratio = stream.sample_aspect_ratio = aspect
        if rotation is not None:
            stream.set_display_rotation(rotation)
        sound = container.add_stream("aac", rate=48000, layout="mono") if audio else None
        words = container.add_stream("mov_text" if path.suffix == ".mp4" else "srt") if subtitles else None
        if chapters:
            container.set_chapters(chapters)
        shot = 0
        for number in range(frames):
            shot += number in cuts
            frame = frame_of(number, size, pixel_format, shot)
            frame.pts = number if times is None else times[number]
            frame.time_base = context.time_base
            for name, value in (tags or {}).items():
                setattr(frame, name, value)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _add_sound(container, sound, frames / float(rate))
        if words is not None:
            _add_words(container, words)
    return path


def frame_of(number: int, size: tuple[int, int], pixel_format: str, shot: int) -> Any:
    height, width = size
    frame = av.VideoFrame(width, height, pixel_format)
    component = frame.format.components[0]
    depth = component.bits
    high = pixel_format.startswith("p0")
    luma = picture(number, height, width, depth, shot=shot)
    dtype = np.uint8 if depth == 8 else np.uint16
    for index, plane in enumerate(frame.planes):
        lines = np.frombuffer(plane, dtype).reshape(-1, plane.line_size // np.dtype(dtype).itemsize)
        if index == 0:
            lines[:height, :width] = luma << (16 - depth) if high else luma
        else:
            lines[:] = 1 << (15 if high else depth - 1)
    return frame


def _add_sound(container: Any, sound: Any, seconds: float) -> None:
    for start in range(0, int(seconds * 48000), 1024):
        tone = np.sin(np.arange(start, start + 1024) / 20).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, start
        container.mux(sound.encode(frame))
    container.mux(sound.encode(None))


def _add_words(container: Any, words: Any) -> None:
    raise NotImplementedError


@dataclass
class Seen:
    """What is in a film: planes of each frame, their times in seconds, and the other streams' packets."""

    planes: list[list[Any]]
    times: list[Fraction]
    durations: list[Fraction]
    pixel_format: str
    tags: tuple[int, int, int, int]
    aspect: Any
    rotation: int
    packets: dict[str, list[tuple[Any, bytes]]]
    metadata: dict[str, str]
    chapters: list[Any]


def see(path: Path) -> Seen:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        planes, times, durations, rotation = [], [], [], 0
        packets: dict[str, list[tuple[Any, bytes]]] = {}
        for packet in container.demux():
            if packet.stream.type != "video":
                if packet.pts is not None:
                    found = packets.setdefault(packet.stream.type, [])
                    found.append((packet.pts * packet.time_base, bytes(packet)))
                continue
            for frame in packet.decode():
                planes.append(planes_of(frame))
                times.append(frame.pts * frame.time_base)
                durations.append((frame.duration or 0) * frame.time_base)
                rotation = frame.rotation
        context = stream.codec_context
        tags = (context.colorspace, context.color_range, context.color_primaries, context.color_trc)
        return Seen(
            planes,
            times,
            durations,
            context.pix_fmt,
            tuple(map(int, tags)),  # type: ignore[arg-type]  # three numbers stay three
            stream.sample_aspect_ratio,
            rotation,
            packets,
            dict(container.metadata),
            list(container.chapters()),
        )


def planes_of(frame: Any) -> list[Any]:
    depth = frame.format.components[0].bits
    high = frame.format.name.startswith("p0")
    dtype = np.uint8 if depth == 8 else np.uint16
    planes = []
    for plane in frame.planes:
        lines = np.frombuffer(plane, dtype).reshape(-1, plane.line_size // np.dtype(dtype).itemsize)
        planes.append(np.array(lines[: plane.height, : plane.width]))
    if high:
        planes[0] = planes[0] >> (16 - depth)
    return planes


def color(
    colorizer: Colorizer,
    source: Path,
    target: Path,
    report: Callable[[FilmStep], None] = lambda step: None,
    **settings: Any,
) -> FilmResult:
    chosen = FilmSettings(**settings)
    return color_film(colorizer, plan_film(colorizer, source, target, chosen), chosen, report)


def assert_same_luma(source: Path, target: Path) -> None:
    """Every frame's luma, bit for bit."""
    before, after = see(source), see(target)
    assert len(before.planes) == len(after.planes)
    for one, other in zip(before.planes, after.planes, strict=True):
        np.testing.assert_array_equal(one[0], other[0])


def assert_same_film(one: Path, other: Path) -> None:
    """Every plane of every frame, and its time."""
    first, second = see(one), see(other)
    assert first.times == second.times
    assert first.durations == second.durations
    assert first.packets == second.packets
    for before, after in zip(first.planes, second.planes, strict=True):
        for plane, again in zip(before, after, strict=True):
            np.testing.assert_array_equal(plane, again)
