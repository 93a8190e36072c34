"""Color profiles: what of a picture's ICC profile is right for its colored copy."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image, ImageCms

# sRGB's primaries, adapted to D50 as ICC asks, in 65536ths (IEC 61966-2-1; as in every sRGB profile).
_RED = (28578, 14581, 913)
_GREEN = (25238, 46983, 6358)
_BLUE = (9376, 3972, 46802)
_D50 = (63190, 65536, 54061)

_DESCRIPTION = "Gray profile's tone curve, sRGB primaries"
_SAMPLES = 256


def profile_of_copy(profile: object, *, gray: bool) -> bytes | None:
    """Return the profile that the colored copy of a picture is to carry, None for none.

    `profile`: the picture's own, `gray`: whether the picture is gray. An RGB profile is carried as it is. To a gray
    profile belongs an RGB profile with its tone curve for all three channels: what is neutral looks as it did, and
    no level has to change. Profiles of ink, and what is no profile, give None.
    """
    if not isinstance(profile, bytes) or len(profile) < 132:
        return None
    space = profile[16:20]
    if space == b"RGB ":
        return profile
    if space != b"GRAY" or not gray:
        return None
    try:
        curve = _gray_curve(profile) or _sampled_curve(profile)
    except Exception:
        # Damaged metadata must not cost the picture.
        return None
    return _matrix_profile(curve)


def _gray_curve(profile: bytes) -> bytes | None:
    """Return the tone curve of a gray profile, an ICC element of type curv or para."""
    (count,) = struct.unpack_from(">I", profile, 128)
    for index in range(min(count, 100)):
        name, offset, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        curve = profile[offset : offset + size]
        if name == b"kTRC" and len(curve) == size and curve[:4] in (b"curv", b"para"):
            return curve
    return None


def _sampled_curve(profile: bytes) -> bytes:
    """Return the tone curve of a gray profile that has none (but tables), found by converting a ramp to sRGB."""
    ramp = Image.fromarray(np.arange(_SAMPLES, dtype=np.uint8)[None])
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    converted = ImageCms.profileToProfile(ramp, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    if converted is None:
        raise ValueError("nothing converted")
    coded = np.asarray(converted)[0, :, 1] / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    levels: bytes = np.rint(linear * 65535).astype(">u2").tobytes()
    return b"curv" + struct.pack(">II", 0, _SAMPLES) + levels


def _matrix_profile(curve: bytes) -> bytes:
    """Return an ICC profile, version 2.4 or for parametric curves 4.2, of sRGB's primaries and this tone curve."""
    modern = curve[:4] == b"para"
    elements = {
        b"desc": _text_v4(_DESCRIPTION) if modern else _description_v2(_DESCRIPTION),
        b"cprt": _text_v4("No copyright") if modern else b"text\0\0\0\0No copyright\0",
        b"wtpt": _xyz(_D50),
        b"rXYZ": _xyz(_RED),
        b"gXYZ": _xyz(_GREEN),
        b"bXYZ": _xyz(_BLUE),
        b"rTRC": curve,
    }
    entries: list[tuple[bytes, int, int]] = []
    body = b""
    start = 128 + 4 + 12 * (len(elements) + 2)
    for name, element in elements.items():
        entries.append((name, start + len(body), len(element)))
        body += element + bytes(-len(element) % 4)
    _, offset, size = entries[-1]
    entries += [(b"gTRC", offset, size), (b"bTRC", offset, size)]
    table = struct.pack(">I", len(entries)) + b"".join(struct.pack(">4sII", *entry) for entry in entries)
    header = struct.pack(
        ">I4xI4s4s4s12x4s",
        start + len(body),
        0x04200000 if modern else 0x02400000,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        b"acsp",
    )
    header = header.ljust(68, b"\0") + struct.pack(">3I", *_D50)
    return header.ljust(128, b"\0") + table + body


def _xyz(values: tuple[int, int, int]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3I", *values)


def _description_v2(text: str) -> bytes:
    coded = text.encode("ascii") + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(coded)) + coded + bytes(8 + 3 + 67)


def _text_v4(text: str) -> bytes:
    coded = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(coded), 28) + coded
