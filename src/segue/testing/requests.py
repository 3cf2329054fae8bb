"""Requests with a known answer, for everybody who writes a ranker."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from segue.core.impressions import Field, Impressions, RankingSplit, Schema
from segue.core.tables import Cases, Catalog, Dataset, Histories, InteractionLog


def parity_requests(
    *, users: int = 60, requests: int = 6, shown: int = 3, items: int = 12, seed: int = 0
) -> RankingSplit:
    """Users who click what is even if their last clicked item was, else what is odd, and err one time in ten.

    So what an item is says nothing, and only a history with its actions tells. 'like' is a coin. The last request of
    each user is asked, the one before it validated. Items have the category `parity` and the number `size`, users the
    category `side`, shown places the category `position`.
    """
    rng = np.random.default_rng(seed)
    per_user = requests * shown
    items_of = rng.integers(0, items, (users, per_user))
    clicks = np.zeros((users, per_user), dtype=np.int8)
    parity = rng.integers(0, 2, users)  # before the first click
    side = parity.copy()
    for request in range(requests):
        cut = slice(request * shown, (request + 1) * shown)
        clicks[:, cut] = items_of[:, cut] % 2 == parity[:, None]
        wrong = rng.random((users, shown)) < 0.1
        clicks[:, cut] ^= wrong.astype(np.int8)
        for place in range(request * shown, (request + 1) * shown):
            parity = np.where(clicks[:, place] == 1, items_of[:, place] % 2, parity)
    labels = np.stack([clicks, rng.integers(0, 2, clicks.shape).astype(np.int8)], axis=-1).reshape(-1, 2)
    events = users * per_user
    log = InteractionLog(
        items=items_of.reshape(-1),
        offsets=np.arange(users + 1) * per_user,
        users=pl.DataFrame({"user_id": [f"u{user}" for user in range(users)]}),
        timestamps=np.repeat(np.arange(users * requests) * 100, shown).astype(np.int64),
        columns={"click": labels[:, 0], "like": labels[:, 1]},
    )
    catalog = Catalog(
        pl.DataFrame({"item_id": [f"i{item}" for item in range(items)], "size": [float(item) for item in range(items)]})
    )
    starts = np.repeat(np.arange(users) * per_user, requests)
    ends = starts + np.tile(np.arange(requests) * shown, users)
    assert log.timestamps is not None
    every = Impressions(
        histories=Histories(
            items=log.items,
            starts=starts,
            ends=ends,
            users=np.repeat(np.arange(users), requests),
            timestamps=log.timestamps,
            asked_at=log.timestamps[ends],
        ),
        actions=labels,
        items=log.items,
        bounds=np.arange(users * requests + 1) * shown,
        labels=labels,
        events=np.arange(events),
        features={"position": np.tile(np.arange(shown), users * requests)},
        users={"side": side + 1},
    )
    number = np.tile(np.arange(requests), users)
    whole = log.histories()
    nothing = Cases(whole.take(slice(0, 0)), np.zeros(0, dtype=np.int64))
    return RankingSplit(
        dataset=Dataset("parity", log, catalog, "parity"),
        rule="the last request of each user",
        train=replace(whole, ends=whole.ends - 2 * shown),
        validation=nothing,
        test=nothing,
        schema=Schema(
            items=items,
            tasks=("click", "like"),
            actions=("click", "like"),
            fields=(
                Field("parity", "item", 3),
                Field("size", "item", 0),
                Field("side", "user", 3),
                Field("position", "place", shown),
            ),
        ),
        learnt=every.take(np.flatnonzero(number < requests - 2)),
        validated=every.take(np.flatnonzero(number == requests - 2)),
        asked=every.take(np.flatnonzero(number == requests - 1)),
        item_features={
            "parity": 1 + np.arange(items) % 2,
            "size": ((np.arange(items) - (items - 1) / 2) / np.arange(items).std()).astype(np.float32),
        },
    )
