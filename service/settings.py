"""What a service allows, and what it refuses."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from colorrt.errors import UsageError
from colorrt.runtime.pictures.reading import DEFAULT_MAX_PIXELS

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000
DEFAULT_MAX_BYTES = 200_000_000
DEFAULT_QUEUE = 16
DEFAULT_SECONDS = 60.0
_ORIGIN = re.compile(r"https?://[^/\s?#@]+")


@dataclass(frozen=True)
class ServiceSettings:
    """Limits of a service, and who may use it.

    `host`: the address it is bound to. `max_bytes`: the largest body. `max_pixels`: the most pixels that are decoded.
    `queue`: the most pictures inside at a time, colored or waiting. `seconds`: the time limit of a picture, and of the
    arrival of its body. `token`: what a client has to bear; None asks for none. `cors`: origins of other pages that may
    call. `names`: further host names that it answers to.

    Raises UsageError for limits and origins that make no sense.
    """

    host: str = DEFAULT_HOST
    max_bytes: int = DEFAULT_MAX_BYTES
    max_pixels: int = DEFAULT_MAX_PIXELS
    queue: int = DEFAULT_QUEUE
    seconds: float = DEFAULT_SECONDS
    token: str | None = None
    cors: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if min(self.max_bytes, self.max_pixels, self.queue) < 1 or not self.seconds > 0:
            raise UsageError("limits of bytes, pixels, pictures and seconds have to be above 0")
        if self.token is not None and not re.fullmatch(r"[!-~]{8,}", self.token):
            raise UsageError("--token: a token has 8 or more letters, digits and signs, and no spaces")
        for origin in self.cors:
            if not _ORIGIN.fullmatch(origin):
                raise UsageError(f"--cors {origin!r}: an origin is a scheme and a host, such as https://example.org")

    @property
    def is_local(self) -> bool:
        """Whether only programs of this machine reach it."""
        return self.host == "localhost" or (is_address(self.host) and ipaddress.ip_address(self.host).is_loopback)

    def answers_to(self, host: str) -> bool:
        """Whether a Host header names this service. An address cannot be taken over by another page, a name can."""
        name = host_name(host)
        return is_address(name) or name in {"localhost", self.host.lower(), *(one.lower() for one in self.names)}


def host_name(host: str) -> str:
    """Return the name or address in a Host header, in lower case, without its port: "" where it is neither."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?", host)
    return "" if match is None else (match[1] or match[2]).lower()


def is_address(name: str) -> bool:
    """Whether a host is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
