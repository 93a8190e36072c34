"""Around all answers: who may ask, which headers browsers get, and no error that leaves in any other form than ours."""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response

from colorrt.service.problems import ProblemError, problem_of, problem_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from colorrt.service.metrics import Metrics
    from colorrt.service.settings import ServiceSettings

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_OPEN = ("/", "/healthz", "/readyz", "/openapi.json", "/v2/health/live", "/v2/health/ready")
_METHODS = "GET, HEAD, POST, OPTIONS"
_ASKED_HEADERS = "authorization, content-type, inference-header-content-length"
_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Guards:
    """ASGI middleware: Host, Origin, token, CORS, headers, counts. `log`: told of each answer: method, path, status,
    seconds. `complain`: told of faults of our own, in one line."""

    def __init__(
        self,
        app: ASGIApp,
        settings: ServiceSettings,
        metrics: Metrics,
        complain: Callable[[str], None],
        log: Callable[[str, str, int, float], None] | None = None,
    ) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._complain = complain
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass on what is none."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = Headers(scope=scope)
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(MutableHeaders(scope=message), headers)
            await send(message)

        try:
            answer = self._answer_at_once(scope, headers)
            await (answer or self._app)(scope, receive, sending)
        except Exception as error:
            problem = problem_of(error)
            if problem.status == 500:
                self._complain(f"fault at {_known(scope)}: {type(error).__name__}: {error}")
            if not status:
                await problem_response(problem)(scope, receive, sending)
        finally:
            self._metrics.count(_known(scope), status)
            if self._log is not None:
                self._log(scope["method"], scope["path"], status, time.perf_counter() - began)

    def _answer_at_once(self, scope: Scope, headers: Headers) -> Response | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1:
            return problem_response(ProblemError(400, "a request names one Host"))
        if not self._settings.answers_to(hosts[0]):
            return problem_response(
                ProblemError(
                    421, "this service does not answer to that Host; name it with --allow-host, or by its address"
                )
            )
        origin = headers.get("origin")
        ours = origin in (f"http://{hosts[0]}", f"https://{hosts[0]}")
        if scope["method"] in _UNSAFE and not (ours or origin in self._settings.cors):
            # Programs send no Origin, browsers do; those that leave it out tell by Sec-Fetch-Site.
            foreign = origin is not None or headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
            if foreign:
                return problem_response(
                    ProblemError(403, "pages of other origins may not call; allow them with --cors")
                )
        if scope["method"] == "OPTIONS" and origin in self._settings.cors:
            return Response(
                status_code=204,
                headers={
                    "Access-Control-Allow-Methods": _METHODS,
                    "Access-Control-Allow-Headers": _ASKED_HEADERS,
                    "Access-Control-Max-Age": "600",
                },
            )
        if not self._bears_token(scope, headers):
            return problem_response(
                ProblemError(
                    401, "this service asks for a token: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"}
                )
            )
        return None

    def _bears_token(self, scope: Scope, headers: Headers) -> bool:
        token = self._settings.token
        # The page holds no secrets, and has to be there to ask for one.
        if token is None or scope["path"] in _OPEN or scope["path"].startswith("/page/"):
            return True
        kind, _, given = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())

    def _add_headers(self, answered: MutableHeaders, asked: Headers) -> None:
        for name, value in _HEADERS.items():
            answered[name] = value
        origin = asked.get("origin")
        allowed = origin is not None and origin in self._settings.cors
        answered["Cross-Origin-Resource-Policy"] = "cross-origin" if allowed else "same-origin"
        if self._settings.cors:
            answered.add_vary_header("Origin")
        if allowed and origin is not None:
            answered["Access-Control-Allow-Origin"] = origin
            answered["Access-Control-Expose-Headers"] = "inference-header-content-length, retry-after, server-timing"


def _known(scope: Scope) -> str:
    """Return the path of the route, not the one that was typed: metrics and logs are not for strangers to fill."""
    route = scope.get("route_path")
    return route if isinstance(route, str) else "other"
