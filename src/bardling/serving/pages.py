"""What the page asks for under /play, and the page itself: static files without a build.

Text is written through /v1, so the page is a client like any other; here is what that has no words
for. Every answer is computed on a worker thread. Refusals have the shape of those of /v1.
"""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from bardling.errors import BardlingError, UsageError
from bardling.run_folder import RunFolder
from bardling.serving.asking import Closing, Overloaded
from bardling.serving.following import chosen, facts, listed, log_age, log_from, samples
from bardling.serving.insides import Insides, describe, tokenizers
from bardling.serving.looking import cut
from bardling.serving.models import Models
from bardling.serving.questions import (
    MOST_OFFSET,
    AnalogyQuestion,
    Name,
    NeighboursQuestion,
    NextQuestion,
    OfText,
    TokensQuestion,
    VectorSource,
)

FILES = Path(__file__).parent / "playground"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing runs that is not a file of ours, and nothing is asked of another host."""


class Stated(APIRoute):
    """A route whose refusals are one sentence, in the shape of those of /v1."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with what it refuses turned into answers."""
        handler = super().get_route_handler()

        async def stated(request: Request) -> Response:
            try:
                return await handler(request)
            except RequestValidationError as error:
                return refusal(400, _sentence(error))
            except (Overloaded, Closing) as error:
                return refusal(503, str(error))
            except BardlingError as error:
                return refusal(404 if isinstance(error, UsageError) else 400, str(error))

        return stated


def refusal(status: int, message: str) -> JSONResponse:
    """Return a refusal in the shape of OpenAI's."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": message, "type": kind, "param": None, "code": None}
    headers = {"Retry-After": "1"} if status == 503 else None
    return JSONResponse({"error": error}, status_code=status, headers=headers)


def _sentence(error: RequestValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query"))
    return f"{place or 'the request'}: {first['msg']}"[:300]


def router(models: Models, runs_dir: Path) -> APIRouter:
    """Return the routes under /play, about these models and the runs of a folder."""
    routes = APIRouter(prefix="/play", route_class=Stated)
    insides = Insides(models)
    _add_models(routes, models, insides)
    _add_words(routes, insides)
    _add_runs(routes, models, runs_dir)
    return routes


def _add_models(routes: APIRouter, models: Models, insides: Insides) -> None:
    """Add the routes that ask what is served, what comes next, and where a model looks."""

    @routes.get("/models")
    def served_models() -> Response:
        return JSONResponse({"models": [describe(one) for one in models]})

    @routes.post("/next")
    def next_token(question: NextQuestion) -> Response:
        looker = insides.looker(question.model)
        return JSONResponse(
            looker.next_token(
                looker.read(question.prompt, question.ids, begins=question.begins),
                temperature=question.temperature,
                top_k=question.top_k,
                top_p=question.top_p,
                count=question.count,
            )
        )

    @routes.post("/attention")
    def attention(question: OfText) -> Response:
        looker = insides.looker(question.model)
        prompt = looker.read(question.prompt, question.ids, begins=question.begins)
        return JSONResponse(looker.attention(prompt))


def _add_words(routes: APIRouter, insides: Insides) -> None:
    """Add the routes that ask about words as vectors."""

    @routes.get("/embedding")
    def embedding(model: Name | None = None, source: VectorSource = "table") -> Response:
        return JSONResponse(insides.words(model).plane(source))

    @routes.post("/neighbours")
    def neighbours(question: NeighboursQuestion) -> Response:
        words = insides.words(question.model)
        found = words.neighbours(question.word, question.source, question.count)
        return JSONResponse({"word": question.word, "neighbours": found})

    @routes.post("/analogy")
    def analogy(question: AnalogyQuestion) -> Response:
        words = insides.words(question.model)
        found = words.analogy(question.a, question.b, question.c, question.source)
        return JSONResponse({"answers": found})


def _add_runs(routes: APIRouter, models: Models, runs_dir: Path) -> None:
    """Add the routes that follow runs, and cut text with their tokenizers."""

    def known() -> dict[str, RunFolder]:
        return listed(runs_dir, (one.run.folder for one in models))

    @routes.get("/runs")
    def runs() -> Response:
        return JSONResponse({"runs": [facts(run) for run in known().values()]})

    @routes.get("/runs/{name}/log")
    def log(
        name: Name,
        start: Annotated[int, Query(alias="from", ge=0, le=MOST_OFFSET)] = 0,
        file: Annotated[str, Query(max_length=40)] = "",
    ) -> Response:
        run = chosen(name, known())
        about = facts(run)
        found = log_from(run, start, file)
        return JSONResponse({**found, "run": about, "age": min(log_age(run), 1e9)})

    @routes.get("/runs/{name}/samples")
    def written(name: Name, after: Annotated[int, Query(ge=-1, le=MOST_OFFSET)] = -1) -> Response:
        return JSONResponse({"samples": samples(chosen(name, known()), after)})

    @routes.post("/tokens")
    def tokens(question: TokensQuestion) -> Response:
        found = tokenizers(models, runs_dir, question.models)
        cuts = [
            {"name": names[0], "names": names, **cut(tokenizer, question.text)}
            for names, tokenizer in found
        ]
        return JSONResponse(
            {"bytes": len(question.text.encode("utf-8", "ignore")), "tokenizers": cuts}
        )


class Page(StaticFiles):
    """The static files of the page."""

    def __init__(self) -> None:
        super().__init__(directory=FILES, html=True)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file, which a browser may keep but asks about each time."""
        response = await super().get_response(path, scope)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Cache-Control"] = "no-cache"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
