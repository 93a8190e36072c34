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
    sounds: int = 0,
    subtitles: bool = False,
    cover: bytes | None = None,
    font: bytes | None = None,
    cuts: tuple[int, ...] = (),
    options: dict[str, str] | None = None,
    still: bool = False,
) -> Path:
    """Write a film.

    `times`: of its frames, in `time_base`; None: one after the other at `rate`. `audio`: one stream of sound, `sounds`:
    so many. `cover`: a picture as PNG (MP4) or JPEG (Matroska); `font`: a file that comes along (Matroska). `still`:
    all pictures are the same.
    """
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
        tracks = [container.add_stream("aac", rate=48000, layout="mono") for _ in range(sounds or int(audio))]
        for track, language in zip(tracks, ("eng", "deu", "fra"), strict=False):
            track.metadata["language"] = language
        words = _words_stream(container, path) if subtitles else None
        art = _add_cover(container, path, cover) if cover is not None else None
        if font is not None:
            container.add_attachment("film.ttf", "application/x-truetype-font", font)
        if chapters:
            container.set_chapters(chapters)
        if words is not None or art is not None:
            container.start_encoding()
        if art is not None and cover is not None:
            container.mux(_packet(art, cover, 0, 0))
        shot = 0
        for number in range(frames):
            shot += number in cuts
            frame = frame_of(0 if still else number, size, pixel_format, shot)
            frame.pts = number if times is None else times[number]
            frame.time_base = context.time_base
            for name, value in (tags or {}).items():
                setattr(frame, name, value)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for number, track in enumerate(tracks):
            _add_sound(container, track, frames / float(rate), 20.0 + 7 * number)
        if words is not None:
            _add_words(container, words, path)
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


def _add_sound(container: Any, sound: Any, seconds: float, pitch: float) -> None:
    for start in range(0, int(seconds * 48000), 1024):
        tone = np.sin(np.arange(start, start + 1024) / pitch).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, start
        container.mux(sound.encode(frame))
    container.mux(sound.encode(None))


def _words_stream(container: Any, path: Path) -> Any:
    words = container.add_stream("mov_text" if path.suffix in (".mp4", ".mov") else "subrip")
    words.time_base = Fraction(1, 1000)
    words.metadata["language"] = "eng"
    words.codec_context.subtitle_header = _HEADER
    return words


def _add_words(container: Any, words: Any, path: Path) -> None:
    for start, line in ((200, "Who goes there?"), (600, "A film.")):
        text = line.encode()
        data = len(text).to_bytes(2, "big") + text if path.suffix in (".mp4", ".mov") else text
        container.mux(_packet(words, data, start, 300))


def _add_cover(container: Any, path: Path, cover: bytes) -> Any:
    if path.suffix == ".mkv":
        container.add_attachment("cover.jpg", "image/jpeg", cover)
        return None
    art = container.add_stream("png", rate=1)
    # Larger than the film, and not the film all the same.
    art.width, art.height, art.pix_fmt = 400, 300, "rgb24"
    art.disposition = av.stream.Disposition.attached_pic
    return art


def _packet(stream: Any, data: bytes, start: int, duration: int) -> Any:
    packet = av.Packet(data)
    packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 1000), True
    packet.pts = packet.dts = start
    packet.duration = duration
    return packet


# What FFmpeg's encoders of text want to know of its style.
_HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


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
        of_type: dict[str, list[int]] = {}
        for one in container.streams:
            of_type.setdefault(one.type, []).append(one.index)
        for packet in container.demux():
            if packet.stream.index != stream.index:
                # "audio", then "audio 2": in which order streams take turns is the container's affair.
                order = of_type[packet.stream.type].index(packet.stream.index)
                if packet.pts is not None:
                    found = packets.setdefault(packet.stream.type + (f" {order + 1}" if order else ""), [])
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
