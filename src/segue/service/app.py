"""The HTTP application: routes, what becomes of errors, and what happens when it starts and stops."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from segue import __version__
from segue.core.errors import DataError, RunError, SegueError, SettingsError
from segue.service import routes
from segue.service.dependencies import PROBLEMS
from segue.service.document import document_problems
from segue.service.event_store import StoreAway
from segue.service.gate import Gate
from segue.service.looks import Looks
from segue.service.problems import MEDIA_TYPE, FieldFault, Problem, unavailable
from segue.service.schemas import FORMS
from segue.service.service import Service

OFTEN = ("events", "recommend")
"""Routes that are asked all the time come first: they are tried in order."""
WORDS = (
    "Recommendations of fitted systems, with what users did a moment ago taken into account. Every error is an RFC "
    "9457 problem. Scores compare items of one answer."
)


def application(service: Service) -> FastAPI:
    """The application around a service; it starts and stops it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    app = FastAPI(
        title="Segue", version=__version__, description=WORDS, lifespan=lifespan, docs_url=None, redoc_url=None,
        responses=PROBLEMS, swagger_ui_oauth2_redirect_url=None,
    )  # fmt: skip
    app.state.service, app.state.looks = service, Looks()
    names = [module.name for module in pkgutil.iter_modules(routes.__path__)]
    for name in sorted(names, key=lambda name: (name not in OFTEN, name)):
        app.include_router(importlib.import_module(f"{routes.__name__}.{name}").router)
    document_problems(app)
    for kind, handler in (
        (Problem, _problem),
        (SegueError, _segue_error),
        (RequestValidationError, _invalid),
        (HTTPException, _http),
    ):
        app.add_exception_handler(kind, handler)
    app.add_middleware(Gate, settings=service.settings, meters=service.meters)
    return app


def _answer(problem: Problem) -> Response:
    return JSONResponse(problem.body, problem.details.status, headers=problem.headers, media_type=MEDIA_TYPE)


async def _problem(request: Request, problem: Any) -> Response:
    return _answer(problem)


async def _segue_error(request: Request, error: Any) -> Response:
    """Errors that are meant for people, by what they are about."""
    if isinstance(error, StoreAway):
        return _answer(unavailable(str(error), name="store-away"))
    status = 422 if isinstance(error, DataError | SettingsError) else 409 if isinstance(error, RunError) else 400
    return _answer(Problem(status, "refused", "Refused", str(error)))


async def _invalid(request: Request, error: Any) -> Response:
    faults = [FieldFault(field=_field(one["loc"]), message=_message(one)) for one in error.errors()]
    broken = any(one["type"] == "json_invalid" for one in error.errors())
    named = "; ".join(f"{fault.field}: {fault.message}" for fault in faults[:3])
    more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
    if broken:
        return _answer(Problem(400, "json", "No valid JSON", named, faults))
    return _answer(Problem(422, "invalid", "Invalid request", f"{named}{more}", faults[:50]))


def _field(steps: Sequence[str | int]) -> str:
    """The path of a field, without the names of forms that were chosen on the way."""
    return ".".join(str(step) for step in steps if step not in FORMS)


def _message(fault: dict[str, Any]) -> str:
    """What was expected, and what came, shortened and in ASCII: it may be anything."""
    context = fault.get("ctx", {})
    said = str(fault["msg"]) + (f" ({context['error']})" if isinstance(context.get("error"), str) else "")
    came = fault.get("input")
    if isinstance(came, str | int | float | bool) or came is None:
        said += f" (came: {ascii(came)[:80]})"
    return said.encode("utf-8", "replace").decode()


async def _http(request: Request, error: Any) -> Response:
    if isinstance(error.__cause__, Problem):
        return _answer(error.__cause__)  # raised while the body was read
    words: dict[int, Sequence[str]] = {
        404: (
            "not-found",
            "No such thing",
            f"There is nothing at {request.url.path[:200]}; /openapi.json says what is.",
        ),
        405: (
            "method",
            "Wrong method",
            f"{request.method} does not go with this address; /openapi.json says what does.",
        ),
    }
    name, title, detail = words.get(error.status_code, ("http", "Refused", str(error.detail)))
    headers = dict(error.headers or {})
    return _answer(Problem(error.status_code, name, title, detail, headers=headers))
