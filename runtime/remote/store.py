"""What is asked of an object store, in few words: list, fetch, look, put if nobody has.

obstore does the work: it speaks to S3, Google Cloud Storage and Azure alike, tries again what fails for a moment, and
knows conditional puts (`If-None-Match: *` of RFC 9110, which all three take).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from colorrt.atomic import in_one_line, printable
from colorrt.errors import BackendError, ColorrtError, PictureError, UsageError
from colorrt.runtime.remote.address import Address

_TRIES = {"max_retries": 5, "retry_timeout": timedelta(minutes=2)}
_TIMES = {"timeout": "120s", "connect_timeout": "10s"}
_PLAIN = "AWS_ALLOW_HTTP"
"""Of the environment: "true" for a store on this machine, without TLS. Options of our own would hide it."""


class TakenError(Exception):
    """The name is another's by now: the store answered 412."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a store says of an object. `tag`: its ETag, another for each content. `time`: in nanoseconds."""

    name: str
    size: int
    time: int
    tag: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What was put with it; empty in listings, which do not tell."""


@dataclass(frozen=True)
class Place:
    """A bucket, or what lies below a prefix of one. `store`: of obstore, with that prefix."""

    address: Address
    store: Any

    def list(self) -> Iterator[Found]:
        """Yield all objects at any depth. Raises UsageError when the store does not answer."""
        import obstore

        with self._told(UsageError, "listed"):
            for chunk in obstore.list(self.store):
                for meta in chunk:
                    yield _found(meta)

    def look(self, name: str) -> Found | None:
        """Return what an object is now, with its attributes; None where there is none. Raises PictureError."""
        import obstore

        with self._told(PictureError, "looked at", name):
            try:
                answer = obstore.get(self.store, name, options={"head": True})
            except (FileNotFoundError, obstore.exceptions.NotFoundError):
                return None
            attributes = {str(key).lower(): str(value) for key, value in dict(answer.attributes).items()}
            return _found(answer.meta, attributes)

    def fetch(self, name: str, path: Path) -> Found:
        """Write the content of an object to a file, of its time. Raises PictureError."""
        import obstore

        with self._told(PictureError, "read", name):
            answer = obstore.get(self.store, name)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    for chunk in answer.stream():
                        file.write(chunk)
            except OSError as error:
                raise PictureError(
                    f"{printable(self.of(name))}: there is no room for it in {path.parent} "
                    f"({error.strerror or error}); free some space, or choose another folder with the variable TMPDIR"
                ) from error
            found = _found(answer.meta)
        os.utime(path, ns=(found.time, found.time))
        return found

    def digest(self, name: str) -> str | None:
        """Read an object and return its SHA-256; None where there is none. Raises PictureError."""
        import obstore

        found = hashlib.sha256()
        with self._told(PictureError, "read", name):
            try:
                answer = obstore.get(self.store, name)
            except (FileNotFoundError, obstore.exceptions.NotFoundError):
                return None
            for chunk in answer.stream():
                found.update(chunk)
        return found.hexdigest()

    def put(self, name: str, data: bytes, attributes: Mapping[str, str], over: str | None = None) -> str:
        """Write an object, whole or not at all, where there is none of this name. Returns its tag.

        over: the tag of the object that it takes the place of. Raises TakenError where the store holds another by now,
        PictureError when it cannot be written.
        """
        import obstore

        with self._told(PictureError, "written", name):
            try:
                answer = obstore.put(
                    self.store,
                    name,
                    data,
                    attributes=dict(attributes),
                    mode="create" if over is None else {"e_tag": over},
                    use_multipart=False,
                )
            except (obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError) as error:
                raise TakenError from error
            return str(answer.get("e_tag") or "")

    def of(self, name: str) -> Address:
        """Return the address of an object."""
        return Address(f"{self.address}/{name}")

    @contextmanager
    def _told(self, failure: type[ColorrtError], what: str, name: str = "") -> Iterator[None]:
        import obstore

        try:
            yield
        except (obstore.exceptions.BaseError, FileNotFoundError, PermissionError) as error:
            place = printable(self.of(name) if name else self.address)
            raise failure(f"{place}: cannot be {what}: {_reason(error)}") from error


def open_place(address: str) -> Place:
    """Open a store by its address. Credentials come from the environment, as each provider's own tools take them.

    Raises BackendError without the extra `remote`, UsageError for an address that names no bucket.
    """
    try:
        import obstore
        from obstore.store import from_url
    except ImportError as error:
        raise BackendError(
            f"{printable(address)}: obstore is not installed, and addresses need it: pip install 'colorrt[remote]'"
        ) from error
    scheme, _, rest = address.partition("://")
    if not rest.strip("/"):
        raise UsageError(f"{printable(address)}: no bucket is named; write {scheme}://BUCKET/PREFIX")
    options = {**_TIMES, "allow_http": os.environ.get(_PLAIN, "").lower() in ("1", "true")}
    try:
        store = from_url(f"{scheme}://{rest.rstrip('/')}", client_options=options, retry_config=_TRIES)  # type: ignore[call-overload]  # its overloads name each provider's options
    except (obstore.exceptions.BaseError, ValueError) as error:
        raise UsageError(f"{printable(address)}: this store cannot be opened: {in_one_line(error)}") from error
    return Place(Address(address.rstrip("/")), store)


def _found(meta: Any, attributes: Mapping[str, str] | None = None) -> Found:
    time: datetime = meta["last_modified"]
    nanoseconds = int(time.timestamp()) * 10**9 + time.microsecond * 1000
    return Found(meta["path"], meta["size"], nanoseconds, meta.get("e_tag") or "", attributes or {})


def _reason(error: Exception) -> str:
    name = type(error).__name__
    if name in ("FileNotFoundError", "NotFoundError"):
        return "there is no such object or bucket; check the address"
    if name in ("PermissionError", "PermissionDeniedError", "UnauthenticatedError"):
        return "the store refuses it; check the credentials in the environment and what they may do"
    return f"{in_one_line(error)}; check the address, the credentials in the environment and the network"
