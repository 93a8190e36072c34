"""The mark of a film: where each container has a place for what a result says of how it was made.

MP4: an XMP packet in a `uuid` box at the end of the file, which moves nothing. MOV: the same packet as `XMP_` in
`udta`. Matroska and WebM have no place for XMP: tags of their own hold what it says. Each of them gets a comment that
people can read, too.
Source: XMP Specification Part 3 (ISO 16684-3), storage in MPEG-4 and QuickTime; Matroska tag specifications.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from colorrt.runtime.film.opening import import_av
from colorrt.runtime.provenance.mark import DIGITAL_SOURCE_TYPE, marked_xmp

if TYPE_CHECKING:
    from pathlib import Path

    from colorrt.runtime.provenance.mark import Mark

XMP_BOX = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac")
"""The extended type of a box that holds XMP."""

MP4 = (".mp4", ".m4v")
"""Suffixes of films whose mark is appended."""

_BEGINNING = "Colorized by colorrt "
_HEAD = struct.Struct(">I4s16s")


def read_film_xmp(path: Path) -> bytes | None:
    """Return the XMP packet of an MP4 or MOV; None where it has none, or it cannot be read."""
    av = import_av()
    with suppress(av.error.FFmpegError, OSError), av.open(str(path), options={"export_xmp": "1"}) as container:
        text = container.metadata.get("xmp")
        return text.encode("utf-8", "surrogateescape") if text else None
    return None


def mark_metadata(made: Any, suffix: str, mark: Mark, xmp: bytes) -> None:
    """Write the mark into the metadata of a container that is being made. xmp: `marked_xmp`.

    What the source says in its comment stays, but for that of an earlier coloring. MP4 gets its packet afterwards, by
    `append_xmp`.
    """
    name = next((name for name in made.metadata if name.lower() == "comment"), "comment")
    kept = [line for line in made.metadata.get(name, "").splitlines() if not line.startswith(_BEGINNING)]
    version = mark.tool.removeprefix("colorrt ")
    model = f"model {mark.model}, render factor {', '.join(map(str, mark.render_factors))}"
    made.metadata[name] = "\n".join([*kept, f"{_BEGINNING}{version} from {mark.source}: {model}"])
    suffix = suffix.lower()
    if suffix == ".mov":
        made.metadata["xmp"] = xmp.decode("utf-8", "surrogateescape")
    elif suffix not in MP4:
        made.metadata["DIGITAL_SOURCE_TYPE"] = DIGITAL_SOURCE_TYPE
        made.metadata["COLORRT_TOOL"] = mark.tool
        made.metadata["COLORRT_MODEL"] = mark.model
        made.metadata["COLORRT_WEIGHTS_SHA256"] = mark.weights_sha256
        made.metadata["COLORRT_SOURCE"] = mark.source


def append_xmp(path: Path, xmp: bytes) -> None:
    """Put the packet behind an MP4 file that is whole. Raises OSError."""
    with path.open("ab") as file:
        file.write(_HEAD.pack(_HEAD.size + len(xmp), b"uuid", XMP_BOX.bytes) + xmp)


def make_xmp(source: Path, mark: Mark) -> bytes:
    """Return the packet of a result: that of its source, with the mark."""
    return marked_xmp(read_film_xmp(source), mark)
