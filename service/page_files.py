"""The static page: few files, read once into memory, so that no request ever names a file."""

from __future__ import annotations

from importlib import resources

INDEX = "index.html"
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def read_page() -> dict[str, tuple[bytes, str]]:
    """Return name -> content and media type of the files of the page."""
    folder = resources.files("colorrt.service") / "page"
    found = {}
    for file in folder.iterdir():
        kind = _KINDS.get(f".{file.name.rpartition('.')[2]}")
        if kind is not None:
            found[file.name] = (file.read_bytes(), kind)
    return found
