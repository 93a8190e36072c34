"""The application: routes, each a few lines from a request to its answer."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from colorrt.contract import HIGHEST_RENDER_FACTOR
from colorrt.runtime.pictures.formats import PICTURE_SUFFIXES
from colorrt.runtime.triton import name_of
from colorrt.service.bodies import Bodies
from colorrt.service.coloring import Tools, color_body
from colorrt.service.guards import Guards
from colorrt.service.inference import LENGTH, check_version, describe_model, describe_server, infer
from colorrt.service.metrics import KIND, Metrics
from colorrt.service.openapi import describe_api
from colorrt.service.page_files import INDEX, read_page
from colorrt.service.problems import ProblemError, problem_of, problem_response
from colorrt.service.queries import read_asked
from colorrt.service.work import Desk, Memory, Network, is_full

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from colorrt.runtime.colorizer import Colorizer
    from colorrt.service.settings import ServiceSettings
    from colorrt.service.work import Deadline

    Endpoint = Callable[["Service", Request], Awaitable[Response]]

_AT_ONCE = 3
"""The largest bodies that may arrive at a time."""


@dataclass(eq=False)
class Service:
    """What requests share. `models`: by name; the first is taken where none is named."""

    models: dict[str, Network]
    settings: ServiceSettings
    desk: Desk
    bodies: Bodies
    memory: Memory
    metrics: Metrics
    page: dict[str, tuple[bytes, str]]
    stopping: bool = False

    def model(self, name: str | None) -> Network:
        """Return a model. Raises ProblemError (404) for a name that there is not."""
        if name is None:
            return next(iter(self.models.values()))
        if name not in self.models:
            raise ProblemError(404, f"there is no such model; there is {', '.join(self.models)}")
        return self.models[name]


def make_service(colorizers: Sequence[Colorizer], settings: ServiceSettings) -> Service:
    """Put together what serves these models."""
    models: dict[str, Network] = {}
    for colorizer in colorizers:
        name = name_of(colorizer.contract)
        models[name if name not in models else f"{name}-{len(models) + 1}"] = Network(colorizer)
    workers = max(2, *(colorizer.best_batch for colorizer in colorizers)) if colorizers else 2
    return Service(
        models,
        settings,
        Desk(settings.queue, settings.seconds, workers),
        Bodies(settings.max_bytes, settings.seconds, _AT_ONCE * settings.max_bytes),
        Memory(),
        Metrics(),
        read_page(),
    )


def make_app(
    service: Service,
    complain: Callable[[str], None] = lambda _: None,
    log: Callable[[str, str, int, float], None] | None = None,
) -> ASGIApp:
    """Return the ASGI application. `complain`, `log`: see `Guards`."""
    routes = [
        _route(service, path, endpoint, method)
        for path, endpoint, method in (
            ("/", _index, "GET"),
            ("/page/{name}", _page, "GET"),
            ("/about", _about, "GET"),
            ("/colorize", _colorize, "POST"),
            ("/healthz", _health, "GET"),
            ("/readyz", _ready, "GET"),
            ("/metrics", _metrics, "GET"),
            ("/openapi.json", _openapi, "GET"),
            ("/v2", _v2, "GET"),
            ("/v2/health/live", _live, "GET"),
            ("/v2/health/ready", _ready, "GET"),
            ("/v2/models/{model}", _v2_model, "GET"),
            ("/v2/models/{model}/ready", _v2_ready, "GET"),
            ("/v2/models/{model}/infer", _v2_infer, "POST"),
            ("/v2/models/{model}/versions/{version}", _v2_model, "GET"),
            ("/v2/models/{model}/versions/{version}/ready", _v2_ready, "GET"),
            ("/v2/models/{model}/versions/{version}/infer", _v2_infer, "POST"),
        )
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _http_problem})
    app.router.redirect_slashes = False
    return Guards(app, service.settings, service.metrics, complain, log)


def _route(service: Service, path: str, endpoint: Endpoint, method: str) -> Route:
    async def answer(request: Request) -> Response:
        request.scope["route_path"] = path
        try:
            return await endpoint(service, request)
        except ProblemError as error:
            return problem_response(error)

    return Route(path, answer, methods=[method])


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {
        404: "there is nothing here; GET /openapi.json says what there is",
        405: "this path takes another method; GET /openapi.json says which",
    }
    return problem_response(
        ProblemError(error.status_code, words.get(error.status_code, "the request is refused"), error.headers)
    )


def _json(table: Any, status: int = 200) -> Response:
    return Response(json.dumps(table) + "\n", status, {"Cache-Control": "no-store"}, media_type="application/json")


async def _index(service: Service, request: Request) -> Response:
    return _file(service, INDEX)


async def _page(service: Service, request: Request) -> Response:
    return _file(service, request.path_params["name"])


def _file(service: Service, name: str) -> Response:
    if name not in service.page:
        raise ProblemError(404, "the page has no such file")
    content, kind = service.page[name]
    return Response(content, headers={"Cache-Control": "no-cache", "Content-Type": kind})


async def _about(service: Service, request: Request) -> Response:
    models = [
        {
            "name": name,
            "render_factor": network.colorizer.render_factor,
            "any_render_factor": network.colorizer.contract.render_factor is None,
            "saturation": network.colorizer.contract.saturation,
            "backend": network.colorizer.backend,
        }
        for name, network in service.models.items()
    ]
    settings = service.settings
    return _json(
        {
            "version": version("colorrt"),
            "models": models,
            "max_bytes": settings.max_bytes,
            "max_pixels": settings.max_pixels,
            "queue": settings.queue,
            "highest_render_factor": HIGHEST_RENDER_FACTOR,
            "suffixes": sorted(PICTURE_SUFFIXES),
        }
    )


async def _colorize(service: Service, request: Request) -> Response:
    # All that can be told without the body is told before it is read.
    for name in set(request.query_params):
        if len(request.query_params.getlist(name)) > 1:
            raise ProblemError(400, f"{name[:40]!r} is given more than once")
    asked = read_asked(request.query_params)
    network = service.model(request.query_params.get("model"))
    if service.desk.full:
        raise is_full()
    body = await service.bodies.read(request)
    began = time.perf_counter()
    tools = Tools(network, service.memory, service.settings.max_pixels)
    try:
        colored = await service.desk.do(partial(color_body, body, asked, tools))
    except Exception as error:
        problem = problem_of(error)
        if problem.status == 500:
            raise
        return problem_response(problem)
    seconds = time.perf_counter() - began
    service.metrics.time(seconds, len(colored.body))
    headers = {
        "Cache-Control": "no-store",
        "Server-Timing": f"color;dur={1000 * seconds:.1f}",
        "Content-Type": colored.kind,
    }
    return Response(colored.body, headers=headers)


async def _health(service: Service, request: Request) -> Response:
    return Response("ok\n", headers={"Cache-Control": "no-store"}, media_type="text/plain")


async def _ready(service: Service, request: Request) -> Response:
    if service.stopping:
        raise ProblemError(503, "the service is being stopped", {"Retry-After": "30"})
    return _json({"ready": True})


async def _live(service: Service, request: Request) -> Response:
    return _json({"live": True})


async def _metrics(service: Service, request: Request) -> Response:
    text = service.metrics.text(service.desk.inside, service.settings.queue)
    return Response(text, headers={"Cache-Control": "no-store", "Content-Type": KIND})


async def _openapi(service: Service, request: Request) -> Response:
    return _json(describe_api(tuple(service.models)))


async def _v2(service: Service, request: Request) -> Response:
    return _json(describe_server())


async def _v2_model(service: Service, request: Request) -> Response:
    name = request.path_params["model"]
    network = service.model(name)
    check_version(request.path_params.get("version"))
    return _json(describe_model(name, network.colorizer.contract))


async def _v2_ready(service: Service, request: Request) -> Response:
    service.model(request.path_params["model"])
    check_version(request.path_params.get("version"))
    return await _ready(service, request)


async def _v2_infer(service: Service, request: Request) -> Response:
    name = request.path_params["model"]
    network = service.model(name)
    check_version(request.path_params.get("version"))
    if service.desk.full:
        raise is_full()
    body = await service.bodies.read(request)

    def work(deadline: Deadline) -> tuple[bytes, dict[str, str]]:
        deadline.check()
        return infer(body, request.headers.get(LENGTH), name, network.run)

    try:
        answer, headers = await service.desk.do(work)
    except Exception as error:
        problem = problem_of(error)
        if problem.status == 500:
            raise
        return problem_response(problem)
    return Response(answer, headers={"Cache-Control": "no-store", **headers})
