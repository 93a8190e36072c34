"""A socket, uvicorn on it, and an end that lets pictures under way go out."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

import uvicorn

from colorrt.errors import UsageError
from colorrt.service.patience import patient_protocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from colorrt.service.app import Service

_BACKLOG = 256
_KEEP_ALIVE = 15
_HEAD_SECONDS = 10.0
# Connections beyond the pictures inside: pages that look, monitors, bodies on their way.
_CONNECTIONS = 64
_WHY = {
    errno.EACCES: "ports below 1024 are the system's; choose another with --port",
    errno.EADDRINUSE: "the port is in use by another program; choose another with --port",
    errno.EADDRNOTAVAIL: "this machine has no such address; choose another with --host",
}


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket. `port`: 0 takes any. Raises UsageError, in one line, where that cannot be."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UsageError(
            f"{host}: there is no such address ({error.strerror or error}); choose another with --host"
        ) from error
    bound = socket.socket(family, kind, number)
    try:
        if socket.SO_REUSEADDR and not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        reason = _WHY.get(error.errno or 0, f"{error.strerror or error}; choose another with --host and --port")
        raise UsageError(f"{host}:{port}: cannot listen there: {reason}") from error
    return bound


class _Server(uvicorn.Server):
    """Tells the service that it is being stopped, so that balancers send no more."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.stopping = True
        await super().shutdown(sockets)


def make_server(service: Service, app: ASGIApp) -> uvicorn.Server:
    """Return uvicorn with the limits of a service."""
    settings = service.settings
    config = uvicorn.Config(
        app,
        http=patient_protocol(min(_HEAD_SECONDS, settings.seconds)),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=int(settings.seconds) + 1,
        limit_concurrency=settings.queue + _CONNECTIONS,
        backlog=_BACKLOG,
    )
    return _Server(config, service)


def serve(service: Service, app: ASGIApp, bound: socket.socket) -> None:
    """Serve until a signal comes; then let what is under way end, within the time limit of a picture.

    Signals are raised once more when all is over, as KeyboardInterrupt in the main thread.
    """
    try:
        make_server(service, app).run(sockets=[bound])
    finally:
        service.desk.close()
        bound.close()
