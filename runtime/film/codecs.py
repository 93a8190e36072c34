"""What films are written with: encoders, their pixel formats, containers and settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from colorrt.errors import PictureError, UsageError
from colorrt.runtime.film.layout import planar_format

if TYPE_CHECKING:
    from pathlib import Path

    from colorrt.kernels.film import Coding
    from colorrt.runtime.film.layout import Layout

HIGHEST_CRF = 51


@dataclass(frozen=True)
class Codec:
    """A way to write films.

    `encoder`: FFmpeg's name. `suffixes`: of the containers that hold it, the usual one first. `deepens`: whether luma
    of fewer bits may be written with more (a production codec has one depth).
    """

    encoder: str
    suffixes: tuple[str, ...]
    deepens: bool = False


_ANY = (".mp4", ".mkv", ".mov", ".m4v")
CODECS = {
    "x264": Codec("libx264", _ANY),
    "x265": Codec("libx265", (".mp4", ".mkv", ".mov")),
    "av1": Codec("libsvtav1", (".mp4", ".mkv", ".webm")),
    "prores": Codec("prores_ks", (".mov", ".mkv"), deepens=True),
    "dnxhr": Codec("dnxhd", (".mov", ".mkv"), deepens=True),
    "ffv1": Codec("ffv1", (".mkv",)),
}
SUFFIXES = (".mp4", ".mkv", ".mov", ".m4v", ".webm")
"""Containers that films are written to."""


@dataclass(frozen=True)
class FilmCoding:
    """How a film is coded: `codec` of CODECS, `crf` 0..51 of x264, x265 and AV1, `preset` of x264 and x265."""

    codec: str = "x264"
    crf: int = 16
    lossless: bool = False
    preset: str = "veryfast"

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise UsageError(f"there is no codec {self.codec!r} here; take one of {', '.join(CODECS)}")
        if not 0 <= self.crf <= HIGHEST_CRF:
            raise UsageError(f"crf {self.crf} is outside 0..{HIGHEST_CRF}; 16 keeps what can be seen, 23 is usual")
        if self.lossless and self.codec not in ("x264", "ffv1"):
            raise UsageError(f"{self.codec} keeps no luma bit for bit here; --lossless goes with x264 and ffv1")
        if self.preset not in PRESETS:
            raise UsageError(f"there is no preset {self.preset!r}; take one of {', '.join(PRESETS)}")

    @property
    def keeps_luma(self) -> bool:
        """Whether luma comes out bit for bit."""
        return self.lossless or self.codec == "ffv1"


PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")


@dataclass(frozen=True)
class Output:
    """What frames are written as."""

    encoder: str
    pixel_format: str
    coding: Coding
    options: dict[str, str]


def choose_output(film_coding: FilmCoding, layout: Layout, coding: Coding, size: tuple[int, int]) -> Output:
    """Choose the pixel format: the depth of the luma, and its own sampling of chroma where the encoder has it.

    size: height and width. Gray gets 4:2:0, or the coarsest sampling whose blocks the size is a multiple of.
    Raises PictureError when the encoder cannot hold that depth, saying which could.
    """
    codec = CODECS[film_coding.codec]
    wanted = layout.step or (2, 2)
    formats = dict(_formats(codec.encoder))
    depths = sorted({depth for depth, _ in formats.values()})
    fitting = [depth for depth in depths if depth == layout.depth or (codec.deepens and depth > layout.depth)]
    if not fitting:
        others = [
            name for name in CODECS if layout.depth in {depth for depth, _ in _formats(CODECS[name].encoder).values()}
        ]
        raise PictureError(
            f"its luma has {layout.depth} bits, and {film_coding.codec} has {' or '.join(map(str, depths))}; take "
            f"--codec {' or '.join(others or ['ffv1'])}"
        )
    depth = fitting[0]
    choices = {name: step for name, (bits, step) in formats.items() if bits == depth}
    whole = {
        name: step
        for name, step in choices.items()
        if film_coding.codec == "ffv1" or (size[0] % step[0] == 0 and size[1] % step[1] == 0)
    }
    if not whole:
        raise PictureError(
            f"its size {size[1]} x {size[0]} is odd, which {film_coding.codec} cannot hold; take --codec ffv1"
        )
    # Its own sampling; else the next finer one; else the finest that there is.
    name = min(whole, key=lambda name: _distance(whole[name], wanted))
    chosen = replace(coding, depth=depth, step=whole[name])
    return Output(codec.encoder, name, chosen, _options(film_coding, name))


def _distance(step: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int]:
    coarser = sum(max(ours // its, 1) - 1 for ours, its in zip(step, wanted, strict=True))
    finer = sum(max(its // ours, 1) - 1 for ours, its in zip(step, wanted, strict=True))
    return coarser, finer


def _formats(encoder: str) -> dict[str, tuple[int, tuple[int, int]]]:
    import av

    found = av.codec.Codec(encoder, "w").video_formats or []
    names = {pixel_format.name: planar_format(pixel_format.name) for pixel_format in found}
    return {name: known for name, known in names.items() if known is not None}


def _options(film_coding: FilmCoding, pixel_format: str) -> dict[str, str]:
    crf, preset = str(film_coding.crf), film_coding.preset
    if film_coding.codec == "x264":
        quality = {"qp": "0"} if film_coding.lossless else {"crf": crf}
        # With mbtree the same pictures come out otherwise once in a while (measured, x264 of PyAV 18.1).
        return {"preset": preset, **quality, "x264-params": "stitchable=1:open-gop=0:mbtree=0"}
    if film_coding.codec == "x265":
        return {"preset": preset, "crf": crf, "x265-params": "log-level=error:open-gop=0"}
    if film_coding.codec == "av1":
        return {"preset": "8", "crf": crf}
    if film_coding.codec == "prores":
        return {"profile": "4444" if "444" in pixel_format else "hq", "vendor": "apl0"}
    if film_coding.codec == "dnxhr":
        kinds = {"yuv422p": "dnxhr_hq", "yuv422p10le": "dnxhr_hqx", "yuv444p10le": "dnxhr_444"}
        return {"profile": kinds[pixel_format]}
    return {"level": "3", "slicecrc": "1", "g": "1"}


@dataclass(frozen=True)
class Tags:
    """What an encoder is told besides pixels: numbers of H.273, and the shape of pixels."""

    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    matrix: int
    primaries: int
    transfer: int
    full: bool
    aspect: Fraction | None


def set_up(context: Any, output: Output, tags: Tags) -> None:
    """Tell an encoder (`av.VideoCodecContext`, not opened yet) what it will be given."""
    context.width, context.height = tags.width, tags.height
    context.pix_fmt = output.pixel_format
    context.time_base = tags.time_base
    context.framerate = tags.rate
    context.colorspace, context.color_range = tags.matrix, 2 if tags.full else 1
    context.color_primaries, context.color_trc = tags.primaries, tags.transfer
    if tags.aspect:
        context.sample_aspect_ratio = tags.aspect
    context.options = dict(output.options)
    context.thread_type = "AUTO"


def check_container(target: Path, film_coding: FilmCoding) -> None:
    """Raise UsageError when the file that is to be written cannot hold the codec."""
    suffixes = CODECS[film_coding.codec].suffixes
    if target.suffix.lower() not in suffixes:
        raise UsageError(
            f"{target}: {film_coding.codec} goes into {' or '.join(suffixes)}; name such a file with -o, or take "
            "another --codec"
        )
