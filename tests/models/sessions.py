"""Requests of any sizes, and batches of them in double precision."""

from dataclasses import replace

import numpy as np
import torch
from hypothesis import strategies as st

from segue.core.impressions import Field, Impressions, RankingBatch, Schema
from segue.core.tables import Histories
from segue.data.passes import SharedHistory

ITEMS, ACTIONS = 7, 2
SCHEMA = Schema(
    items=ITEMS,
    tasks=("click", "like"),
    actions=("click", "like"),
    fields=(Field("kind", "item", 3), Field("side", "user", 3), Field("position", "place", 4)),
)
FACTS = {"kind": torch.arange(ITEMS) % 3}
BATCHES = SharedHistory(history=16, slack=0)
SIZES = st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=5), min_size=1, max_size=3)
"""How many items each request of each user shows."""


def shown(sizes: list[list[int]], seed: int = 0) -> Impressions:
    """Random items and actions; each request looks back at all earlier ones of its user."""
    rng = np.random.default_rng(seed)
    counts = np.array([size for user in sizes for size in user])
    users = np.repeat(np.arange(len(sizes)), [len(user) for user in sizes])
    bounds = np.concatenate([[0], np.cumsum(counts)])
    of_user = np.concatenate([[0], np.cumsum([sum(user) for user in sizes])])
    events = int(bounds[-1])
    clock = rng.integers(1, 5000, len(counts)).cumsum()
    items = rng.integers(0, ITEMS, events)
    labels = rng.integers(0, 2, (events, ACTIONS)).astype(np.int8)
    return Impressions(
        histories=Histories(
            items=items,
            starts=of_user[users],
            ends=bounds[:-1],
            users=users,
            timestamps=np.repeat(clock, counts),
            asked_at=clock,
        ),
        actions=labels,
        items=items,
        bounds=bounds,
        labels=labels,
        events=np.arange(events),
        features={"position": rng.integers(0, 4, events)},
        users={"side": rng.integers(0, 3, len(sizes))},
    )


def batch_of(impressions: Impressions, batches: SharedHistory = BATCHES) -> RankingBatch:
    """All of them in one batch, in double precision."""
    passes = batches.passes(impressions)
    batch = batches.batch(passes, np.arange(len(passes)))
    return replace(batch, actions=batch.actions.double())


def in_order(batch: RankingBatch, values: torch.Tensor) -> torch.Tensor:
    """One row of `values` for each shown item, in the order in which they were asked."""
    ordered = torch.empty_like(values)
    ordered[batch.order] = values
    return ordered
