"""What a scan carries arrives in its colored copy, page by page, and what is wrong fails alone."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, PngImagePlugin, features

from colorrt import kernels
from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.folder import Outcome, Result, Settings, color_jobs
from colorrt.runtime.jobs import Job
from colorrt.runtime.pictures import open_pages, read_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

GENERATOR = np.random.default_rng(0)
GRAY = GENERATOR.integers(0, 256, (24, 40)).astype(np.uint8)
DEEP = GENERATOR.integers(0, 65536, (24, 40)).astype(np.uint16)
XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>'
    b'<rdf:Description tiff:Orientation="6" photoshop:ColorMode="1" dc:source="box 7">'
    b"<tiff:BitsPerSample><rdf:Seq><rdf:li>8</rdf:li></rdf:Seq></tiff:BitsPerSample>"
    b"<dc:title>Harbor</dc:title></rdf:Description></rdf:RDF></x:xmpmeta>"
)
IPTC = b"\x1c\x02\x05\x00\x06Harbor"


@pytest.fixture(scope="module")
def colorizer(tiny_onnx: Path) -> Iterator[Colorizer]:
    with Colorizer(tiny_onnx, render_factor=1) as colorizer:
        yield colorizer


@pytest.fixture
def color(colorizer: Colorizer, tmp_path: Path) -> Callable[..., Result]:
    """Color one file into the folder out, under its own name or another."""

    def run(source: Path, name: str | None = None, **settings: Any) -> Result:
        job = Job(source, tmp_path / "out" / (name or source.name))
        (result,) = color_jobs(colorizer, [job], Settings(overwrite=True, **settings), lambda _: None)
        return result

    return run


def assert_luma(path: Path, gray: NDArray[Any], page: int = 0) -> None:
    with open_pages(path) as pages:
        pixels = pages.read(page).pixels
    assert pixels.dtype == gray.dtype
    assert pixels.shape == (*gray.shape, 3)
    assert np.abs(kernels.luma(pixels).astype(int) - gray).max() <= 1
    # The tiny network paints everything orange.
    assert (pixels[..., 0] > pixels[..., 2]).mean() > 0.9


def assert_failed(result: Result, words: str) -> None:
    assert result.outcome is Outcome.FAILED
    assert result.reason is not None
    assert "\n" not in result.reason
    assert words in result.reason
    folder = result.job.target.parent
    assert not folder.exists() or [path.name for path in folder.iterdir()] == []


# Scans


@pytest.mark.parametrize("levels", [GRAY, DEEP], ids=["8", "16"])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_gray_tiff_becomes_color_of_its_depth(
    color: Callable[..., Result], tmp_path: Path, levels: NDArray[Any], compression: str
) -> None:
    Image.fromarray(levels).save(tmp_path / "a.tif", compression=compression)
    assert color(tmp_path / "a.tif").outcome is Outcome.DONE
    assert_luma(tmp_path / "out/a.tif", levels)
    with tifffile.TiffFile(tmp_path / "out/a.tif") as file:
        assert (file.pages[0].compression == 1) == (compression == "raw")


@pytest.mark.parametrize("levels", [GRAY, DEEP], ids=["8", "16"])
@pytest.mark.parametrize("options", [{"tile": (16, 16)}, {"bigtiff": True}, {"photometric": "miniswhite"}], ids=str)
def test_tiles_big_tiff_and_negatives_are_colored(
    color: Callable[..., Result], tmp_path: Path, levels: NDArray[Any], options: dict[str, Any]
) -> None:
    negative = options.get("photometric") == "miniswhite"
    tifffile.imwrite(tmp_path / "a.tif", ~levels if negative else levels, metadata=None, **options)
    assert color(tmp_path / "a.tif").outcome is Outcome.DONE
    assert_luma(tmp_path / "out/a.tif", levels)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt", "raw"])
def test_bilevel_fax_tiff_is_colored(color: Callable[..., Result], tmp_path: Path, compression: str) -> None:
    bits = GRAY > 100
    Image.fromarray(bits).save(tmp_path / "a.tif", compression=compression)
    assert color(tmp_path / "a.tif").outcome is Outcome.DONE
    assert np.array_equal(kernels.luma(read_picture(tmp_path / "out/a.tif").pixels), bits * np.uint8(255))


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "P", "LAB", "YCbCr"])
def test_color_scan_gives_its_luma(color: Callable[..., Result], tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(np.dstack([GRAY // 2 + 60, GRAY // 2 + 40, GRAY // 2 + 20]))
    image = image.quantize(64) if mode == "P" else image.convert(mode) if mode != "LAB" else as_lab(image)
    image.save(tmp_path / "a.tif", compression="tiff_lzw")
    expected = kernels.luma(read_picture(tmp_path / "a.tif").pixels)
    assert color(tmp_path / "a.tif").outcome is Outcome.DONE
    assert_luma(tmp_path / "out/a.tif", expected)


def as_lab(image: Image.Image) -> Image.Image:
    lab = ImageCms.profileToProfile(
        image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    return lab


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
@pytest.mark.parametrize("levels", [GRAY, DEEP], ids=["8", "16"])
def test_alpha_keeps_its_depth(color: Callable[..., Result], tmp_path: Path, name: str, levels: NDArray[Any]) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.dstack([levels, levels[::-1]]),
        planarconfig="contig",
        photometric="minisblack",
        extrasamples=["unassalpha"],
        metadata=None,
    )
    assert color(tmp_path / "a.tif", name).outcome is Outcome.DONE
    assert_luma(tmp_path / "out" / name, levels)
    assert np.array_equal(read_picture(tmp_path / "out" / name).alpha, levels[::-1])


@pytest.mark.skipif(not features.check("webp"), reason="this Pillow has no WebP")
def test_webp_is_read_and_written(color: Callable[..., Result], tmp_path: Path) -> None:
    Image.fromarray(np.tile(np.arange(0, 240, 6, dtype=np.uint8), (24, 1))).save(tmp_path / "a.webp", lossless=True)
    assert color(tmp_path / "a.webp").outcome is Outcome.DONE
    again = read_picture(tmp_path / "out/a.webp")
    assert again.format == "WEBP"
    assert (again.pixels[..., 0].astype(int) - again.pixels[..., 2]).mean() > 10


@pytest.mark.parametrize("size", [(1, 1), (65535, 1), (1, 65535), (7, 3)])
@pytest.mark.parametrize("name", ["a.tif", "a.png"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_sides_of_any_length_are_colored(
    color: Callable[..., Result], tmp_path: Path, size: tuple[int, int], name: str, dtype: type[np.generic]
) -> None:
    gray = np.full(size[::-1], np.iinfo(dtype).max // 2, dtype)
    Image.fromarray(gray).save(tmp_path / name)
    assert color(tmp_path / name).outcome is Outcome.DONE
    assert_luma(tmp_path / "out" / name, gray)


# What they carry


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


# Pages


def write_pages(path: Path, pages: list[NDArray[Any]], **options: Any) -> Path:
    with tifffile.TiffWriter(path, **options) as file:
        for page in pages:
            file.write(page, photometric="rgb" if page.ndim == 3 else "minisblack", metadata=None, contiguous=False)
    return path


MIXED = [GRAY, DEEP[:, :11], np.dstack([GRAY, GRAY[::-1], GRAY])[:5], GRAY[:1, :1], DEEP]


@pytest.mark.parametrize("big", [False, True])
def test_every_page_is_colored_at_its_own_size_and_depth(
    color: Callable[..., Result], tmp_path: Path, big: bool
) -> None:
    source = write_pages(tmp_path / "a.tif", MIXED, bigtiff=big)
    assert color(source).outcome is Outcome.DONE
    with open_pages(tmp_path / "out/a.tif") as pages:
        assert len(pages) == len(MIXED)
    for number, page in enumerate(MIXED):
        assert_luma(tmp_path / "out/a.tif", kernels.luma(page), number)


def test_page_that_only_tifffile_reads_may_stand_anywhere(color: Callable[..., Result], tmp_path: Path) -> None:
    odd = np.dstack([DEEP, DEEP[::-1]])
    for pages in ([odd, GRAY], [GRAY, odd, DEEP]):
        with tifffile.TiffWriter(tmp_path / "a.tif") as file:
            for page in pages:
                kinds = {"extrasamples": ["unassalpha"], "planarconfig": "contig"} if page is odd else {}
                file.write(page, photometric="minisblack", metadata=None, **kinds)
        result = color(tmp_path / "a.tif")
        assert result.outcome is Outcome.DONE, result.reason
        for number, page in enumerate(pages):
            assert_luma(tmp_path / "out/a.tif", DEEP if page is odd else page, number)


def test_previews_are_no_pages(color: Callable[..., Result], tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page, kind in ((GRAY, 0), (GRAY[::4, ::4], 1), (DEEP, 0)):
            file.write(page, photometric="minisblack", metadata=None, subfiletype=kind)
    assert color(tmp_path / "a.tif").outcome is Outcome.DONE
    with tifffile.TiffFile(tmp_path / "out/a.tif") as file:
        assert [page.shape for page in file.pages] == [(24, 40, 3)] * 2


def test_each_page_keeps_its_metadata(color: Callable[..., Result], tmp_path: Path) -> None:
    pages = []
    for number in range(3):
        image = Image.fromarray(GRAY)
        image.encoderinfo = {"tiffinfo": {285: f"page {number}"}, "dpi": (100 + number, 100 + number)}
        pages.append(image)
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:], **pages[0].encoderinfo)
    assert color(tmp_path / "a.tif").outcome is Outcome.DONE
    with Image.open(tmp_path / "out/a.tif") as image:
        for number in range(3):
            image.seek(number)
            assert image.getexif()[285] == f"page {number}"
            assert image.info["dpi"] == (100 + number, 100 + number)


def test_damaged_page_fails_the_file_and_names_the_page(color: Callable[..., Result], tmp_path: Path) -> None:
    source = write_pages(tmp_path / "a.tif", [GRAY, GRAY, GRAY])
    with tifffile.TiffFile(source) as file:
        place = file.pages[1].tags[273].valueoffset
    whole = bytearray(source.read_bytes())
    whole[place : place + 4] = struct.pack("<I", len(whole) - 10)
    source.write_bytes(whole)
    assert_failed(color(source), "page 2 of 3: it is damaged or cut off")


def test_too_large_page_fails_the_file_and_names_the_page(color: Callable[..., Result], tmp_path: Path) -> None:
    source = write_pages(tmp_path / "a.tif", [GRAY, GRAY, np.zeros((100, 100), np.uint8)])
    assert_failed(color(source, max_pixels=5000), "page 3 of 3: its 100 x 100 = 10,000 pixels are more than the limit")


def test_output_that_holds_one_page_is_refused_for_several(color: Callable[..., Result], tmp_path: Path) -> None:
    source = write_pages(tmp_path / "a.tif", [GRAY, GRAY])
    assert_failed(color(source, "a.png"), "it has 2 pages, and a.png would hold only one; name the output .tif")


def test_interrupt_between_pages_leaves_no_file(
    colorizer: Colorizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_pages(tmp_path / "a.tif", [GRAY, GRAY, GRAY])
    real, calls = colorizer.guess, iter(range(9))

    def guess(squares: Any) -> Any:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return real(squares)

    monkeypatch.setattr(colorizer, "guess", guess)
    with pytest.raises(KeyboardInterrupt):
        color_jobs(colorizer, [Job(source, tmp_path / "out/a.tif")], Settings(), lambda _: None)
    assert list((tmp_path / "out").iterdir()) == []


# What is wrong fails alone


def test_wrong_inputs_fail_alone_in_one_line(colorizer: Colorizer, tmp_path: Path) -> None:
    whole = io.BytesIO()
    Image.fromarray(DEEP).save(whole, "TIFF", compression="tiff_lzw")
    contents = {
        "empty.tif": b"",
        "cut.tif": whole.getvalue()[: len(whole.getvalue()) // 2],
        "text.tif": b"Dear all,\n",
        "loop.tif": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
        "good.tif": whole.getvalue(),
        "named.jpg": whole.getvalue(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    jobs = [Job(tmp_path / name, tmp_path / "out" / name) for name in contents]
    results = color_jobs(colorizer, jobs, Settings(), lambda _: None)
    assert [result.outcome for result in results] == [Outcome.FAILED] * 4 + [Outcome.DONE] * 2
    for result in results[:4]:
        assert str(result.reason).startswith(f"{result.job.source}: ")
        assert "\n" not in str(result.reason)
    assert_luma(tmp_path / "out/good.tif", DEEP)
