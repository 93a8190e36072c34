"""A zoo of odd files, made anew in seconds: pictures of every kind, whole, stretched, cut, padded and lying."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np
from picture_files import png_bytes, png_chunk, tiff_bytes
from PIL import Image, PngImagePlugin, features

if TYPE_CHECKING:
    from collections.abc import Iterator

GRAY = np.random.default_rng(4).integers(0, 256, (24, 32), np.uint8)
RGB = np.dstack([GRAY, GRAY[::-1], GRAY[:, ::-1]])


def encode(kind: str, image: Image.Image, **options: object) -> bytes:
    """Return an image as a file of this format."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def sound_files() -> dict[str, bytes]:
    """Return pictures that must be read, by name."""
    files: dict[str, bytes] = {}
    gray, color = Image.fromarray(GRAY), Image.fromarray(RGB)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        image = Image.fromarray(GRAY.astype(np.uint16) * 257) if mode == "I;16" else color.convert(mode)
        files[f"{mode}.png".replace(";", "")] = encode("PNG", image)
    for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "LAB", "YCbCr", "F", "I"):
        image = color.convert(mode) if mode != "LAB" else Image.merge("LAB", color.split())
        files[f"{mode}.tif"] = encode("TIFF", image)
    for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "group4"):
        files[f"{name}.tif"] = encode("TIFF", gray.convert("1") if name == "group4" else gray, compression=name)
    for mode in ("L", "RGB", "CMYK"):
        for progressive in (False, True):
            files[f"{mode}-{progressive}.jpg"] = encode("JPEG", color.convert(mode), progressive=progressive)
    for mode in ("L", "RGB", "P", "1"):
        files[f"{mode}.bmp"] = encode("BMP", color.convert(mode))
    files["a.gif"], files["a.pgm"], files["a.ppm"] = encode("GIF", gray), encode("PPM", gray), encode("PPM", color)
    files["a.tga"], files["a.pbm"] = encode("TGA", color), encode("PPM", gray.convert("1"))
    if features.check("webp"):
        files["a.webp"], files["b.webp"] = encode("WEBP", color), encode("WEBP", color, lossless=True)
    if features.check("jpg_2000"):
        files["a.jp2"] = encode("JPEG2000", color)
    for side in ((1, 1), (1, 500), (500, 1)):
        for name, kind in (("png", "PNG"), ("jpg", "JPEG"), ("tif", "TIFF")):
            files[f"{side[0]}x{side[1]}.{name}"] = encode(kind, Image.new("L", side, 77))
    files["wrong-name.jpg"] = files["L.png"]
    files["with a film behind.jpg"] = files["L-False.jpg"] + b"\0\0\0\x18ftypmp42" + bytes(5000)
    files["zeros behind.png"] = files["L.png"] + bytes(5000)
    files["12 bits.tif"] = tiff_bytes(bytes(18), (4, 3), bits=12)
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        files[f"turned {orientation}.jpg"] = encode("JPEG", gray, exif=exif)
    return files


def hostile_files() -> Iterator[tuple[str, bytes]]:
    """Yield files that no picture can be read of, by name."""
    sound = sound_files()
    for name in ("L.png", "RGB.tif", "L-False.jpg", "RGB-True.jpg", "L.bmp", "a.gif", "a.ppm", "a.tga", "tiff_lzw.tif"):
        whole = sound[name]
        yield f"cut at the head {name}", whole[:20]
        yield f"cut in the middle {name}", whole[: len(whole) // 2]
    for name, data in (
        ("nothing.jpg", b""),
        ("one byte.png", b"\xff"),
        ("text.tif", b"Dear diary,\n" * 40),
        ("page.jpg", b"<!DOCTYPE html><html><body>404</body></html>"),
        ("paper.png", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n"),
        ("zeros.jpg", bytes(9000)),
        ("ones.jpg", b"\xff" * 9000),
        ("vector.png", b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"),
        ("script.tif", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"),
        ("zipped.png", gzip.compress(sound["L.png"], mtime=0)),
        ("film.jpg", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(900)),
        ("heic stub.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(900)),
        ("avif stub.png", b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + bytes(900)),
        ("jxl stub.png", b"\xff\x0a" + bytes(90)),
        ("webp stub.jpg", b"RIFF\xff\xff\xff\x7fWEBPVP8X" + bytes(900)),
        ("no width.png", png_bytes(0, 8, 0, [b""])),
        (
            "huge.png",
            b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 1 << 30, 1 << 30, 8, 0, 0, 0, 0)),
        ),
        ("endless chunk.png", sound["L.png"][:33] + struct.pack(">I4s", 0xFFFFFFFF, b"IDAT") + bytes(50)),
        ("no pixels.png", sound["L.png"][:33] + png_chunk(b"IEND", b"")),
        ("empty data.png", sound["L.png"][:33] + png_chunk(b"IDAT", zlib.compress(b"")) + png_chunk(b"IEND", b"")),
        ("bits 7.png", sound["L.png"][:24] + b"\x07" + sound["L.png"][25:]),
        ("huge.tif", tiff_bytes(bytes(9), (1 << 20, 1 << 20))),
        ("itself.tif", b"II*\0\x08\0\0\0\0\0\x08\0\0\0"),
        ("nowhere.tif", b"II*\0\xff\xff\xff\xff"),
        ("no tags.tif", b"MM\0*\0\0\0\x08\0\0\0\0\0\0"),
        ("unknown compression.tif", tiff_bytes(bytes(12), (4, 3), compression=65000)),
        ("lzw of zeros.tif", tiff_bytes(bytes(12), (4, 3), compression=5)),
        ("deflate of zeros.tif", tiff_bytes(bytes(12), (4, 3), compression=8)),
        ("bits 64.tif", tiff_bytes(bytes(96), (4, 3), bits=64)),
        ("fill.jpg", b"\xff\xd8" + b"\xff" * (2 << 20) + b"\xd9"),
        ("two starts.jpg", b"\xff\xd8" * 5000),
        ("no frame.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9"),
        ("half.jpg", sound["RGB-False.jpg"][: len(sound["RGB-False.jpg"]) * 3 // 4] + b"\xff\xd9"),
        ("no height.jpg", _without_height(sound["L-False.jpg"])),
        ("endless numbers.pgm", b"P2\n9 9\n255\n" + b"9" * 5000),
        ("negative.pgm", b"P5\n-9 9\n255\n" + bytes(99)),
        ("huge.pgm", b"P5\n999999 999999\n255\n" + bytes(99)),
        ("huge.bmp", sound["L.bmp"][:18] + struct.pack("<ii", 1 << 30, 1 << 30) + sound["L.bmp"][26:]),
        ("huge.tga", sound["a.tga"][:12] + struct.pack("<HH", 65535, 65535) + sound["a.tga"][16:]),
        ("archive.jpg", _tar(sound["L.png"])),
        ("archive.png", _zip(sound["L.png"])),
    ):
        yield name, data


def bombs_of_text() -> dict[str, bytes]:
    """Return pictures whose metadata are odd, and which may be read or refused."""
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>" + "<xmp:Thumbnails>x" * 9000)
    files = {"xmp.png": encode("PNG", Image.fromarray(GRAY), pnginfo=texts)}
    for number in range(12):
        rng = np.random.default_rng(number)
        exif = b"Exif\0\0" + (b"II*\0\x08\0\0\0" if number % 2 else b"MM\0*\0\0\0\x08") + rng.bytes(60 * (1 + number))
        files[f"exif {number}.jpg"] = encode("JPEG", Image.fromarray(GRAY), exif=exif)
        profile = bytearray(rng.bytes(140 + 20 * number))
        profile[16:20] = (b"GRAY", b"RGB ", b"CMYK")[number % 3]
        files[f"profile {number}.png"] = encode("PNG", Image.fromarray(GRAY), icc_profile=bytes(profile))
        mode = "CMYK" if number % 3 == 2 else "L"
        files[f"profile {number}.jpg"] = encode("JPEG", Image.fromarray(RGB).convert(mode), icc_profile=bytes(profile))
    return files


def _without_height(whole: bytes) -> bytes:
    place = whole.index(b"\xff\xc0")
    return whole[: place + 5] + b"\0\0" + whole[place + 7 :]


def _tar(data: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo("../../a.png")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def _zip(data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.png", data)
    return stream.getvalue()
