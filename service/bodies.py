"""Bodies of requests, read within bounds: of one, of all that arrive at a time, and of the time they take."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from colorrt.service.problems import ProblemError

if TYPE_CHECKING:
    from starlette.requests import Request


class Bodies:
    """Reads bodies. `most`: bytes of one. `seconds`: that one may take to arrive. `of_all`: bytes that arrive at a
    time, unless a single one is larger."""

    def __init__(self, most: int, seconds: float, of_all: int) -> None:
        self._most = most
        self._seconds = seconds
        self._of_all = max(most, of_all)
        self._held = 0

    async def read(self, request: Request) -> bytes:
        """Return the body. Raises ProblemError for one that is too large, packed, empty, too slow or cut off."""
        packed = request.headers.get("content-encoding", "identity")
        if packed.lower() != "identity":
            raise ProblemError(415, f"a body packed with {packed[:40]!r} is not unpacked here; send the file as it is")
        declared = request.headers.get("content-length", "")
        # More digits than that are larger than any limit.
        if declared.isdecimal() and (len(declared) > 18 or int(declared) > self._most):
            raise self._too_large()
        chunks: list[bytes] = []
        try:
            await asyncio.wait_for(self._gather(request, chunks), self._seconds)
        except asyncio.TimeoutError:
            raise ProblemError(
                408, f"the body did not arrive within {self._seconds:g} seconds; send it again"
            ) from None
        except ClientDisconnect:
            raise ProblemError(400, "the body was cut off; send it again") from None
        finally:
            self._held -= sum(map(len, chunks))
        if not chunks:
            raise ProblemError(411, "the body is empty (0 bytes); send a picture file as the body of the request")
        return b"".join(chunks)

    async def _gather(self, request: Request, chunks: list[bytes]) -> None:
        size = 0
        async for chunk in request.stream():
            if not chunk:
                continue
            size += len(chunk)
            if size > self._most:
                raise self._too_large()
            if self._held + len(chunk) > self._of_all:
                raise ProblemError(503, "too much arrives at a time; try again in a moment", {"Retry-After": "2"})
            self._held += len(chunk)
            chunks.append(chunk)

    def _too_large(self) -> ProblemError:
        return ProblemError(413, f"the body is larger than {self._most:,} bytes; reduce it, or raise --max-bytes")
