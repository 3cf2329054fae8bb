"""Whether the service lives, whether it can answer, and what it counts."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from segue import __version__
from segue.service.dependencies import ServiceOf
from segue.service.schemas import HealthAnswer, ReadyAnswer

router = APIRouter(tags=["health"])


@router.get("/health")
async def health() -> HealthAnswer:
    """The process answers."""
    return HealthAnswer(status="ok", version=__version__)


@router.get("/ready", response_model=ReadyAnswer, responses={503: {"model": ReadyAnswer}})
async def ready(service: ServiceOf) -> Response:
    """200 when requests can be answered, 503 until then; each check by name."""
    fine, checks = await service.ready()
    answer = ReadyAnswer(ready=fine, checks=dict(checks))
    return JSONResponse(answer.model_dump(), 200 if fine else 503)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(service: ServiceOf) -> Response:
    """Counters, histograms and gauges in Prometheus' text format."""
    return Response(service.meters.text(), media_type=service.meters.media_type)
