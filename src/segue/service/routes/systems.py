"""The systems that answer, and the exchange of one run for another."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path

from segue.service.dependencies import ServiceOf
from segue.service.host import Host, Hosted
from segue.service.pipeline import Pipeline
from segue.service.schemas import SwapAnswer, SwapBody, SystemNote, SystemsAnswer
from segue.service.service import Service

router = APIRouter(tags=["systems"])


@router.get("/systems")
def list_systems(service: ServiceOf) -> SystemsAnswer:
    """All systems that answer, with their share of the traffic."""
    service.choose(None, "")
    return SystemsAnswer(systems=[_note(service, host) for host in service.hosts.values()])


@router.post("/systems/{name}/swap")
async def swap_run(
    service: ServiceOf, name: Annotated[str, Path(min_length=1, max_length=200)], body: SwapBody
) -> SwapAnswer:
    """Load a run of `GET /runs` and let it answer under this name, between two batches: no request is dropped. If it
    cannot be loaded, or was fitted on other items and `other_catalog` does not allow that, the system goes on as it
    was."""
    before, seconds = await service.swap(name, body.run, other_catalog=body.other_catalog)
    return SwapAnswer(name=name, before=before, now=body.run, seconds=round(seconds, 3))


def _note(service: Service, host: Hosted) -> SystemNote:
    warm = host.warm
    ranker = host.ranker.warm if isinstance(host, Pipeline) else warm
    share = 0.0 if service.split is None else service.split.shares.get(host.name, 0.0)
    systems = warm.system if isinstance(host, Host) else f"{warm.system} + {ranker.system}"
    return SystemNote(
        name=host.name,
        run=warm.run if isinstance(host, Host) else f"{warm.run} + {ranker.run}",
        system=systems,
        form=host.form,
        share=share,
        paper=warm.experiment.recipe.paper.words(),
        fitted=datetime.fromtimestamp(warm.fitted, UTC).isoformat(timespec="seconds"),
        items=warm.catalog_size,
        tasks=ranker.tasks,
        fallback=service.settings.fallback,
    )
