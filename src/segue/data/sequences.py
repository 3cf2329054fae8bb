"""Histories into training batches: which windows, in which order, how many at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from segue.core.batches import SequenceBatch
from segue.core.forms import Batches
from segue.core.seeding import numpy_generator
from segue.core.tables import Histories


class NextItem(Batches):
    """Each event of a window predicts the one after it; a batch is packed, so short histories cost what they weigh."""

    history: PositiveInt = 200
    """The newest events that the model looks at, in training and afterwards."""
    users: PositiveInt = 128
    """Windows in a batch."""
    windows: Literal["last", "all"] = "last"
    """Of a longer history: its newest window, or all of its windows side by side."""
    wander: float = Field(default=0.0, ge=0, le=1)
    """Share of longer histories whose one window lies at a random place instead, drawn anew each epoch."""
    target_time: bool = False
    """Tell the model when the next event happens; the fingerprint says so, and such numbers stand apart."""

    def epoch(self, histories: Histories, rng: np.random.Generator) -> tuple[Histories, list[np.ndarray]]:
        """The windows of one pass over the data, and the rows of each batch."""
        windows = cut(histories, self.history + 1, self.windows, self.wander, rng)
        windows = windows.take(np.flatnonzero(windows.lengths >= 2))
        return windows, shuffled(len(windows), self.users, rng)

    def batch(self, windows: Histories, rows: np.ndarray) -> SequenceBatch:
        """The chosen windows with the next item as each event's target."""
        return SequenceBatch.of(windows.take(rows), targets=True, target_time=self.target_time)


class EveryPrefix(Batches):
    """Each event of each history is a case of its own: what came before it, and it as the last target of the row.

    What encoders that read in both directions learn from; a trunk that sees only the past learns the same from
    `NextItem` in a fraction of the time.
    """

    history: PositiveInt = 20
    """The newest events that the model looks at, in training and afterwards."""
    users: PositiveInt = 256
    """Cases in a batch."""
    shortest: PositiveInt = 1
    """The fewest events that must have come before an event for it to be a case."""
    samples: PositiveInt | None = None
    """So many cases, drawn once, are learnt in every epoch; None for all."""
    sample_seed: NonNegativeInt = 42
    """Which cases are drawn; the run's seed has no part in it."""

    def epoch(self, histories: Histories, rng: np.random.Generator) -> tuple[Histories, list[np.ndarray]]:
        """One case for each event with enough before it, and the rows of each batch.

        The cases are the same in every epoch, in the order of the histories; the batches are not.
        """
        cases = np.maximum(histories.lengths - self.shortest, 0)
        owners = np.repeat(np.arange(len(histories)), cases)
        place = np.arange(len(owners)) - np.repeat(np.cumsum(cases) - cases, cases)
        if self.samples is not None and self.samples < len(owners):
            drawn = numpy_generator(self.sample_seed, "samples").permutation(len(owners))[: self.samples]
            owners, place = owners[np.sort(drawn)], place[np.sort(drawn)]
        each = histories.take(owners)
        windows = replace(each, ends=each.starts + place + self.shortest + 1).latest(self.history + 1)
        return windows, shuffled(len(windows), self.users, rng)

    def batch(self, windows: Histories, rows: np.ndarray) -> SequenceBatch:
        """The chosen cases; only the last target of a row is asked for."""
        return SequenceBatch.of(windows.take(rows), targets=True)


class WholeHistory(Batches):
    """Windows without targets, for objectives that hide events and guess them."""

    history: PositiveInt = 200
    """The newest events that the model looks at, in training and afterwards."""
    users: PositiveInt = 128
    """Windows in a batch."""
    windows: Literal["last", "all"] = "last"
    """Of a longer history: its newest window, or all of its windows side by side."""
    wander: float = Field(default=0.0, ge=0, le=1)
    """Share of longer histories whose one window lies at a random place instead, drawn anew each epoch."""

    def epoch(self, histories: Histories, rng: np.random.Generator) -> tuple[Histories, list[np.ndarray]]:
        """The windows of one pass over the data, and the rows of each batch."""
        windows = cut(histories, self.history, self.windows, self.wander, rng)
        windows = windows.take(np.flatnonzero(windows.lengths >= 1))
        return windows, shuffled(len(windows), self.users, rng)

    def batch(self, windows: Histories, rows: np.ndarray) -> SequenceBatch:
        """The chosen windows."""
        return SequenceBatch.of(windows.take(rows))


def cut(histories: Histories, length: int, windows: str, wander: float, rng: np.random.Generator) -> Histories:
    """Windows of at most `length` events: the newest (some at a random place), or all, from the newest backwards."""
    if windows == "last":
        room = np.maximum(histories.lengths - length, 0)
        wanders = rng.random(len(histories)) < wander
        back = np.where(wanders, rng.integers(0, room + 1), 0)
        return replace(histories, ends=histories.ends - back).latest(length)
    # Neighbouring windows share one event: the last of the older one is the first question of the newer.
    step = max(length - 1, 1)
    counts = np.maximum(-(-(histories.lengths - 1) // step), 1)
    owners = np.repeat(np.arange(len(histories)), counts)
    back = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    pieces = histories.take(owners)
    ends = pieces.ends - back * step
    return replace(pieces, starts=np.maximum(pieces.starts, ends - length), ends=ends)


def shuffled(rows: int, at_once: int, rng: np.random.Generator) -> list[np.ndarray]:
    """All row numbers in random order, in batches of almost equal size of at most `at_once`."""
    if rows == 0:
        return []
    return np.array_split(rng.permutation(rows), -(-rows // at_once))
