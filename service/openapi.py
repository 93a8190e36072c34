"""The description of the service, OpenAPI 3.1."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from colorrt.contract import HIGHEST_RENDER_FACTOR, Upsampling
from colorrt.runtime.colorizer import HIGHEST_SATURATION
from colorrt.runtime.hints import LARGEST_REACH, LEAST_REACH
from colorrt.service.coloring import KIND_OF
from colorrt.service.queries import LEAST_FIT, MOST_FIT, MOST_HINT_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROBLEM = {"$ref": "#/components/schemas/Problem"}


def describe_api(models: Sequence[str]) -> dict[str, Any]:
    """Return the description as JSON takes it. `models`: their names."""
    model = {"name": "model", "in": "path", "required": True, "schema": {"enum": list(models)}}
    which = {"name": "version", "in": "path", "required": True, "schema": {"const": "1"}}
    paths: dict[str, Any] = {
        "/": _get("The page.", "text/html", {"type": "string"}, free=True),
        "/page/{name}": {
            "parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}],
            **_get("A file of the page.", "*/*", None, 404, free=True),
        },
        "/about": _get("Models and limits.", "application/json", {"type": "object"}),
        "/colorize": {"post": _colorize(models)},
        "/healthz": _get("Whether the process lives.", "text/plain", {"const": "ok\n"}, free=True),
        "/readyz": _get("Whether it takes pictures.", "application/json", {"type": "object"}, 503, free=True),
        "/metrics": _get("Figures for Prometheus.", "text/plain", {"type": "string"}),
        "/openapi.json": _get("This description.", "application/json", {"type": "object"}, free=True),
        "/v2": _get("Open Inference Protocol: the server.", "application/json", {"type": "object"}),
        "/v2/health/live": _get("Whether it lives.", "application/json", {"type": "object"}, free=True),
        "/v2/health/ready": _get("Whether it is ready.", "application/json", {"type": "object"}, 503, free=True),
    }
    for prefix, parameters in (
        ("/v2/models/{model}", [model]),
        ("/v2/models/{model}/versions/{version}", [model, which]),
    ):
        paths[prefix] = {
            "parameters": parameters,
            **_get("Open Inference Protocol: the model.", "application/json", {"type": "object"}, 404),
        }
        paths[f"{prefix}/ready"] = {
            "parameters": parameters,
            **_get("Whether the model is ready.", "application/json", {"type": "object"}, 404, 503),
        }
        paths[f"{prefix}/infer"] = {"parameters": parameters, "post": _infer()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "colorrt", "version": version("colorrt"), "license": {"name": "MIT", "identifier": "MIT"}},
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Problem": {
                    "type": "object",
                    "required": ["title", "status", "detail", "error"],
                    "properties": {
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string", "description": "One line: what, why, what to do next."},
                        "error": {
                            "type": "string",
                            "description": "The same, where the Open Inference Protocol has it.",
                        },
                    },
                }
            },
        },
    }


def _colorize(models: Sequence[str]) -> dict[str, Any]:
    options: dict[str, tuple[dict[str, Any], str]] = {
        "model": ({"enum": list(models)}, "The first if not given."),
        "render_factor": (
            {"type": "integer", "minimum": 1, "maximum": HIGHEST_RENDER_FACTOR},
            "Side of the square / 16.",
        ),
        "saturation": (
            {"type": "number", "minimum": 0, "maximum": HIGHEST_SATURATION},
            "1 is the network's guess; more spreads colors around their mean.",
        ),
        "upsample": ({"enum": [str(one) for one in Upsampling]}, "guided follows the edges of the picture."),
        "quality": (
            {"type": "integer", "minimum": 1, "maximum": 100},
            "Of JPEG, WebP and AVIF. Without it 95, and gray JPEGs keep their coded luma.",
        ),
        "lossless_luma": ({"enum": [0, 1]}, "Keep the coded luma of a JPEG bit for bit."),
        "mark": ({"enum": [0, 1]}, "Say in the XMP that the picture was colored."),
        "fit": (
            {"type": "integer", "minimum": LEAST_FIT, "maximum": MOST_FIT},
            "Answer a JPEG to look at, of at most this longest side, without metadata.",
        ),
        "hints": (
            {"type": "integer", "minimum": 0, "maximum": MOST_HINT_BYTES},
            "So many bytes at the beginning of the body are a transparent PNG with strokes; the picture follows.",
        ),
        "reach": (
            {"type": "number", "minimum": LEAST_REACH, "maximum": LARGEST_REACH},
            "How far hints spread: 1 if not given; less keeps a color on one thing.",
        ),
    }
    return {
        "summary": "Color a picture: a file in, its colored copy out, in the same format where that holds color.",
        "parameters": [
            {"name": name, "in": "query", "schema": schema, "description": words}
            for name, (schema, words) in options.items()
        ],
        "requestBody": {"required": True, "content": {"application/octet-stream": {}, "image/*": {}}},
        "responses": {
            "200": {"description": "The colored picture.", "content": {kind: {} for kind in KIND_OF.values()}},
            **_problems(400, 401, 403, 404, 408, 411, 413, 415, 421, 422, 503, 504),
        },
    }


def _infer() -> dict[str, Any]:
    return {
        "summary": "Open Inference Protocol: luma (N x 1 x S x S, FP32, 0..1) to chroma (N x 2 x S x S, FP32).",
        "parameters": [
            {"name": "Inference-Header-Content-Length", "in": "header", "schema": {"type": "integer", "minimum": 0}}
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}}, "application/octet-stream": {}},
        },
        "responses": {
            "200": {"description": "Chroma.", "content": {"application/json": {}, "application/octet-stream": {}}},
            **_problems(400, 401, 403, 404, 408, 411, 413, 415, 421, 503, 504),
        },
    }


def _get(words: str, kind: str, schema: dict[str, Any] | None, *problems: int, free: bool = False) -> dict[str, Any]:
    content = {kind: {} if schema is None else {"schema": schema}}
    codes = (400, 421, *problems) if free else (400, 401, 421, *problems)
    answer = {"summary": words, "responses": {"200": {"description": words, "content": content}, **_problems(*codes)}}
    return {"get": answer | ({"security": []} if free else {})}


def _problems(*codes: int) -> dict[str, Any]:
    answer = {"description": "Why not.", "content": {"application/problem+json": {"schema": _PROBLEM}}}
    return {str(code): answer for code in sorted(codes)}
