"""ONNX Runtime for browsers: taken from the npm package onnxruntime-web that the user has fetched, and checked."""

from __future__ import annotations

import hashlib
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

from colorrt.atomic import in_one_line, printable
from colorrt.errors import UsageError

VERSION = "1.30.0"
"""The version that the page is tested with."""
ADVICE = (
    f"run 'npm pack onnxruntime-web@{VERSION}' and give the file that it writes: --ort onnxruntime-web-{VERSION}.tgz"
)

# Names of ours: few hosts know that .mjs is JavaScript.
FILES = {
    "ort.js": "dist/ort.wasm.min.mjs",
    "wasm.js": "dist/ort-wasm-simd-threaded.mjs",
    "wasm.wasm": "dist/ort-wasm-simd-threaded.wasm",
}
"""The build for WebAssembly alone: our name and that in the package."""

_KNOWN = {
    "1.30.0": {
        "ort.js": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
        "wasm.js": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
        "wasm.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    }
}
"""SHA-256 of the files, by version."""

_MOST_BYTES = 100_000_000
_DESCRIPTION = "package.json"
_NAME = "onnxruntime-web"


@dataclass(frozen=True)
class OrtWeb:
    """What the page needs of it. `files`: content by our name. `known`: the files are those that were tested."""

    version: str
    files: dict[str, bytes]
    known: bool


def read_ort_web(source: Path | None) -> OrtWeb:
    """Read the package: a .tgz as `npm pack` writes it, or node_modules/onnxruntime-web as `npm install` does.

    Raises UsageError when it is missing, another package, damaged, lacks files, or has other files than its version
    has.
    """
    if source is None:
        raise UsageError(f"the page needs the npm package onnxruntime-web, which colorrt does not contain: {ADVICE}")
    wanted = [_DESCRIPTION, *FILES.values()]
    try:
        found = _of_folder(source, wanted) if source.is_dir() else _of_archive(source, wanted)
        description = json.loads(found[_DESCRIPTION])
        name, version = str(description["name"]), str(description["version"])
    except FileNotFoundError as error:
        raise UsageError(f"{printable(source)}: no such file or folder; {ADVICE}") from error
    except KeyError as error:
        raise UsageError(f"{printable(source)}: it has no {str(error)[1:-1]}; {ADVICE}") from error
    except (OSError, EOFError, ValueError, TypeError, tarfile.TarError) as error:
        raise UsageError(f"{printable(source)}: cannot be read ({in_one_line(str(error))}); {ADVICE}") from error
    if name != _NAME:
        raise UsageError(f"{printable(source)}: it is the package {in_one_line(name)}, not {_NAME}; {ADVICE}")
    files = {own: found[theirs] for own, theirs in FILES.items()}
    digests = _KNOWN.get(version)
    for own, content in files.items():
        if digests is not None and hashlib.sha256(content).hexdigest() != digests[own]:
            raise UsageError(
                f"{printable(source)}: its {FILES[own]} is not that of {_NAME} {version}: damaged or changed; {ADVICE}"
            )
    return OrtWeb(version, files, digests is not None)


def _of_folder(source: Path, wanted: list[str]) -> dict[str, bytes]:
    found = {}
    for name in wanted:
        path = source / name
        if not path.is_file():
            raise KeyError(name)
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"{name} is too large")
        found[name] = path.read_bytes()
    return found


def _of_archive(source: Path, wanted: list[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    names = {f"package/{name}": name for name in wanted}
    total = 0
    with tarfile.open(source, "r|gz") as archive:
        for member in archive:
            total += member.size
            if total > 5 * _MOST_BYTES:
                raise ValueError("it is too large")
            if member.isfile() and member.name in names:
                stream = archive.extractfile(member)
                assert stream is not None
                found[names[member.name]] = stream.read()
                if len(found) == len(names):
                    break
    for name in wanted:
        if name not in found:
            raise KeyError(name)
    return found
