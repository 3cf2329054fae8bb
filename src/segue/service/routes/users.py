"""Who is known, and what they did."""

from __future__ import annotations

from typing import Annotated

import polars as pl
from fastapi import APIRouter, Path, Query

from segue.service.dependencies import ServiceOf
from segue.service.schemas import PastEvent, UserAnswer, UsersAnswer

router = APIRouter(tags=["users"])


@router.get("/users")
def list_users(
    service: ServiceOf,
    begins: Annotated[str, Query(max_length=200)] = "",
    system: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 20,
) -> UsersAnswer:
    """Ids that begin so, of the run's log and of those who came since."""
    warm = service.choose(system, "").host.warm
    ids = warm.dataset.log.users["user_id"].cast(pl.String)
    known = ids.filter(ids.str.starts_with(begins)).head(limit).to_list()
    live = service.store.users(begins, limit)
    return UsersAnswer(users=sorted(set(known) | set(live))[:limit])


@router.get("/users/{user_id}")
def show_user(
    service: ServiceOf,
    user_id: Annotated[str, Path(min_length=1, max_length=200)],
    system: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> UserAnswer:
    """What a user did, the newest first; nobody is unknown, and who did nothing has no events."""
    warm = service.choose(system, "").host.warm
    past, since, stale = warm.memory.past(user_id)
    logged = len(past) - len(past.live)
    events = []
    for place in range(len(past) - 1, max(len(past) - 1 - limit, -1), -1):
        row, live = int(past.items[place]), place >= logged
        events.append(
            PastEvent(
                item_id=warm.ids[row],
                title=warm.titles[row],
                time=None if past.times is None else int(past.times[place]),
                live=live,
                actions=dict(since.kinds[since.kind[past.live[place - logged]]]) if live else {},
            )
        )
    return UserAnswer(user_id=user_id, total=len(past), events=events, stale=stale)
