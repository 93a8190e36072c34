"""Which files are films, by their names, and what theirs become."""

from __future__ import annotations

from pathlib import Path

FILM_SUFFIXES = frozenset(
    (
        *(".3gp", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m1v", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4"),
        *(".mpeg", ".mpg", ".mxf", ".nut", ".ogv", ".qt", ".vob", ".webm", ".wmv", ".y4m"),
    )
)
"""What files of a folder are taken for films: suffixes, lower case with dot."""

NAMED_SUFFIXES = FILM_SUFFIXES | {".ts", ".mts"}
"""What is taken for a film when it is named: in folders these are mostly programs."""

KEPT = {".mp4", ".mkv", ".mov", ".m4v"}
OF_CODEC = {"ffv1": ".mkv", "prores": ".mov", "dnxhr": ".mov"}


def is_film(path: Path) -> bool:
    """Whether a file is taken for a film, by its name."""
    return path.suffix.lower() in NAMED_SUFFIXES


def film_suffix(suffix: str, codec: str) -> str:
    """Return the suffix of the output of a film, where none was named: its own, or that of a container that fits."""
    if codec in OF_CODEC:
        return OF_CODEC[codec]
    lower = suffix.lower()
    return (
        lower
        if lower in KEPT and (codec, lower) not in (("x265", ".m4v"), ("av1", ".mov"), ("av1", ".m4v"))
        else ".mkv"
    )
