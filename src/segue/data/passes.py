"""Requests that look back at the same events share one pass over them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from pydantic import NonNegativeInt, PositiveInt

from segue.core.batches import SequenceBatch
from segue.core.forms import RankingBatches
from segue.core.impressions import Candidates, Impressions, RankingBatch
from segue.core.shapes import Int
from segue.core.tables import Histories
from segue.data.sequences import shuffled


@dataclass(frozen=True)
class Passes:
    """Windows of events, each with the requests that are answered by reading it once.

    Pass p reads row p of `windows` and serves the requests `bounds[p] : bounds[p + 1]` of `impressions`.
    """

    impressions: Impressions
    windows: Histories
    bounds: Int[np.ndarray, " bounds"]
    shown: Int[np.ndarray, " shown"]
    """Which of the shown items that were given each one is."""

    def __len__(self) -> int:
        return len(self.windows)


class SharedHistory(RankingBatches):
    """Reads a history once for all requests that look back at the same beginning.

    A request sees its newest `history` events and up to `slack` more: its window begins where the events before those
    are rounded down to whole steps of `slack + 1`. So neighbouring requests share a window, which grows by
    appending until it is full. The rule is the same while learning and in use.
    """

    history: PositiveInt = 50
    """The newest events that a request certainly sees, where there are so many."""
    slack: NonNegativeInt = 50
    """Events further back that it may see, so that neighbours share a pass."""
    users: PositiveInt = 64
    """Passes in a batch."""
    shown: PositiveInt = 16_384
    """Most items judged at once when answers are asked for."""
    latest: bool = False
    """Learn from the last request of each pass alone, as a system must that merges item and action into one token."""

    @property
    def length(self) -> int:
        """The most events of a pass."""
        return self.history + self.slack

    def passes(self, impressions: Impressions) -> Passes:
        """The requests grouped by what they look back at."""
        histories = impressions.histories
        step = self.slack + 1
        surplus = np.maximum(histories.lengths - self.history, 0)
        starts = histories.starts + surplus // step * step
        order = np.lexsort((histories.ends, starts, histories.users))
        starts, users = starts[order], histories.users[order]
        first = np.ones(len(order), dtype=bool)
        first[1:] = (starts[1:] != starts[:-1]) | (users[1:] != users[:-1])
        bounds = np.append(np.flatnonzero(first), len(order))
        sorted_ = impressions.take(order)
        ends = sorted_.histories.ends[bounds[1:] - 1]
        windows = replace(sorted_.histories.take(bounds[:-1]), starts=starts[bounds[:-1]], ends=ends, asked_at=None)
        return Passes(sorted_, windows, bounds, impressions.shown_of(order))

    def epoch(self, impressions: Impressions, rng: np.random.Generator) -> tuple[Passes, list[np.ndarray]]:
        """The passes over the requests, and the rows of each batch in random order."""
        passes = self.passes(impressions)
        if self.latest:
            passes = _last_requests(passes)
        return passes, shuffled(len(passes), self.users, rng)

    def in_order(self, impressions: Impressions) -> tuple[Passes, list[np.ndarray]]:
        """The passes over all of the requests, those of equal length side by side, in batches of bounded size."""
        passes = self.passes(impressions)
        order = np.argsort(passes.windows.lengths, kind="stable")
        shown = np.diff(passes.impressions.bounds[passes.bounds])[order] + passes.windows.lengths[order]
        batch = (np.cumsum(shown) - shown) // self.shown
        return passes, np.split(order, np.flatnonzero(np.diff(batch)) + 1) if len(order) else []

    def batch(self, passes: Passes, rows: Int[np.ndarray, " some"]) -> RankingBatch:
        """The chosen passes as a batch."""
        events = SequenceBatch.of(passes.windows.take(rows))
        rows = rows[events.order.numpy()]
        counts = passes.bounds[rows + 1] - passes.bounds[rows]
        firsts = np.repeat(passes.bounds[rows] - (np.cumsum(counts) - counts), counts)
        requests = firsts + np.arange(counts.sum())
        chosen = passes.impressions.take(requests)
        of_request = np.repeat(np.arange(len(rows)), counts)  # the row of the batch of each request
        request = chosen.owners
        owners = of_request[request]
        starts = passes.windows.starts[rows]
        at = (chosen.histories.ends[request] - starts[owners]).astype(np.int64)
        inside = chosen.events - starts[owners]
        lengths = passes.windows.lengths[rows]
        offsets = events.rows.offsets.numpy()
        places = np.where(
            (chosen.events >= 0) & (inside >= 0) & (inside < lengths[owners]), offsets[owners] + inside, -1
        )
        positions, _ = passes.windows.take(rows).positions()
        asked_at = chosen.histories.asked_at
        return RankingBatch(
            events=events,
            actions=torch.from_numpy(chosen.actions[positions].astype(np.float32)),
            items=torch.from_numpy(chosen.items.astype(np.int64)),
            candidates=Candidates(
                torch.from_numpy(owners),
                torch.from_numpy(at),
                None if asked_at is None else torch.from_numpy(asked_at[request].astype(np.int64)),
            ),
            places=torch.from_numpy(places),
            order=torch.from_numpy(passes.shown[passes.impressions.shown_of(requests)]),
            labels=torch.from_numpy(chosen.labels.astype(np.float32)),
            features={name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in chosen.features.items()},
            users={
                name: torch.from_numpy(_of_users(values, events.users.numpy())) for name, values in chosen.users.items()
            }
            if events.users is not None
            else {},
        )


def _of_users(values: np.ndarray, users: np.ndarray) -> np.ndarray:
    """The facts of these users; of somebody unknown nothing is known."""
    if not len(values):
        return np.zeros(len(users), dtype=values.dtype)
    return np.where(users >= 0, values[users.clip(0)], 0).astype(values.dtype)


def _last_requests(passes: Passes) -> Passes:
    """The same passes with their last request alone."""
    last = passes.bounds[1:] - 1
    shown = passes.shown[passes.impressions.shown_of(last)]
    return Passes(passes.impressions.take(last), passes.windows, np.arange(len(last) + 1), shown)
