"""What users did, reported as it happens."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Body

from segue.core.served import Event
from segue.service.dependencies import ServiceOf
from segue.service.problems import FieldFault, Problem
from segue.service.schemas import AHEAD, EventBody, EventsAnswer, EventsBody, Report

router = APIRouter(tags=["events"])


@router.post("/events", response_model_exclude_none=True)
async def report_events(service: ServiceOf, body: Annotated[Report, Body()]) -> EventsAnswer:
    """Keep one event or many, all or none. When this is answered they survive a killed service, and the next
    recommendation knows them. An `event_id` that was taken before changes nothing."""
    now = int(time.time())
    several = isinstance(body, EventsBody)
    reported = body.events if isinstance(body, EventsBody) else [body]
    _refuse_ahead(reported, now, "body.events.{}.time" if several else "body.time")
    events = [
        Event(one.event_id, one.user_id, one.item_id, now if one.time is None else one.time, dict(one.actions))
        for one in reported
    ]
    fresh = await service.add_events(events)
    known = [host.warm.row_of for host in service.hosts.values()]
    unknown = {event.item_id: None for event in events if known and not any(event.item_id in rows for rows in known)}
    return EventsAnswer(
        accepted=sum(fresh),
        duplicates=len(fresh) - sum(fresh),
        unknown_items=list(unknown),
        note=_note(list(unknown)) if unknown else None,
    )


def _refuse_ahead(reported: Sequence[EventBody], now: int, field: str) -> None:
    """
    Raises:
        Problem: an event lies too far in the future; it would be the user's newest for as long.
    """
    faults = [
        FieldFault(
            field=field.format(place),
            message=f"expected Unix seconds that are at most a day ahead of now, {now} (came: {one.time})",
        )
        for place, one in enumerate(reported)
        if one.time is not None and one.time > now + AHEAD
    ]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        detail = f"{faults[0].field}: {faults[0].message}{more}. Nothing was kept."
        raise Problem(422, "invalid", "Invalid request", detail, faults[:50])


def _note(unknown: Sequence[str]) -> str:
    what = f"item {unknown[0]!r} is" if len(unknown) == 1 else f"{len(unknown)} items are"
    return (
        f"{what} in the catalog of no system: the events are kept, and count once POST /items has added what is missing"
    )
