"""What users did, reported as it happens."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Body

from segue.core.served import Event
from segue.service.dependencies import ServiceOf
from segue.service.schemas import EventBody, EventsAnswer, EventsBody

router = APIRouter(tags=["events"])


@router.post("/events")
async def report_events(service: ServiceOf, body: Annotated[EventsBody | EventBody, Body()]) -> EventsAnswer:
    """Keep one event or many, all or none. When this is answered they survive a killed service, and the next
    recommendation knows them. An `event_id` that was taken before changes nothing."""
    now = int(time.time())
    reported = body.events if isinstance(body, EventsBody) else [body]
    events = [
        Event(one.event_id, one.user_id, one.item_id, now if one.time is None else one.time, dict(one.actions))
        for one in reported
    ]
    fresh = await service.add_events(events)
    known = [host.warm.row_of for host in service.hosts.values()]
    unknown = {event.item_id: None for event in events if known and not any(event.item_id in rows for rows in known)}
    return EventsAnswer(accepted=sum(fresh), duplicates=len(fresh) - sum(fresh), unknown_items=list(unknown))
