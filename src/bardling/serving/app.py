"""The application: /v1 as OpenAI has it, health, metrics, and the page, behind the guard."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from bardling import __version__
from bardling.errors import BardlingError
from bardling.serving.answering import Desk, Order
from bardling.serving.chats import order_chat
from bardling.serving.completions import order_completion
from bardling.serving.guard import HEALTH, Doors, Guard
from bardling.serving.limits import Limits
from bardling.serving.metrics import CONTENT_TYPE, Metrics
from bardling.serving.models import Models, Served
from bardling.serving.pages import FILES, Page, router
from bardling.serving.refusals import Refused, failed, json_response, refused
from bardling.serving.schemas import ChatRequest, CompletionRequest, Wishes, first_sentence

LONG_BODY = 20_000
"""Bytes from which a request is read on a thread, so that its tokens hold nobody up."""

AnyRequest = TypeVar("AnyRequest", bound=Wishes)


def build_app(
    models: Models,
    *,
    key: str | None,
    hosts: frozenset[str],
    runs_dir: Path,
    limits: Limits,
    doors: Doors | None = None,
) -> FastAPI:
    """Return the application that serves some models, and the page over a folder of runs.

    `hosts` are names, besides this machine's own, by which clients may call it; `doors` is what
    tells the guard to let nobody in any more.
    """
    # no pages about the API: they would load scripts from another host
    app = FastAPI(
        title="bardling", version=__version__, openapi_url=None, docs_url=None, redoc_url=None
    )
    metrics = Metrics()
    desk = Desk(models=models, limits=limits, metrics=metrics)
    _add_writing(app, desk)
    _add_facts(app, desk)
    _add_refusals(app)
    app.include_router(router(models, runs_dir))
    app.openapi()  # makes the routes now: while it does, warnings are not safe on other threads
    app.mount("/", Page())
    app.add_middleware(
        Guard,
        doors=doors or Doors(),
        key=key,
        hosts=hosts,
        open_paths=page_paths(),
        limits=limits,
        metrics=metrics,
    )
    return app


def page_paths() -> frozenset[str]:
    """Return the paths of the page's own files, which say nothing about any model."""
    files = (path.relative_to(FILES).as_posix() for path in FILES.rglob("*") if path.is_file())
    return frozenset({"/", *(f"/{name}" for name in files)})


def _add_writing(app: FastAPI, desk: Desk) -> None:
    """Add the two routes that write."""

    @app.post("/v1/completions")
    async def completions(wishes: CompletionRequest, request: Request) -> Response:
        return await desk.answer(await _ordered(order_completion, desk, wishes, request), request)

    @app.post("/v1/chat/completions")
    async def chat_completions(wishes: ChatRequest, request: Request) -> Response:
        return await desk.answer(await _ordered(order_chat, desk, wishes, request), request)


async def _ordered(
    read: Callable[[Desk, AnyRequest], Order], desk: Desk, wishes: AnyRequest, request: Request
) -> Order:
    desk.served(wishes.model).engine.require_room()  # before its tokens are counted
    if len(await request.body()) < LONG_BODY:
        return read(desk, wishes)
    return await run_in_threadpool(read, desk, wishes)


def _add_facts(app: FastAPI, desk: Desk) -> None:
    """Add what is told about the server."""

    @app.get("/v1/models")
    async def models() -> Response:
        data = [_fact(one) for one in desk.models]
        return json_response({"object": "list", "data": data})

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> Response:
        return json_response(_fact(desk.served(name)))

    @app.get(HEALTH)
    async def health() -> Response:
        return json_response({"status": "ok"})

    @app.get("/metrics")
    async def metrics() -> Response:
        return PlainTextResponse(desk.metrics.page(desk.models), media_type=CONTENT_TYPE)


def _fact(served: Served) -> dict[str, str | int]:
    return {"id": served.name, "object": "model", "created": served.since, "owned_by": "bardling"}


def _add_refusals(app: FastAPI) -> None:
    """Let every refusal have the same shape, whoever raises it."""

    async def stated(request: Request, error: Exception) -> Response:
        match error:
            case Refused():
                return error.response()
            case BardlingError():
                return refused(error).response()
            case RequestValidationError():
                message, param = first_sentence(error.errors())
                return Refused(400, message, param=param, code="invalid_value").response()
            case HTTPException():
                return Refused(error.status_code, error.detail, headers=error.headers).response()
        return failed().response()

    for kind in (Refused, BardlingError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, stated)
