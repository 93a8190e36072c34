"""What a scan carries arrives in its colored copy, turned upright and in profiles that hold color."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from colored_files import DEEP, GRAY
from PIL import Image, ImageCms, PngImagePlugin

from colorrt import kernels
from colorrt.runtime.folder import Outcome, Result
from colorrt.runtime.pictures.reading import read_picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>'
    b'<rdf:Description tiff:Orientation="6" photoshop:ColorMode="1" dc:source="box 7">'
    b"<tiff:BitsPerSample><rdf:Seq><rdf:li>8</rdf:li></rdf:Seq></tiff:BitsPerSample>"
    b"<dc:title>Harbor</dc:title></rdf:Description></rdf:RDF></x:xmpmeta>"
)
IPTC = b"\x1c\x02\x05\x00\x06Harbor"


def tagged(folder: Path, name: str, levels: NDArray[Any], **options: Any) -> Path:
    """A picture that lies on its side (orientation 6), with every kind of metadata that its format holds."""
    tags = Image.Exif()
    tags[0x0112] = 6
    tags[0x010F] = "Maker"
    tags[0x8769] = {0x9003: "1936:02:01 00:00:00"}
    path = folder / name
    options = {"exif": tags, "dpi": (600, 300)} | options
    if path.suffix == ".tif":
        tags[700], tags[33723] = XMP, IPTC
        options["exif"] = tags.tobytes()
    elif path.suffix == ".png":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options["pnginfo"] = texts
    elif path.suffix == ".jpg":
        resource = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC + bytes(len(IPTC) % 2)
        xmp = b"http://ns.adobe.com/xap/1.0/\0" + XMP
        options["extra"] = b"".join(
            struct.pack(">BBH", 0xFF, mark, 2 + len(data)) + data for mark, data in ((0xE1, xmp), (0xED, resource))
        )
    Image.fromarray(levels).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("a.tif", "a.tif"), ("a.jpg", "a.tif"), ("a.png", "a.png"), ("a.tif", "a.jpg"), ("a.png", "a.webp"),
        ("a.jpg", "a.png"), ("a.tif", "a.png"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("levels", [GRAY, DEEP], ids=["8", "16"])
def test_metadata_goes_on_and_says_upright(
    color: Callable[..., Result], tmp_path: Path, name: str, target: str, levels: NDArray[Any]
) -> None:
    if name == "a.jpg" and levels is DEEP:
        pytest.skip("JPEG has 8 bits")
    source = tagged(tmp_path, name, levels)
    assert color(source, target).outcome is Outcome.DONE
    with Image.open(tmp_path / "out" / target) as image:
        assert image.size == (24, 40)
        assert image.getexif().get(0x0112, 1) == 1
    before, after = read_picture(source), read_picture(tmp_path / "out" / target)
    assert after.pixels.shape == (40, 24, 3)
    assert after.exif is not None
    exif = Image.Exif()
    exif.load(after.exif)
    assert exif[0x010F] == "Maker"
    assert exif.get_ifd(0x8769)[0x9003] == "1936:02:01 00:00:00"
    assert after.xmp is not None
    assert b'tiff:Orientation="1"' in after.xmp
    assert b"Harbor" in after.xmp
    assert b'dc:source="box 7"' in after.xmp
    assert b"ColorMode" not in after.xmp
    assert b"BitsPerSample" not in after.xmp
    if not target.endswith(".webp"):
        assert after.dpi == pytest.approx((300, 600), abs=0.02)
    if not target.endswith((".webp", ".png")):
        assert after.iptc == before.iptc
        assert before.iptc == (None if name == "a.png" else IPTC)


def test_iptc_that_is_declared_as_numbers_is_carried(color: Callable[..., Result], tmp_path: Path) -> None:
    for order in "<>":
        block = IPTC + bytes(-len(IPTC) % 4)
        numbers = struct.unpack(f"{order}{len(block) // 4}I", block)
        tags = [(33723, "I", len(numbers), numbers, True)]
        tifffile.imwrite(tmp_path / "a.tif", GRAY, metadata=None, byteorder=order, extratags=tags)
        assert color(tmp_path / "a.tif").outcome is Outcome.DONE
        assert read_picture(tmp_path / "out/a.tif").iptc == block


def gray_profile(exponent: float, *, parametric: bool = False) -> bytes:
    """An ICC profile for gray of this gamma."""
    if parametric:
        curve = b"para" + bytes(4) + struct.pack(">HHi", 0, 0, round(exponent * 65536))
    else:
        curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(exponent * 256)) + bytes(2)
    white = b"XYZ " + bytes(4) + struct.pack(">3I", 63190, 65536, 54061)
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"gray\0" + bytes(78)
    entries, body = [], b""
    for name, element in ((b"desc", text), (b"wtpt", white), (b"kTRC", curve)):
        entries.append(struct.pack(">4sII", name, 128 + 4 + 36 + len(body), len(element)))
        body += element + bytes(-len(element) % 4)
    table = struct.pack(">I", 3) + b"".join(entries)
    header = struct.pack(">I4xI4s4s4s12x4s", 132 + 36 + len(body), 0x02400000, b"mntr", b"GRAY", b"XYZ ", b"acsp")
    return (header.ljust(68, b"\0") + struct.pack(">3I", 63190, 65536, 54061)).ljust(128, b"\0") + table + body


@pytest.mark.parametrize("exponent", [1.0, 1.8, 2.2])
@pytest.mark.parametrize("parametric", [False, True])
@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg"])
def test_gray_profile_becomes_a_color_profile_under_which_gray_looks_the_same(
    color: Callable[..., Result], tmp_path: Path, exponent: float, parametric: bool, name: str
) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (16, 1)).repeat(2, axis=0)
    profile = gray_profile(exponent, parametric=parametric)
    Image.fromarray(ramp).save(tmp_path / name, icc_profile=profile)
    assert color(tmp_path / name, saturation=0.0).outcome is Outcome.DONE
    srgb = ImageCms.createProfile("sRGB")
    with Image.open(tmp_path / name) as before, Image.open(tmp_path / "out" / name) as after:
        looks = []
        for image in (before, after):
            own = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
            converted = ImageCms.profileToProfile(image, own, srgb, outputMode="RGB")
            assert converted is not None
            looks.append(np.asarray(converted).astype(int))
        assert np.asarray(after).shape == (32, 256, 3)
    # A JPEG moves levels by one or two, and a linear ramp makes much of it near black.
    tolerance = 1 if name != "a.jpg" else 3
    assert np.abs(looks[0] - looks[1])[:, 16:].max() <= tolerance
    assert np.array_equal(kernels.luma(read_picture(tmp_path / "out" / name).pixels), ramp) or name == "a.jpg"


def test_gray_profile_that_is_damaged_costs_no_picture(color: Callable[..., Result], tmp_path: Path) -> None:
    for profile in (gray_profile(1.8)[:150], gray_profile(1.8).replace(b"kTRC", b"xTRC"), b"nonsense" * 30):
        Image.fromarray(GRAY).save(tmp_path / "a.tif", icc_profile=profile)
        assert color(tmp_path / "a.tif").outcome is Outcome.DONE
        assert read_picture(tmp_path / "out/a.tif").icc_profile is None


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
@pytest.mark.parametrize("levels", [GRAY, DEEP], ids=["8", "16"])
def test_rgb_profile_is_carried_as_it_is(
    color: Callable[..., Result], tmp_path: Path, name: str, levels: NDArray[Any]
) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(levels).save(tmp_path / name, icc_profile=profile)
    assert color(tmp_path / name).outcome is Outcome.DONE
    with Image.open(tmp_path / "out" / name) as image:
        assert image.info["icc_profile"] == profile
