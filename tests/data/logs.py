"""Small logs for the tests of the data floor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from segue.core.tables import Catalog, Dataset, InteractionLog
from segue.data.preparation import Preparation
from segue.data.prepare import prepare

Event = tuple[str, str, int]


def write_csv(path: Path, events: Sequence[Event]) -> Path:
    lines = ["user_id,item_id,timestamp", *(f"{user},{item},{time}" for user, item, time in events)]
    path.write_text("\n".join(lines) + "\n")
    return path


def prepared(folder: Path, events: Sequence[Event], **settings: object) -> Dataset:
    path = write_csv(folder / "log.csv", events)
    return prepare(Preparation.parse({"path": str(path), **settings}), folder / "out")


def events_of(dataset: Dataset) -> list[Event]:
    """The events with the user's own ids, in stored order."""
    log = dataset.log
    users = np.repeat(np.arange(len(log.offsets) - 1), np.diff(log.offsets))
    times = log.timestamps if log.timestamps is not None else np.zeros(len(log), dtype=np.int64)
    user_ids, item_ids = log.users["user_id"].to_list(), dataset.catalog.ids.to_list()
    return [(user_ids[u], item_ids[i], int(t)) for u, i, t in zip(users, log.items, times, strict=True)]


def dataset_of(histories: Sequence[Sequence[int]], times: Sequence[Sequence[int]] | None = None) -> Dataset:
    """A dataset in memory, item by item."""
    lengths = [len(history) for history in histories]
    flat = [item for history in histories for item in history]
    return Dataset(
        name="small",
        log=InteractionLog(
            items=np.array(flat, dtype=np.int32),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            users=pl.DataFrame({"user_id": [f"u{i}" for i in range(len(histories))]}, schema={"user_id": pl.String}),
            timestamps=None if times is None else np.array([t for row in times for t in row], dtype=np.int64),
        ),
        catalog=Catalog(pl.DataFrame({"item_id": [f"i{i}" for i in range(max(flat, default=0) + 1)]})),
        digest="none",
    )
