"""What strangers send: no 500, no traceback in an answer, and the service is there afterwards."""

from __future__ import annotations

import contextlib
import io
import socket
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = 150
"""Random files and damaged pictures; `python -m studies load --fuzz 1000` sends more."""

HOST = b"Host: 127.0.0.1\r\n"
MALFORMED = [
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /%zz%ff%00 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET //// HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /../../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET http://evil.example/ HTTP/1.1\r\n" + HOST + b"\r\n",
    b"CONNECT evil.example:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    b"POST /colorize HTTP/1.1\r\n" + HOST + b"Content-Length: -5\r\n\r\n",
    b"POST /colorize HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999999\r\n\r\n",
    b"POST /colorize HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"POST /colorize HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /colorize HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /colorize HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n",
    b"POST /colorize?%00=%00&a[]=1&=&&&=x HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n\r\nx",
    b"GET / HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n",
]


def exchange(port: int, sent: bytes, *, half_close: bool = True) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(sent)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while chunk := connection.recv(65536):
                answer += chunk
        except ConnectionResetError:
            pass
        return answer


def check(answer: bytes) -> None:
    assert b"Traceback" not in answer
    assert b"root:" not in answer
    assert not answer.startswith(b"HTTP/1.1 500")


@pytest.mark.parametrize("sent", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_requests_do_no_harm(live: Any, sent: bytes) -> None:
    check(exchange(live.port, sent))
    assert live.client.get("/healthz").status_code == 200


def test_bodies_that_are_cut_off_do_no_harm(live: Any) -> None:
    for size in (0, 1, 500):
        answer = exchange(
            live.port, b"POST /colorize HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\n" + bytes(size)
        )
        check(answer)
        assert not answer.startswith(b"HTTP/1.1 200")
    assert live.client.get("/healthz").status_code == 200
    assert live.service.desk.inside == 0


def test_a_slow_client_is_left_and_others_are_served(run_service: Callable[..., Any]) -> None:
    with run_service(seconds=0.4) as live:
        begun = b"POST /colorize HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\nabc"
        with socket.create_connection(("127.0.0.1", live.port), timeout=10) as slow:
            slow.sendall(begun)
            assert live.client.get("/healthz").status_code == 200
            assert slow.recv(4096).startswith(b"HTTP/1.1 408")


def test_a_request_whose_head_never_ends_is_left(run_service: Callable[..., Any]) -> None:
    with run_service(seconds=0.3) as live:
        for sent in (b"", b"GET / HTTP/1.1\r\nHost: "):
            assert exchange(live.port, sent, half_close=False) == b""
        with socket.create_connection(("127.0.0.1", live.port), timeout=10) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
            # The body may come on its own; what is sent next belongs to a second request.
            connection.settimeout(0.1)
            with contextlib.suppress(TimeoutError):
                connection.recv(4096)
            connection.settimeout(10)
            connection.sendall(b"GET /")
            assert connection.recv(4096) == b""
        assert live.client.get("/healthz").status_code == 200


def test_files_of_any_kind_are_answered(live: Any) -> None:
    rng = np.random.default_rng(18)
    seeds = []
    for kind in ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "PPM"):
        stream = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (24, 31)).astype(np.uint8)).convert("RGB").save(stream, kind)
        seeds.append(stream.getvalue())
    found: dict[int, int] = {}
    for number in range(FILES):
        if number % 3 == 0:
            body = rng.bytes(int(rng.integers(1, 3000)))
        else:
            damaged = bytearray(seeds[number % len(seeds)])
            for _ in range(int(rng.integers(1, 12))):
                damaged[int(rng.integers(0, min(len(damaged), 400)))] = int(rng.integers(0, 256))
            body = bytes(damaged[: int(rng.integers(1, len(damaged) + 1))] if number % 2 else damaged)
        query = ("", "?fit=64", "?mark=0", "?lossless_luma=1", f"?hints={int(rng.integers(0, 50))}")[number % 5]
        answer = live.client.post(f"/colorize{query}", content=body)
        assert "Traceback" not in answer.text[:5000]
        found[answer.status_code] = found.get(answer.status_code, 0) + 1
    assert set(found) <= {200, 400, 422}, found
    assert found[200] > 0
    assert found[422] > FILES / 3
    assert live.client.get("/healthz").status_code == 200
    assert live.service.desk.inside == 0
