"""The OpenAPI document: as FastAPI makes it, with errors under the media type that they really have."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from segue.service.problems import MEDIA_TYPE, ProblemDetails

PROBLEM = {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}


def document_problems(app: FastAPI) -> None:
    """Let the application describe its problems as what they are: `application/problem+json`."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            for operations in document["paths"].values():
                for operation in operations.values():
                    for response in operation["responses"].values():
                        content = response.get("content", {})
                        if content.get("application/json", {}).get("schema") == PROBLEM:
                            content[MEDIA_TYPE] = content.pop("application/json")
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
