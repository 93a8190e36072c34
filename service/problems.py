"""What a client did that cannot be answered: a status, and one line of why and what to do next."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.responses import Response

from colorrt.errors import ColorrtError, PictureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TITLES = {
    400: "Bad request",
    401: "Not allowed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    411: "Length missing",
    413: "Too large",
    415: "Not a picture",
    421: "Another host",
    422: "The picture cannot be colored",
    500: "Fault of the service",
    503: "Busy",
    504: "Took too long",
}


class ProblemError(Exception):
    """Ends a request. `detail`: one line for people. `headers`: of the answer."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


def problem_response(problem: ProblemError) -> Response:
    """Return the answer to it (RFC 9457)."""
    # error: where clients of the Open Inference Protocol look.
    table = {
        "title": _TITLES.get(problem.status, "Error"),
        "status": problem.status,
        "detail": problem.detail,
        "error": problem.detail,
    }
    return Response(
        json.dumps(table) + "\n",
        problem.status,
        {"Cache-Control": "no-store", **problem.headers},
        media_type="application/problem+json",
    )


def problem_of(error: Exception) -> ProblemError:
    """Return what a client is told of an error of coloring."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, UsageError):
        return ProblemError(400, str(error))
    if isinstance(error, PictureError):
        return ProblemError(422, str(error))
    if isinstance(error, MemoryError):
        return ProblemError(
            503, "there is not enough memory for a picture of this size now; try again later", {"Retry-After": "10"}
        )
    if isinstance(error, ColorrtError):
        return ProblemError(503, f"the model failed: {error}", {"Retry-After": "30"})
    return ProblemError(500, f"an unforeseen {type(error).__name__}; the service goes on, and its log says more")
