"""The page as static files: the same as the service's, with the network and what runs it beside it.

Any host of files may serve them, from any folder: all addresses are relative.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import distribution, version
from typing import TYPE_CHECKING, Any

from colorrt.atomic import atomic_path, printable
from colorrt.contract import HIGHEST_RENDER_FACTOR, UNIT
from colorrt.errors import UsageError
from colorrt.runtime.artifact import Kind, read_artifact
from colorrt.runtime.marking import creator_tool
from colorrt.runtime.pictures.formats import PICTURE_SUFFIXES
from colorrt.runtime.render_factors import choose_render_factor
from colorrt.runtime.shipped import shipped_card
from colorrt.runtime.triton import name_of
from colorrt.service.half_weights import halve_weights
from colorrt.service.page_files import INDEX, read_page

if TYPE_CHECKING:
    from pathlib import Path

    from colorrt.contract import Contract
    from colorrt.service.ort_web import OrtWeb

DEFAULT_MAX_PIXELS = 50_000_000
"""Browsers hold a picture several times, four bytes a pixel each."""
MAX_BYTES = 200_000_000

# 'wasm-unsafe-eval' lets WebAssembly be compiled, and no text be run.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""What hosts should send; where they do not, the page's own offline.js adds it from the second loading on."""

OFFLINE, HOST_HEADERS, ABOUT, MODEL = "offline.js", "_headers", "about.json", "model.onnx"
_SERVED, _HERE = 'data-colors="service"', 'data-colors="here"'
_CHARSET = '<meta charset="utf-8">'
_TO_FILL = 'const KEPT = { digest: "", files: [], headers: {} };'


@dataclass(frozen=True)
class Written:
    """What was written. `size`: bytes of all files."""

    files: tuple[str, ...]
    size: int


def write_page(
    folder: Path,
    ort: OrtWeb,
    artifact: Path,
    *,
    half: bool = True,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    overwrite: bool = False,
) -> Written:
    """Write the page into a folder, which is made; index.html comes last, so that no page is there in part.

    `artifact`: an ONNX file from `colorrt export`. `half`: store its FP32 weights in FP16, see `halve_weights`.
    `max_pixels`: larger pictures are refused. `overwrite`: write into a folder that is not empty; files of other names
    stay.

    Raises ArtifactError for what is no ONNX file with a contract; UsageError for engines, a folder that is not empty
    or cannot be written.
    """
    found = read_artifact(artifact)
    if found.kind is not Kind.ONNX:
        raise UsageError(f"{printable(artifact)}: browsers run no engines; give the ONNX file that it was built from")
    try:
        if folder.exists() and any(folder.iterdir()) and not overwrite:
            raise UsageError(f"{printable(folder)}: it is not empty; choose another folder, or --overwrite")
    except OSError as error:
        raise UsageError(f"{printable(folder)}: it is no folder that can be read; choose another") from error
    model = artifact.read_bytes()
    files = _files_of(halve_weights(model) if half else model, found.contract, ort, max_pixels)
    try:
        for name in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{printable(folder)}: cannot be made ({error.strerror or error}); choose another folder"
        ) from error
    for name, content in files.items():
        with atomic_path(folder / name, UsageError) as part:
            part.write_bytes(content)
    return Written(tuple(files), sum(map(len, files.values())))


def _files_of(model: bytes, contract: Contract, ort: OrtWeb, max_pixels: int) -> dict[str, bytes]:
    """Return all files by name, with slashes; index.html is the last."""
    page = {name: content for name, (content, _) in read_page().items()}
    index = page.pop(INDEX).decode()
    # Of the service alone.
    page.pop("api.js")
    files = {f"page/{name}": content for name, content in page.items()}
    local = _read_local()
    template = local.pop(OFFLINE).decode()
    files |= {f"page/local/{name}": content for name, content in local.items()}
    files |= {f"ort/{name}": content for name, content in ort.files.items()}
    files[MODEL] = model
    load_bytes = len(model) + sum(map(len, ort.files.values()))
    files[ABOUT] = (json.dumps(_about(contract, ort, max_pixels, load_bytes)) + "\n").encode()
    meta = f'{_CHARSET}\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    index = index.replace(_SERVED, _HERE).replace(_CHARSET, meta)
    kept = ["./", *sorted(files)]
    digest = hashlib.sha256(index.encode())
    for name in sorted(files):
        digest.update(hashlib.sha256(files[name]).digest())
    filled = json.dumps({"digest": digest.hexdigest()[:16], "files": kept, "headers": HEADERS})
    files[OFFLINE] = template.replace(_TO_FILL, f"const KEPT = {filled};").encode()
    files[HOST_HEADERS] = ("/*\n" + "".join(f"  {name}: {value}\n" for name, value in HEADERS.items())).encode()
    files["MODEL.md"] = shipped_card().read_bytes()
    license_text = distribution("colorrt").read_text("licenses/LICENSE")
    if license_text is not None:
        files["LICENSE.txt"] = (license_text + _ORT_LICENSE).encode()
    files[INDEX] = index.encode()
    return files


_ORT_LICENSE = "\nort/ is onnxruntime-web, Copyright (c) Microsoft Corporation, under the MIT license, too.\n"


def _read_local() -> dict[str, bytes]:
    folder = resources.files("colorrt.service") / "page" / "local"
    found = {}
    for file in folder.iterdir():
        if file.name.endswith(".js"):
            found[file.name] = file.read_bytes()
    for file in (folder / "kernels").iterdir():
        if file.name.endswith(".js"):
            found[f"kernels/{file.name}"] = file.read_bytes()
    return found


def _about(contract: Contract, ort: OrtWeb, max_pixels: int, load_bytes: int) -> dict[str, Any]:
    """What the service tells at /about, and what the browser needs to know beside it."""
    factor = choose_render_factor(contract, None)
    return {
        "version": version("colorrt"),
        "models": [
            {
                "name": name_of(contract),
                "render_factor": factor,
                "any_render_factor": contract.render_factor is None,
                "saturation": contract.saturation,
                "backend": f"onnxruntime-web {ort.version}",
            }
        ],
        "max_bytes": MAX_BYTES,
        "max_pixels": max_pixels,
        "highest_render_factor": HIGHEST_RENDER_FACTOR,
        "suffixes": sorted(PICTURE_SUFFIXES),
        "unit": UNIT,
        "model_file": MODEL,
        "load_bytes": load_bytes,
        "mark": {
            "tool": creator_tool(),
            "model": contract.model,
            "weights_sha256": contract.weights_sha256,
        },
    }
