"""A service with a small network on a real socket: what clients and browsers meet."""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
httpx = pytest.importorskip("httpx")

from colorrt.runtime.colorizer import Colorizer  # noqa: E402 (where the extra is installed)
from colorrt.service.app import Service, make_app, make_service  # noqa: E402 (the same)
from colorrt.service.running import listen, make_server  # noqa: E402 (the same)
from colorrt.service.settings import ServiceSettings  # noqa: E402 (the same)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass
class Live:
    """A service that runs. `complaints`: what it said of faults of its own."""

    service: Service
    port: int
    client: Any
    complaints: list[str] = field(default_factory=list)


@contextmanager
def running(colorizer: Colorizer, **settings: Any) -> Iterator[Live]:
    service = make_service([colorizer], ServiceSettings(**settings))
    complaints: list[str] = []
    with listen("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        server = make_server(service, make_app(service, complaints.append))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield Live(service, port, client, complaints)
        server.should_exit = True
        thread.join(20)
        service.desk.close()
        assert not thread.is_alive()
    assert complaints == []


@pytest.fixture(scope="session")
def colorizer(tiny_onnx: Path) -> Iterator[Colorizer]:
    with Colorizer(tiny_onnx, render_factor=2) as found:
        yield found


@pytest.fixture(scope="session")
def live(colorizer: Colorizer) -> Iterator[Live]:
    """One for most tests; its limits are small."""
    with running(colorizer, max_bytes=3_000_000, max_pixels=1_000_000, seconds=20) as found:
        yield found


@pytest.fixture
def run_service(colorizer: Colorizer) -> Callable[..., Any]:
    """Run another, with other settings, as a context manager."""

    def run(**settings: Any) -> Any:
        return running(colorizer, **settings)

    return run


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless Chromium by Playwright; skips where either is missing."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install 'colorrt[dev]'")
    with sync_api.sync_playwright() as playwright:
        names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        program = next((found for name in names if (found := shutil.which(name))), None)
        if program is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("no Chromium: apt-get install chromium, or playwright install chromium")
        # As root, in containers, Chromium has no sandbox of its own.
        found = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()
