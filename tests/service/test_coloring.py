"""POST /colorize: what comes out is what `colorrt run` makes of the same file."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from colorrt.kernels import luma
from colorrt.runtime.api import Colorizer

if TYPE_CHECKING:
    from collections.abc import Iterator

GRAY = np.linspace(40, 200, 60 * 90).astype(np.uint8).reshape(60, 90)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def strokes() -> bytes:
    image = Image.new("RGBA", (45, 30))
    image.paste((30, 60, 220, 255), (4, 4, 12, 10))
    return encoded(image, "PNG")


@pytest.fixture(scope="module")
def files_colorizer(tiny_onnx: Path) -> Iterator[Colorizer]:
    with Colorizer(tiny_onnx, render_factor=2) as found:
        yield found


PICTURES = {
    "jpg": (encoded(Image.fromarray(GRAY), "JPEG"), "image/jpeg"),
    "png": (encoded(Image.fromarray(GRAY.astype(np.uint16) * 200), "PNG"), "image/png"),
    "tif": (
        encoded(Image.fromarray(GRAY), "TIFF", save_all=True, append_images=[Image.fromarray(GRAY[::-1])]),
        "image/tiff",
    ),
    "webp": (encoded(Image.fromarray(GRAY).convert("RGBA"), "WEBP"), "image/webp"),
    "gif": (encoded(Image.fromarray(GRAY), "GIF"), "image/png"),
    "bmp": (encoded(Image.fromarray(GRAY), "BMP"), "image/bmp"),
}


@pytest.mark.parametrize("suffix", PICTURES)
def test_the_answer_is_what_run_writes(live: Any, files_colorizer: Colorizer, tmp_path: Path, suffix: str) -> None:
    body, kind = PICTURES[suffix]
    answer = live.client.post("/colorize?render_factor=2&saturation=0.8&quality=90", content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    source = tmp_path / f"old.{suffix}"
    source.write_bytes(body)
    target = files_colorizer.colorize_file(source, tmp_path / f"new.{suffix}", saturation=0.8, quality=90)
    with Image.open(io.BytesIO(answer.content)) as ours, Image.open(target) as theirs:
        assert getattr(ours, "n_frames", 1) == getattr(theirs, "n_frames", 1)
        for page in range(getattr(ours, "n_frames", 1)):
            ours.seek(page)
            theirs.seek(page)
            np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_a_gray_jpeg_keeps_its_coded_luma_as_in_a_run(live: Any, files_colorizer: Colorizer, tmp_path: Path) -> None:
    source = tmp_path / "old.jpg"
    source.write_bytes(encoded(Image.fromarray(GRAY), "JPEG", quality=60))
    answer = live.client.post("/colorize?render_factor=2&mark=0", content=source.read_bytes())
    target = files_colorizer.colorize_file(source, tmp_path / "new.jpg", mark=False)
    assert answer.content == target.read_bytes()
    planes = [simplejpeg.decode_jpeg(data, "GRAY") for data in (source.read_bytes(), answer.content)]
    np.testing.assert_array_equal(*planes)


def test_hints_go_ahead_of_the_picture(live: Any, colorizer: Any) -> None:
    hints, picture = strokes(), encoded(Image.fromarray(GRAY), "PNG")
    answer = live.client.post(f"/colorize?hints={len(hints)}", content=hints + picture)
    with Image.open(io.BytesIO(answer.content)) as image:
        np.testing.assert_array_equal(np.asarray(image), colorizer.colorize(GRAY, hints=hints))
    nearer = live.client.post(f"/colorize?hints={len(hints)}&reach=0.3", content=hints + picture)
    assert nearer.status_code == 200
    assert nearer.content != answer.content


def test_a_picture_to_look_at_is_small_and_keeps_luma(live: Any) -> None:
    answer = live.client.post("/colorize?fit=45", content=encoded(Image.fromarray(GRAY), "TIFF"))
    assert answer.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (45, 30)
        small = np.asarray(Image.fromarray(GRAY).resize((45, 30), Image.Resampling.LANCZOS))
        assert np.abs(luma(np.asarray(image)).astype(int) - small).mean() < 3
        assert np.asarray(image)[..., 0].mean() > np.asarray(image)[..., 2].mean() + 10


def test_metadata_and_mark_go_along_and_can_be_left_out(live: Any) -> None:
    exif = Image.Exif()
    exif[270] = "Grandmother"
    body = encoded(Image.fromarray(GRAY), "JPEG", exif=exif, dpi=(300, 300))
    marked, plain = (live.client.post(f"/colorize?mark={flag}", content=body).content for flag in (1, 0))
    with Image.open(io.BytesIO(marked)) as image:
        assert image.getexif()[270] == "Grandmother"
        assert image.info["dpi"] == (300, 300)
    assert b"colorrt:Model" in marked
    assert b"colorrt:Model" not in plain


@pytest.mark.parametrize(
    ("query", "body", "status", "words"),
    [
        ("", b"", 411, "the body is empty"),
        ("", b"no picture at all", 422, "the picture: its content is none of"),
        ("", PICTURES["jpg"][0][:400], 422, "the picture: it is damaged or cut off"),
        ("", encoded(Image.new("L", (2000, 1000)), "PNG"), 422, "the picture: its 2000 x 1000 = 2,000,000 pixels"),
        ("?fit=100", encoded(Image.new("L", (2000, 1000)), "PNG"), 422, "the picture: its 2000 x 1000 = 2,000,000"),
        ("?lossless_luma=1", PICTURES["png"][0], 422, "the picture"),
        ("?saturation=11", b"x", 400, "saturation='11' is not a number from 0 to 10"),
        ("?saturation=nan", b"x", 400, "saturation='nan'"),
        ("?render_factor=0", b"x", 400, "render_factor='0' is not a whole number from 1 to 64"),
        ("?render_factor=%D9%A3", b"x", 400, "is not a whole number"),
        ("?upsample=cubic", b"x", 400, "choose guided or bilinear"),
        ("?qualtiy=90", b"x", 400, "'qualtiy' is no option"),
        ("?quality=90&quality=80", b"x", 400, "'quality' is given more than once"),
        ("?mark=yes", b"x", 400, "give 1 or 0"),
        ("?model=artistic", b"x", 404, "there is no such model; there is tiny"),
        ("?hints=900", PICTURES["png"][0][:900], 400, "put the PNG of the hints first"),
        ("?hints=5", b"12345" + PICTURES["png"][0], 422, "the hints: its content is none of"),
    ],
)  # fmt: skip
def test_what_cannot_be_colored_is_told_in_one_line(
    live: Any, query: str, body: bytes, status: int, words: str
) -> None:
    answer = live.client.post(f"/colorize{query}", content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    table = json.loads(answer.text)
    assert table["status"] == status
    assert words in table["detail"]
    assert "\n" not in table["detail"]
    # No word of where files lay for a moment.
    assert "colorrt-" not in answer.text
    assert "/tmp" not in answer.text
    assert "/dev" not in answer.text


def test_nothing_is_left_behind(live: Any) -> None:
    places = [Path(tempfile.gettempdir()), Path("/dev/shm")]
    before = {path for place in places if place.is_dir() for path in place.glob("colorrt-*")}
    for body in (PICTURES["tif"][0], PICTURES["tif"][0][:600], b"nothing"):
        live.client.post("/colorize", content=body)
    assert {path for place in places if place.is_dir() for path in place.glob("colorrt-*")} <= before
