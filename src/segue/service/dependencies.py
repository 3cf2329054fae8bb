"""What routes ask for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request


def _service(request: Request) -> Any:
    return request.app.state.service


ServiceOf = Annotated[Any, Depends(_service)]
