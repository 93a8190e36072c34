"""Who may ask, how much, and what every answer carries."""

from __future__ import annotations

import io
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from colorrt.errors import UsageError
from colorrt.runtime.colorizer import Square
from colorrt.service.settings import ServiceSettings
from colorrt.service.work import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def picture() -> bytes:
    stream = io.BytesIO()
    Image.new("L", (40, 30), 120).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost:80:80", "[::1", "", "a b"])
def test_other_hosts_are_not_answered(live: Any, host: str) -> None:
    assert live.client.get("/healthz", headers={"Host": host}).status_code in (400, 421)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "LOCALHOST:8000", "[::1]:80"])
def test_own_hosts_are_answered(live: Any, host: str) -> None:
    assert live.client.get("/healthz", headers={"Host": host}).status_code == 200


def test_pages_of_other_origins_may_not_call(live: Any) -> None:
    own = f"http://127.0.0.1:{live.port}"
    for headers, status in (
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": own, "Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 200),
    ):
        answer = live.client.post("/colorize?fit=20", content=picture(), headers=headers)
        assert answer.status_code == status, headers
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/page/app.js", "/healthz", "/nothing", "/v2/models/none", "/metrics"])
def test_every_answer_carries_the_headers(live: Any, path: str) -> None:
    headers = live.client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "server" not in headers


def test_the_page_loads_nothing_from_elsewhere_and_nothing_inline(live: Any) -> None:
    page = live.client.get("/").text
    assert "http" not in page.replace("http-equiv", "")
    assert "style=" not in page
    assert "<style" not in page
    for name in live.service.page:
        assert live.client.get(f"/page/{name}").status_code == 200
    assert {"app.js", "style.css", "index.html"} <= live.service.page.keys()


@pytest.mark.parametrize(
    "name", ["../app.py", "%2e%2e/app.py", "..%2fapp.py", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "app.js%00", "/etc/passwd"]
)
def test_no_path_leads_out_of_the_page(live: Any, name: str) -> None:
    answer = live.client.get(f"/page/{name}")
    assert answer.status_code == 404
    assert "root:" not in answer.text


def test_a_body_that_is_too_large_is_refused_before_it_is_read(live: Any) -> None:
    head = b"POST /colorize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3000001\r\n\r\n"
    with socket.create_connection(("127.0.0.1", live.port), timeout=10) as connection:
        # Not a byte of it is sent.
        connection.sendall(head)
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")

    def endless() -> Iterator[bytes]:
        for _ in range(80):
            yield bytes(100_000)

    answer = live.client.post("/colorize", content=endless())
    assert answer.status_code == 413
    assert "larger than 3,000,000 bytes" in answer.json()["detail"]
    packed = live.client.post("/colorize", content=b"x", headers={"Content-Encoding": "gzip"})
    assert packed.status_code == 415


def test_token_and_cors_open_the_service_to_some(run_service: Callable[..., Any]) -> None:
    with run_service(token="long-secret", cors=("https://a.example",), names=("color.example",)) as live:
        client = live.client
        for path in ("/", "/page/style.css", "/healthz", "/readyz", "/openapi.json"):
            assert client.get(path, headers={"Host": "color.example"}).status_code == 200, path
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic long-secret"}):
            refused = client.post("/colorize", content=picture(), headers=given)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == "Bearer"
        origin = {"Origin": "https://a.example"}
        asked = client.options("/colorize", headers={**origin, "Access-Control-Request-Method": "POST"})
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == "https://a.example"
        answer = client.post("/colorize", content=picture(), headers={**origin, "Authorization": "Bearer long-secret"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "https://a.example")
        other = {"Origin": "https://b.example", "Authorization": "Bearer long-secret"}
        assert client.post("/colorize", content=picture(), headers=other).status_code == 403


@pytest.mark.parametrize(
    "wrong", [{"token": "short"}, {"cors": ("*",)}, {"cors": ("a.example",)}, {"queue": 0}, {"seconds": 0.0}]
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ServiceSettings(**wrong)


class Slow:
    """A network that answers when it is let."""

    def __init__(self, network: Network) -> None:
        self.colorizer = network.colorizer
        self.go = threading.Event()
        self._guess = network.guess

    def guess(self, square: Square) -> np.ndarray:
        self.go.wait(20)
        return self._guess(square)


def test_beyond_the_queue_clients_are_sent_away_and_told_when_to_come_back(run_service: Callable[..., Any]) -> None:
    with run_service(queue=2) as live:
        (name,) = live.service.models
        slow = live.service.models[name] = Slow(live.service.models[name])
        with ThreadPoolExecutor(2) as pool:
            inside = [pool.submit(live.client.post, "/colorize", content=picture()) for _ in range(2)]
            while live.service.desk.inside < 2:
                time.sleep(0.005)
            refused = live.client.post("/colorize", content=picture())
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert live.client.get("/healthz").status_code == 200
            assert "colorrt_pictures_inside 2" in live.client.get("/metrics").text
            slow.go.set()
            assert [one.result().status_code for one in inside] == [200, 200]
        assert live.client.post("/colorize", content=picture()).status_code == 200


def test_a_picture_that_takes_too_long_is_given_up(run_service: Callable[..., Any]) -> None:
    with run_service(seconds=0.3) as live:
        (name,) = live.service.models
        slow = live.service.models[name] = Slow(live.service.models[name])
        answer = live.client.post("/colorize", content=picture())
        assert answer.status_code == 504
        assert live.service.desk.inside == 1
        slow.go.set()
        while live.service.desk.inside:
            time.sleep(0.005)
        assert live.client.post("/colorize", content=picture()).status_code == 200


def test_a_service_that_is_stopped_says_so(run_service: Callable[..., Any]) -> None:
    with run_service() as live:
        assert live.client.get("/readyz").status_code == 200
        live.service.stopping = True
        assert live.client.get("/readyz").status_code == 503
        assert live.client.get("/healthz").status_code == 200


class Batches:
    """Stands in for a colorizer whose session has batches."""

    best_batch = 4

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def guess(self, squares: list[Square]) -> np.ndarray:
        self.sizes.append(len(squares))
        time.sleep(0.02)
        return np.stack([np.full((2, len(one.small), len(one.small)), one.small[0, 0], np.float32) for one in squares])


def test_squares_that_wait_go_through_the_network_together() -> None:
    found = Batches()
    network = Network(found)  # type: ignore[arg-type]  # stands in
    squares = [
        Square(np.zeros((1, 1), np.uint8), np.full((16 * (1 + index % 2),) * 2, index, np.float32))
        for index in range(12)
    ]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(network.guess, squares))
    for index, (square, chroma) in enumerate(zip(squares, answers, strict=True)):
        assert chroma.shape == (2, *square.small.shape)
        assert (chroma == index).all()
    assert sum(found.sizes) == 12
    # Sizes are not mixed: six of each, and the first of them may have gone alone.
    assert len(found.sizes) < 9
    assert max(found.sizes) > 1


def test_a_network_that_fails_fails_for_those_who_wait_and_goes_on() -> None:
    found = Batches()
    network = Network(found)  # type: ignore[arg-type]  # stands in
    guess, found.guess = found.guess, lambda squares: 1 / 0  # type: ignore[assignment]  # fails
    square = Square(np.zeros((1, 1), np.uint8), np.zeros((16, 16), np.float32))
    with pytest.raises(ZeroDivisionError):
        network.guess(square)
    found.guess = guess  # type: ignore[method-assign]  # works again
    assert network.guess(square).shape == (2, 16, 16)
