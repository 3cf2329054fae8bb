"""What went wrong with a request, as RFC 9457 problem details: a kind, a status, and what to do, by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

MEDIA_TYPE = "application/problem+json"


class FieldFault(BaseModel):
    """What is wrong with one field of a request."""

    field: str = Field(description="Path of the field, such as body.events.0.item_id.")
    message: str = Field(description="What was expected, and what came.")


class ProblemDetails(BaseModel):
    """The body of every answer that is an error (RFC 9457)."""

    type: str = Field(description="Kind of the problem: urn:segue:problem:NAME.")
    title: str = Field(description="The kind in words; the same for every problem of a kind.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened this time, and what to do about it.")
    errors: list[FieldFault] = Field(default_factory=list, description="By field, where fields are to blame.")


class Problem(Exception):
    """Raised anywhere in the service to answer with problem details."""

    def __init__(
        self,
        status: int,
        name: str,
        title: str,
        detail: str,
        errors: Sequence[FieldFault] = (),
        headers: Mapping[str, str] = {},
    ) -> None:
        super().__init__(detail)
        self.details = ProblemDetails(
            type=f"urn:segue:problem:{name}", title=title, status=status, detail=detail, errors=list(errors)
        )
        self.headers = dict(headers)

    @property
    def body(self) -> dict[str, Any]:
        """As plain values."""
        return self.details.model_dump()


def not_found(what: str, name: str, known: Sequence[str] = ()) -> Problem:
    """There is no such thing; some that there are."""
    hint = f" There is: {', '.join(known[:5])}{', ...' if len(known) > 5 else ''}." if known else ""
    return Problem(404, "not-found", f"No such {what}", f"There is no {what} {name!r}.{hint}")


def invalid(detail: str, *, field: str | None = None, name: str = "invalid", title: str = "Invalid request") -> Problem:
    """A request that is understood and cannot be answered as it is."""
    return Problem(422, name, title, detail, [FieldFault(field=field, message=detail)] if field else [])


def unavailable(detail: str, *, seconds: int = 1, name: str = "unavailable") -> Problem:
    """Not now; ask again after some seconds."""
    return Problem(503, name, "Not available at the moment", detail, headers={"Retry-After": str(seconds)})
