"""The page in a real browser: headless Chromium by Playwright. Where either is missing, these tests skip and say so."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install 'colorrt[dev]'")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GRAY = np.tile(np.linspace(40, 210, 240).astype(np.uint8), (160, 1))
PATIENCE = 30_000
"""Milliseconds: no test waits for a slow machine in vain."""


@pytest.fixture
def page(chromium: Any, live: Any) -> Iterator[Any]:
    """The page, loaded; nothing may go wrong on it, and it may ask no other place."""
    context = chromium.new_context(viewport={"width": 1200, "height": 800}, accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    found = context.new_page()
    errors: list[str] = []
    asked: set[str] = set()
    found.on("pageerror", lambda error: errors.append(str(error)))
    found.on("request", lambda request: asked.add(request.url.partition("?")[0]))
    found.goto(f"http://127.0.0.1:{live.port}/")
    found.wait_for_selector("body[data-ready]")
    yield found
    context.close()
    assert errors == []
    assert {url for url in asked if not url.startswith((f"http://127.0.0.1:{live.port}/", "blob:", "data:"))} == set()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    Image.fromarray(GRAY).save(tmp_path / "old.png")
    return tmp_path / "old.png"


def answers(page: Any) -> int:
    return int(page.evaluate("Number(document.body.dataset.answers || 0)"))


def wait_for_answer(page: Any, before: int) -> None:
    page.wait_for_selector(f"body[data-answers]:not([data-answers='{before}'])")
    page.wait_for_selector("#busy", state="hidden")


def give(page: Any, *files: Path) -> None:
    before = answers(page)
    page.set_input_files("#files", [str(file) for file in files])
    wait_for_answer(page, before)


def color_at(page: Any, across: float, down: float) -> list[int]:
    script = """([x, y]) => { const c = document.getElementById("after");
        return [...c.getContext("2d").getImageData(Math.floor(x * c.width), Math.floor(y * c.height), 1, 1).data]; }"""
    return [int(level) for level in page.evaluate(script, [across, down])[:3]]


def download(page: Any, button: str) -> tuple[str, bytes]:
    with page.expect_download() as found:
        page.click(button)
    return found.value.suggested_filename, Path(found.value.path()).read_bytes()


def note(page: Any, words: str) -> None:
    page.wait_for_selector(f"#note:has-text({words!r})")


def test_a_picture_that_is_dropped_is_shown_before_and_after(page: Any) -> None:
    script = """async () => { const canvas = document.createElement("canvas"); canvas.width = 90; canvas.height = 60;
        const blob = await new Promise(done => canvas.toBlob(done, "image/png"));
        const data = new DataTransfer(); data.items.add(new File([blob], "dropped.png", { type: "image/png" }));
        document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })); }"""
    page.evaluate(script)
    wait_for_answer(page, 0)
    assert page.get_by_label("dropped.png, as it was").is_visible()
    assert page.get_by_label("dropped.png, in color").is_visible()
    assert not page.is_visible("#welcome")


def test_the_slider_moves_by_mouse_and_by_keys(page: Any, old: Path) -> None:
    give(page, old)
    box = page.locator("#frame").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.up()
    assert page.get_by_label("Before and after").input_value() == "25"
    page.get_by_label("Before and after").press("ArrowRight")
    assert page.locator("#frame").evaluate("frame => frame.style.getPropertyValue('--split')") == "26%"


def test_what_is_downloaded_is_what_run_makes(page: Any, old: Path, colorizer: Any) -> None:
    give(page, old)
    page.get_by_label("Saturation").fill("1.5")
    name, content = download(page, "#download")
    assert name == "old-color.png"
    with Image.open(io.BytesIO(content)) as image:
        np.testing.assert_array_equal(np.asarray(image), colorizer.colorize(GRAY, 1.5))


def test_a_hint_colors_its_place_and_can_be_undone(page: Any, old: Path, colorizer: Any) -> None:
    give(page, old)
    plain = color_at(page, 0.5, 0.5)
    assert plain[0] > plain[2]
    page.get_by_text("Color hint", exact=True).click()
    page.get_by_label("Navy").check(force=True)
    before = answers(page)
    page.locator("#strokes").click(position={"x": 5, "y": 5})
    box = page.locator("#frame").bounding_box()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
    page.mouse.up()
    wait_for_answer(page, before)
    page.wait_for_timeout(300)
    page.wait_for_selector("#busy", state="hidden")
    hinted = color_at(page, 0.5, 0.5)
    assert hinted[2] > hinted[0] + 20
    _, content = download(page, "#download")
    with Image.open(io.BytesIO(content)) as image:
        whole = np.asarray(image)
        assert int(whole[80, 120, 2]) > int(whole[80, 120, 0]) + 20
    before = answers(page)
    page.click("#undo")
    page.click("#undo")
    wait_for_answer(page, before)
    page.wait_for_timeout(300)
    assert np.abs(np.subtract(color_at(page, 0.5, 0.5), plain)).max() <= 6
    assert page.is_disabled("#undo")
    assert page.is_enabled("#redo")


def test_hints_work_by_keys_and_a_color_is_picked_from_the_picture(page: Any, old: Path) -> None:
    give(page, old)
    before = answers(page)
    page.locator("#strokes").focus()
    for key in ("ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    wait_for_answer(page, before)
    assert page.is_enabled("#undo")
    assert page.get_by_label("Color hint", exact=True).is_checked()
    page.get_by_text("Pick color", exact=True).click()
    page.locator("#strokes").click(position={"x": 40, "y": 40})
    note(page, "Picked #")
    assert page.get_by_label("Color hint", exact=True).is_checked()


def test_render_factors_stand_side_by_side(page: Any, old: Path) -> None:
    give(page, old)
    page.click("#side")
    for number in range(4):
        page.wait_for_selector(f"#choices button:nth-child({number + 1}) img")
    before = answers(page)
    page.get_by_role("button", name="Render factor 24").click()
    wait_for_answer(page, before)
    assert page.locator("#factor").input_value() == "24"


def test_many_pictures_come_back_in_one_archive(page: Any, old: Path, tmp_path: Path, colorizer: Any) -> None:
    other = tmp_path / "sub"
    other.mkdir()
    Image.fromarray(GRAY.T).save(other / "old.png")
    Image.fromarray(GRAY).save(tmp_path / "scan.tif")
    give(page, old, other / "old.png", tmp_path / "scan.tif")
    page.wait_for_selector("#strip li:nth-child(3)")
    name, content = download(page, "#download-all")
    assert name == "colored.zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["old-color.png", "old-color (2).png", "scan-color.tif"]
        for member, gray in zip(archive.namelist(), (GRAY, GRAY.T, GRAY), strict=True):
            with Image.open(io.BytesIO(archive.read(member))) as image:
                np.testing.assert_array_equal(np.asarray(image), colorizer.colorize(np.ascontiguousarray(gray)))


def test_what_cannot_be_colored_is_told(page: Any, tmp_path: Path) -> None:
    made: dict[str, Callable[[Path], Any]] = {
        "damaged.jpg": lambda path: path.write_bytes(b"\xff\xd8\xff" + bytes(50)),
        "empty.png": lambda path: path.write_bytes(b""),
        "oversized.png": lambda path: path.write_bytes(bytes(3_000_001)),
        "vast.png": lambda path: Image.new("L", (10_000, 10_000)).save(path, compress_level=1),
        "film.mp4": lambda path: path.write_bytes(b"film"),
    }
    words = {
        "damaged.jpg": "damaged.jpg: the picture",
        "empty.png": "it is empty",
        "oversized.png": "are more than the 3 MB",
        "vast.png": "10000 x 10000 pixels are more than the 1,000,000",
        "film.mp4": "colorrt run film.mp4 -o out.mp4",
    }
    for name, make in made.items():
        make(tmp_path / name)
        page.set_input_files("#files", str(tmp_path / name))
        note(page, words[name])
    assert page.is_visible("#welcome")


def test_the_page_asks_for_the_token(chromium: Any, run_service: Callable[..., Any], old: Path) -> None:
    with run_service(token="long-secret") as live:
        context = chromium.new_context()
        for fragment in ("", "#token=long-secret"):
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{live.port}/{fragment}")
            if not fragment:
                page.get_by_role("textbox", name="Token").fill("long-secret")
                page.get_by_role("button", name="Go on").click()
            page.wait_for_selector("body[data-ready]")
            give(page, old)
            page.close()
        context.close()


def test_the_page_fits_a_phone_and_follows_the_dark(chromium: Any, live: Any, old: Path) -> None:
    context = chromium.new_context(
        viewport={"width": 360, "height": 740}, color_scheme="dark", is_mobile=True, has_touch=True
    )
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{live.port}/")
    page.wait_for_selector("body[data-ready]")
    give(page, old)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 22, 21)"
    context.close()
