"""The static page in a real browser: it colors by itself, as `colorrt run` does, with nothing but a host of files.

Needs Chromium, Playwright, and the npm package onnxruntime-web, which npm fetches; where one is missing, these tests
skip and say so.
"""

from __future__ import annotations

import functools
import http.server
import io
import os
import shutil
import subprocess
import threading
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.marking import mark_of
from colorrt.runtime.provenance.mark import marked_xmp
from colorrt.runtime.shipped import shipped_artifact
from colorrt.service.ort_web import VERSION, read_ort_web
from colorrt.service.static_page import write_page

sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install 'colorrt[dev]'")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60_000
MOST_OFF = 2
"""Levels: one of the kernels, and one of a network with weights in FP16, computed by another build."""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """What `python -m http.server` runs, without its lines."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def package() -> Path:
    """The file that `npm pack` writes: of an earlier run in build/, or fetched now."""
    archive = ROOT / "build" / "npm" / f"onnxruntime-web-{VERSION}.tgz"
    if not archive.is_file():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("no npm, which fetches onnxruntime-web: apt-get install npm")
        archive.parent.mkdir(parents=True, exist_ok=True)
        command = [npm, "pack", f"onnxruntime-web@{VERSION}", "--silent", "--pack-destination", str(archive.parent)]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=120)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"npm does not fetch onnxruntime-web: {error}")
    return archive


@pytest.fixture(scope="module")
def host(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page, in a folder of a host that sends no headers of ours."""
    root = tmp_path_factory.mktemp("host")
    written = write_page(root / "color" / "here", read_ort_web(package), shipped_artifact(), max_pixels=1_000_000)
    assert written.size < 26_000_000
    handler = functools.partial(Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/color/here/"
        server.shutdown()
        thread.join(10)


@pytest.fixture(scope="module")
def page(chromium: Any, host: str) -> Iterator[Any]:
    """The page, isolated, as it is from the second loading on."""
    yield from open_page(chromium, host, isolated=True)


def wait_until_ready(page: Any, *, isolated: bool) -> None:
    """Wait for the page; it loads itself once more to be isolated, which ends what was being asked of it."""
    until = time.monotonic() + PATIENCE / 1000
    while isolated and time.monotonic() < until:
        try:
            if page.evaluate("crossOriginIsolated"):
                break
        except sync_api.Error:
            continue
        page.wait_for_timeout(50)
    page.wait_for_selector("body[data-ready]")


def open_page(chromium: Any, host: str, *, isolated: bool) -> Iterator[Any]:
    """Open it; nothing may go wrong on it, and it may ask no other place than its own folder."""
    context = chromium.new_context(
        viewport={"width": 1200, "height": 800}, service_workers="allow" if isolated else "block"
    )
    context.set_default_timeout(PATIENCE)
    found = context.new_page()
    errors: list[str] = []
    asked: set[str] = set()
    found.on("pageerror", lambda error: errors.append(str(error)))
    found.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    context.on("request", lambda request: asked.add(request.url))
    found.goto(host)
    wait_until_ready(found, isolated=isolated)
    yield found
    context.close()
    assert errors == []
    assert {url for url in asked if not url.startswith((host, "blob:", "data:"))} == set()


@pytest.fixture(scope="module")
def lite() -> Iterator[Colorizer]:
    with Colorizer() as found:
        yield found


@pytest.fixture(scope="module")
def gray() -> NDArray[np.uint8]:
    with Image.open(ROOT / "samples" / "nipomo-1936.jpg") as image:
        return np.asarray(image.convert("L").resize((330, 411)))


@pytest.fixture
def old(tmp_path: Path, gray: NDArray[np.uint8]) -> Path:
    Image.fromarray(gray).save(tmp_path / "älter & alt.png")
    return tmp_path / "älter & alt.png"


def begin_anew(page: Any) -> None:
    page.reload()
    page.wait_for_selector("body[data-ready]")


def give(page: Any, *files: Path) -> None:
    before = page.evaluate("document.body.dataset.answers || ''")
    page.set_input_files("#files", [str(file) for file in files])
    wait_for_answer(page, before)


def wait_for_answer(page: Any, before: str) -> None:
    page.wait_for_selector(f"body[data-answers]:not([data-answers='{before}'])")
    page.wait_for_selector("#busy", state="hidden")


def download(page: Any, button: str) -> tuple[str, bytes]:
    with page.expect_download() as found:
        page.click(button)
    return found.value.suggested_filename, Path(found.value.path()).read_bytes()


def pixels(content: bytes) -> NDArray[np.int64]:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB")).astype(np.int64)


def assert_close(content: bytes, expected: NDArray[np.uint8]) -> None:
    off = np.abs(pixels(content) - expected)
    assert off.max() <= MOST_OFF
    assert off.mean() < 0.2


def test_a_picture_becomes_what_run_makes_of_it(page: Any, old: Path, gray: NDArray[np.uint8], lite: Colorizer) -> None:
    give(page, old)
    assert "threads" in page.inner_text("#model") or os.cpu_count() == 1
    name, content = download(page, "#download")
    assert name == "älter & alt-color.png"
    assert_close(content, lite.colorize(gray))
    luma = pixels(content) @ np.array([0.299, 0.587, 0.114])
    assert np.abs(luma - gray).max() < 1
    with Image.open(io.BytesIO(content)) as image:
        assert image.info["xmp"] == marked_xmp(None, mark_of(lite, old, None))

    page.get_by_label("Saturation").fill("1.5")
    page.get_by_label("Render factor", exact=False).first.fill("8")
    page.get_by_label("Format").select_option("image/jpeg")
    name, content = download(page, "#download")
    assert name == "älter & alt-color.jpg"
    with Colorizer(render_factor=8) as coarse, Image.open(io.BytesIO(content)) as image:
        # The browser's JPEG encoder is lossy, and takes chroma at half the size.
        assert np.abs(pixels(content) - coarse.colorize(gray, 1.5)).mean() < 3
        assert image.info["xmp"] == marked_xmp(None, mark_of(coarse, old, 1.5))


def test_the_slider_and_a_hint(page: Any, old: Path, gray: NDArray[np.uint8]) -> None:
    begin_anew(page)
    give(page, old)
    page.get_by_label("Before and after").fill("25")
    assert page.locator("#frame").evaluate("frame => frame.style.getPropertyValue('--split')") == "25%"
    _, plain = download(page, "#download")
    page.get_by_text("Color hint", exact=True).click()
    page.get_by_label("Navy").check(force=True)
    before = page.evaluate("document.body.dataset.answers")
    box = page.locator("#strokes").bounding_box()
    page.locator("#strokes").click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    wait_for_answer(page, before)
    _, hinted = download(page, "#download")
    middle = np.s_[195:216, 155:176]
    bluer = (pixels(hinted) - pixels(plain))[middle]
    assert (bluer[..., 2] - bluer[..., 0]).mean() > 20
    luma = pixels(hinted) @ np.array([0.299, 0.587, 0.114])
    assert np.abs(luma - gray).max() < 1


def test_render_factors_stand_side_by_side_and_many_come_as_an_archive(
    page: Any, old: Path, tmp_path: Path, gray: NDArray[np.uint8], lite: Colorizer
) -> None:
    (tmp_path / "sub").mkdir()
    Image.fromarray(gray.T).save(tmp_path / "sub" / "other.png")
    begin_anew(page)
    give(page, old, tmp_path / "sub" / "other.png")
    page.wait_for_selector("#strip li:nth-child(2)")
    page.click("#side")
    for number in range(4):
        page.wait_for_selector(f"#choices button:nth-child({number + 1}) img")
    page.click("#sides-close")
    name, content = download(page, "#download-all")
    assert name == "colored.zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["älter & alt-color.png", "other-color.png"]
        assert_close(archive.read("other-color.png"), lite.colorize(np.ascontiguousarray(gray.T)))


def test_what_cannot_be_colored_is_told(page: Any, tmp_path: Path, gray: NDArray[np.uint8]) -> None:
    whole = io.BytesIO()
    Image.fromarray(gray).save(whole, "PNG")
    made: dict[str, tuple[Callable[[Path], Any], str]] = {
        "damaged.jpg": (lambda path: path.write_bytes(b"\xff\xd8\xff" + bytes(50)), "it is damaged, or not complete"),
        "noise.png": (lambda path: path.write_bytes(whole.getvalue()[:40]), "cannot read this PNG"),
        "empty.png": (lambda path: path.write_bytes(b""), "it is empty"),
        "text.jpg": (lambda path: path.write_bytes(b"no picture"), "opens no such pictures"),
        "scan.tif": (lambda path: Image.fromarray(gray).save(path), "opens no TIFF pictures; 'colorrt run' may"),
        "vast.png": (
            lambda path: Image.new("L", (10_000, 10_000)).save(path, compress_level=1),
            "10000 x 10000 pixels are more than the 1,000,000",
        ),
        "vast.jpg": (lambda path: Image.new("L", (1001, 1000)).save(path), "1001 x 1000 pixels are more than"),
        "film.mp4": (lambda path: path.write_bytes(b"film"), "colorrt run film.mp4 -o out.mp4"),
    }
    for name, (make, words) in made.items():
        make(tmp_path / name)
        page.set_input_files("#files", str(tmp_path / name))
        page.wait_for_selector(f'#note:has-text("{words}")')


def test_it_works_without_a_network(page: Any, old: Path, gray: NDArray[np.uint8], lite: Colorizer) -> None:
    page.context.set_offline(True)
    begin_anew(page)
    give(page, old)
    _, content = download(page, "#download")
    page.context.set_offline(False)
    assert_close(content, lite.colorize(gray))


def test_it_works_without_isolation_in_one_thread(
    chromium: Any, host: str, old: Path, gray: NDArray[np.uint8], lite: Colorizer
) -> None:
    for page in open_page(chromium, host, isolated=False):
        assert "one thread" in page.inner_text("#model")
        assert not page.evaluate("crossOriginIsolated")
        give(page, old)
        _, content = download(page, "#download")
        assert_close(content, lite.colorize(gray))


def test_nothing_can_be_sent_elsewhere(chromium: Any, host: str) -> None:
    asked: list[str] = []

    class Elsewhere(Quiet):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        context = chromium.new_context()
        page = context.new_page()
        page.goto(host)
        wait_until_ready(page, isolated=True)
        with page.expect_worker() as worker:
            # It begins with the page, or has begun.
            if page.workers:
                page.evaluate("new Worker(new URL('page/local/worker.js', location), { type: 'module' })")
        script = "address => fetch(address, { mode: 'no-cors' }).then(() => 'sent', () => 'held')"
        assert page.evaluate(script, f"{address}/page") == "held"
        assert worker.value.evaluate(script, f"{address}/worker") == "held"
        # What holds it is the policy, for without one it arrives.
        bare = context.new_page()
        assert bare.evaluate(script, f"{address}/bare") == "sent"
        context.close()
        server.shutdown()
    assert asked == ["/bare"]
