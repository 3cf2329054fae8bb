"""What routes are handed."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from segue.service.problems import ProblemDetails
from segue.service.service import Service


async def _service(request: Request) -> Service:  # without `async` it would go through a thread, for each request
    service: Service = request.app.state.service
    return service


ServiceOf = Annotated[Service, Depends(_service)]
PROBLEMS: dict[int | str, dict[str, object]] = {
    status: {"model": ProblemDetails, "description": words}
    for status, words in {
        400: "The request is no valid HTTP or JSON.",
        401: "A token is needed.",
        404: "There is no such thing.",
        408: "The body did not arrive in time.",
        409: "It does not fit what is there.",
        413: "The body is too large.",
        415: "The body is not JSON.",
        422: "A field is not what was expected; the answer names it.",
        429: "Too many requests from this client.",
        503: "Not at the moment; Retry-After says when.",
    }.items()
}
"""For the OpenAPI document: every error is a problem (RFC 9457)."""
