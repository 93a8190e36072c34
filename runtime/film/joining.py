"""The whole film: its pieces, and all that came along with the pictures of the source, in one container."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorrt.atomic import atomic_path, in_one_line, printable
from colorrt.errors import PictureError
from colorrt.runtime.film.codecs import set_up
from colorrt.runtime.film.marking import MP4, append_xmp, make_xmp, mark_metadata
from colorrt.runtime.film.opening import FilmFacts, import_av, is_cover, reading
from colorrt.runtime.film.packets import Dated, date_packets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from colorrt.runtime.film.codecs import Output, Tags
    from colorrt.runtime.film.decoding import Span
    from colorrt.runtime.provenance.mark import Mark

_MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
# What the containers write anew.
_OWN = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}
_COUNTS = ("BPS", "DURATION", "NUMBER_OF_", "_STATISTICS")
_COVERS = {
    "mjpeg": ("cover.jpg", "image/jpeg"),
    "png": ("cover.png", "image/png"),
    "bmp": ("cover.bmp", "image/bmp"),
    "webp": ("cover.webp", "image/webp"),
}
_NO_WORDS = b"\0\0"
_MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True)
class Carried:
    """What goes along: `streams`, indices in the source; `lost`: what does not, a line each, for people."""

    streams: tuple[int, ...]
    lost: tuple[str, ...]


def plan_carrying(facts: FilmFacts, output: Output, tags: Tags, target: Path, folder: Path) -> Carried:
    """Try each stream of the source in the container of the target, and say what is lost on the way.

    folder: where a trial may be written. Raises PictureError when not even the pictures go in.
    """
    kept, lost = [], []
    # Two runs may try at once.
    trial = folder / f".trial-{secrets.token_hex(6)}{target.suffix.lower()}"
    try:
        with reading(facts.path) as source:
            problem = _try_header(source, facts, output, tags, target, trial, [])
            if problem is not None:
                raise PictureError(
                    f"{printable(target)}: {target.suffix} cannot hold these pictures ({problem}); take another"
                )
            timecode = source.streams[facts.stream].metadata.get("timecode")
            for index, kind in facts.others:
                if _is_written_anew(source, index, kind, timecode, target):
                    continue
                problem = _try_header(source, facts, output, tags, target, trial, [index])
                if problem is None:
                    kept.append(index)
                else:
                    lost.append(f"stream {index} ({kind}) is left out: {target.suffix} does not take it")
    finally:
        trial.unlink(missing_ok=True)
    return Carried(tuple(kept), (*lost, *_losses(facts, output, target)))


def _is_written_anew(source: Any, index: int, kind: str, timecode: str | None, target: Path) -> bool:
    """Return whether a stream is one that the container makes itself, of time code or of chapters."""
    if not kind.startswith("data"):
        return False
    if kind.endswith("SubtitleHandler") and source.chapters():
        return True
    return timecode is not None and target.suffix.lower() in (".mov", ".mp4", ".m4v")


def _losses(facts: FilmFacts, output: Output, target: Path) -> Iterator[str]:
    if target.suffix.lower() in (".mkv", ".webm") and (facts.time_base / _MILLISECOND).denominator != 1:
        yield f"times are rounded to milliseconds, which is all that {target.suffix} has"
    if facts.captions and facts.pixel_format != output.pixel_format:
        yield f"closed captions in the pictures are left out, for {facts.pixel_format} becomes {output.pixel_format}"
    if facts.pixel_format.startswith(("yuva", "gbrap", "rgba", "bgra", "argb", "abgr", "ya")):
        yield "transparency is left out"
    if facts.layout.step is not None and facts.layout.step != output.coding.step:
        yield f"chroma is sampled anew: {facts.pixel_format} becomes {output.pixel_format}"
    if facts.aspect is not None and output.encoder == "ffv1":
        aspect = f"{facts.aspect.numerator}:{facts.aspect.denominator}"
        yield f"the shape of pixels, {aspect}, is left out: PyAV cannot write it beside FFV1; set it in your player"
    if facts.turned and not hasattr(import_av().VideoStream, "set_display_rotation"):
        yield "the rotation for players is left out: PyAV 18 or later writes it"


def join_film(
    facts: FilmFacts,
    output: Output,
    tags: Tags,
    pieces: Iterable[Path],
    target: Path,
    carried: Carried,
    span: Span,
    mark: Mark | None,
) -> None:
    """Write the film under its name, which it takes only when it is whole.

    Packets of other streams go along as they are, those of the span. mark: what it says of how it was made; None:
    nothing. Raises PictureError where it cannot be written.
    """
    av = import_av()
    xmp = b"" if mark is None else make_xmp(facts.path, mark)
    with atomic_path(target, PictureError) as part, reading(facts.path) as source:
        try:
            with _open_output(part, target, facts) as made:
                video, others = _add_streams(made, source, facts, output, tags, carried.streams)
                _copy_tags(made, video, source, facts, span)
                if mark is not None:
                    mark_metadata(made, target.suffix, mark, xmp)
                made.start_encoding()
                shift = span.start if span.start is not None else 0
                usual = max(1, round(1 / (facts.rate * facts.time_base)))
                pictures = date_packets(list(pieces), usual)
                coming = next(pictures, None)
                for time, packet in _others(source, others, facts, span):
                    while coming is not None and (coming.dts - shift) * facts.time_base <= time:
                        made.mux(_packet(coming, video, facts, shift))
                        coming = next(pictures, None)
                    made.mux(packet)
                while coming is not None:
                    made.mux(_packet(coming, video, facts, shift))
                    coming = next(pictures, None)
        except (av.error.FFmpegError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in (5, 13, 28, 30, 122):
                raise OSError(error.errno, error.strerror) from error
            reason = in_one_line(getattr(error, "strerror", None) or error)
            raise PictureError(
                f"{printable(target)}: the film could not be joined ({reason}); take another container"
            ) from error
        if mark is not None and target.suffix.lower() in MP4:
            append_xmp(part, xmp)


def _open_output(part: Path, target: Path, facts: FilmFacts) -> Any:
    options = {}
    suffix = target.suffix.lower()
    if suffix in (".mp4", ".m4v", ".mov"):
        # The beginning of a stream is written in this; thousandths would round it.
        scale = math.lcm(1000, facts.time_base.denominator)
        options = {
            "movie_timescale": str(scale if scale < 2**31 else facts.time_base.denominator),
            "movflags": "+faststart",
        }
        if facts.time_base.numerator == 1:
            options["video_track_timescale"] = str(facts.time_base.denominator)
    return import_av().open(str(part), "w", format=_MUXERS[suffix], container_options=options)


def _add_streams(
    made: Any, source: Any, facts: FilmFacts, output: Output, tags: Tags, streams: Iterable[int]
) -> tuple[Any, dict[int, Any]]:
    video, others, wanted = None, {}, set(streams)
    for stream in source.streams:
        if stream.index == facts.stream:
            video = made.add_stream(output.encoder, rate=tags.rate)
            set_up(video.codec_context, output, tags)
            video.time_base = facts.time_base
            if tags.aspect:
                video.sample_aspect_ratio = tags.aspect
            if facts.turned and hasattr(video, "set_display_rotation"):
                video.set_display_rotation(facts.turned)
            video.metadata.update(_clean(stream.metadata))
            video.disposition = stream.disposition
        elif stream.index in wanted:
            if stream.type == "attachment":
                made.add_attachment(
                    stream.name or "attachment", stream.mimetype or "application/octet-stream", stream.data
                )
                continue
            if is_cover(stream) and made.format.name == "matroska":
                # To which a cover is a file that comes along.
                name, kind = _COVERS.get(stream.codec_context.name, ("cover", "application/octet-stream"))
                made.add_attachment(name, kind, _read_cover(facts.path, stream.index))
                continue
            others[stream.index] = made.add_stream_from_template(stream, opaque=True)
            others[stream.index].metadata.update(_clean(stream.metadata))
            others[stream.index].disposition = stream.disposition
    return video, others


def _read_cover(path: Path, index: int) -> bytes:
    with reading(path) as source:
        return next((bytes(packet) for packet in source.demux(source.streams[index]) if packet.size), b"")


def _copy_tags(made: Any, video: Any, source: Any, facts: FilmFacts, span: Span) -> None:
    made.metadata.update(_clean(source.metadata))
    chapters = []
    for chapter in source.chapters():
        start, stop = (chapter[name] * chapter["time_base"] for name in ("start", "end"))
        first = span.start * facts.time_base if span.start is not None else Fraction(0)
        last = span.stop * facts.time_base if span.stop is not None else stop
        if stop > first and start < last:
            moved = {
                name: int((min(max(time, first), last) - first) / chapter["time_base"])
                for name, time in (("start", start), ("end", stop))
            }
            chapters.append({**chapter, **moved})
    if chapters:
        made.set_chapters(chapters)


def _clean(metadata: Any) -> dict[str, str]:
    return {
        name: value for name, value in metadata.items() if name.lower() not in _OWN and not name.startswith(_COUNTS)
    }


def _try_header(
    source: Any, facts: FilmFacts, output: Output, tags: Tags, target: Path, trial: Path, streams: list[int]
) -> str | None:
    """Return why the container does not take these streams beside the pictures, None if it does."""
    av = import_av()
    try:
        with _open_output(trial, target, facts) as made:
            _add_streams(made, source, facts, output, tags, streams)
            made.start_encoding()
    except (av.error.FFmpegError, ValueError, TypeError, NotImplementedError) as error:
        return in_one_line(getattr(error, "strerror", None) or error)
    return None


def _others(source: Any, others: dict[int, Any], facts: FilmFacts, span: Span) -> Iterator[tuple[Fraction, Any]]:
    """Yield the packets of the other streams of the span, with their times in seconds."""
    if not others:
        return
    first = span.start * facts.time_base if span.start is not None else None
    last = span.stop * facts.time_base if span.stop is not None else None
    av = import_av()
    packets = source.demux([source.streams[index] for index in others])
    while True:
        try:
            packet = next(packets, None)
        except (av.error.InvalidDataError, av.error.EOFError):
            # The source is cut short.
            return
        if packet is None:
            return
        if packet.dts is None and packet.pts is None:
            if packet.size and is_cover(packet.stream):
                packet.pts = packet.dts = 0
                packet.stream = others[packet.stream_index]
                yield Fraction(0), packet
            continue
        if (
            packet.size == len(_NO_WORDS)
            and bytes(packet) == _NO_WORDS
            and packet.stream.codec_context.name == "mov_text"
        ):
            # The end of the words before, which the container writes itself.
            continue
        begin = (packet.pts if packet.pts is not None else packet.dts) * packet.time_base
        if (first is not None and begin < first) or (last is not None and begin >= last):
            continue
        if first is not None:
            shift = round(first / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = None if packet.dts is None else packet.dts - shift
        time = (packet.dts if packet.dts is not None else packet.pts) * packet.time_base
        packet.stream = others[packet.stream_index]
        yield time, packet


def _packet(dated: Dated, video: Any, facts: FilmFacts, shift: int) -> Any:
    coded = dated.packet
    packet = import_av().Packet(coded.data)
    packet.pts, packet.dts, packet.duration = coded.pts - shift, dated.dts - shift, coded.duration
    packet.time_base, packet.is_keyframe, packet.stream = facts.time_base, coded.key, video
    return packet
