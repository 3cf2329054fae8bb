"""A log that some users go on from, and the obvious way to say what they have done."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from segue.core.served import Event
from segue.core.tables import Catalog, Dataset, InteractionLog

ITEMS = 6


def dataset(timed: bool = True) -> Dataset:
    """u0 took i0 i1 i2 at 10, 20 and 30; u1 took i3 twice at 40; u2 never took anything; items are i0 to i5."""
    log = InteractionLog(
        items=np.array([0, 1, 2, 3, 3], dtype=np.int32),
        offsets=np.array([0, 3, 5, 5]),
        users=pl.DataFrame({"user_id": ["u0", "u1", "u2"]}),
        timestamps=np.array([10, 20, 30, 40, 40]) if timed else None,
        columns={"click": np.array([1, 0, 1, 1, 0]), "like": np.array([0, 0, 1, 0, 0])},
    )
    catalog = Catalog(pl.DataFrame({"item_id": [f"i{item}" for item in range(ITEMS)]}))
    return Dataset("small", log, catalog, "small")


def history(data: Dataset, user: str, events: Sequence[Event], *, shown: bool = False) -> list[tuple[int, int | None]]:
    """Items and times of a user, event by event."""
    log, ids = data.log, data.catalog.ids.to_list()
    users = log.users["user_id"].to_list()
    past: list[tuple[int, int | None]] = []
    if user in users:
        own = range(log.offsets[users.index(user)], log.offsets[users.index(user) + 1])
        past = [(int(log.items[one]), None if log.timestamps is None else int(log.timestamps[one])) for one in own]
    newest = max((time for _, time in past if time is not None), default=None)
    live = []
    for event in events:
        if event.user_id != user or event.item_id not in ids:
            continue
        if not shown and event.actions and not any(event.actions.values()):
            continue
        if newest is not None and event.time <= newest:
            continue
        live.append((event.time, event.place, ids.index(event.item_id)))
    return past + [(item, None if log.timestamps is None else time) for time, _, item in sorted(live)]
