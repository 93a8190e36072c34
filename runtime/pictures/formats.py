"""Which formats this build reads, by what mark each is told, and what brings those that it does not."""

from __future__ import annotations

import contextlib
import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, features

if TYPE_CHECKING:
    from typing import BinaryIO

_SUFFIXES_OF = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "PPM": (".pbm", ".pgm", ".pnm", ".ppm"),
    "TGA": (".tga",),
}
if features.check("webp"):
    _SUFFIXES_OF["WEBP"] = (".webp",)
if features.check("jpg_2000"):
    _SUFFIXES_OF["JPEG2000"] = (".jp2",)
# Pillow 11.3 brought AVIF; asking an older one about it is answered with a warning.
if "avif" in features.modules and features.check("avif"):
    _SUFFIXES_OF["AVIF"] = (".avif",)


class _Plugin(NamedTuple):
    """A package that teaches Pillow another format."""

    package: str
    register: str | None
    """What of the package is called; None if importing it is enough."""
    suffixes: tuple[str, ...]


_PLUGINS = {
    "HEIF": _Plugin("pi_heif", "register_heif_opener", (".heic", ".heif", ".hif")),
    "JXL": _Plugin("pillow_jxl", None, (".jxl",)),
}

PICTURE_SUFFIXES = frozenset(suffix for suffixes in _SUFFIXES_OF.values() for suffix in suffixes) | {
    suffix for plugin in _PLUGINS.values() if find_spec(plugin.package) for suffix in plugin.suffixes
}
"""What files of a folder are taken for pictures: suffixes, lower case with dot, that this build can read."""

_MARKS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"GIF8": "GIF",
    b"\xff\x0a": "JXL",
    b"\0\0\0\x0cJXL ": "JXL",
}
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


def mark_of(stream: BinaryIO) -> str | None:
    """Return what format a file says that it is by its first bytes, None where they say nothing known."""
    stream.seek(0)
    beginning = stream.read(32)
    stream.seek(0)
    if beginning[4:8] == b"ftyp":
        # AVIF has "mif1" among its brands too, mostly as the second.
        if b"avif" in beginning[8:] or b"avis" in beginning[8:]:
            return "AVIF"
        return "HEIF" if beginning[8:12] in _HEIF_BRANDS else None
    if beginning.startswith(b"RIFF") and beginning[8:12] == b"WEBP":
        return "WEBP"
    return next((name for mark, name in _MARKS.items() if beginning.startswith(mark)), None)


def formats_to_try(suffix: str, mark: str | None) -> list[str]:
    """Return Pillow's names of the formats that a file may have, with the plugin for its mark loaded.

    Pillow knows further formats, and some of them start programs to decode: not for files from anywhere.
    """
    # TGA has no mark at its beginning: its reader would take random bytes for a picture.
    names = [name for name in _SUFFIXES_OF if name != "TGA" or suffix.lower() == ".tga"]
    plugin = _PLUGINS.get(mark or "")
    if mark is not None and plugin is not None:
        # A plugin that is broken is no better than one that is absent.
        with contextlib.suppress(Exception):
            module = importlib.import_module(plugin.package)
            if plugin.register is not None:
                getattr(module, plugin.register)()
        if mark in Image.OPEN:
            names.append(mark)
    return names


def why_unknown(mark: str | None, names: list[str]) -> str:
    """Return why Pillow took a file for none of these formats, and what to do, for a message."""
    if mark in _PLUGINS and mark not in names:
        return f"it is a {mark} picture, which needs one more package; install it with pip install 'colorrt[formats]'"
    if mark is not None:
        return (
            f"it begins like {mark}, but is damaged or of an unsupported kind; "
            "copy it again from its source, or convert it to PNG"
        )
    return f"its content is none of {', '.join(sorted(names))}; convert it to one of these"


_SUFFIX_OF_MARK = {"HEIF": ".heic", "JPEG": ".jpg", "JXL": ".jxl", "TIFF": ".tif"}
_BEGINNINGS = ((b"BM", ".bmp"), (b"P3", ".ppm"), (b"P6", ".ppm"), (b"\0\0\0\x0cjP  ", ".jp2"))


def suffix_of(stream: BinaryIO) -> str:
    """Return the suffix of the format that a file without a name is of, ".png" where it does not tell."""
    mark = mark_of(stream)
    if mark is not None:
        return _SUFFIX_OF_MARK.get(mark, f".{mark.lower()}")
    beginning = stream.read(16)
    stream.seek(0)
    return next((suffix for begin, suffix in _BEGINNINGS if beginning.startswith(begin)), ".png")
