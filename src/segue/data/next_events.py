"""Histories in which each event asks for the one after it, with what was done at both."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from pydantic import PositiveInt

from segue.core.batches import SequenceBatch
from segue.core.errors import SettingsError
from segue.core.forms import RankingBatches
from segue.core.impressions import Candidates, Impressions, RankingBatch, RankingSplit
from segue.core.shapes import Int
from segue.core.tables import Histories
from segue.data.sequences import cut, shuffled


class NextEvents(RankingBatches):
    """Windows whose every event but the first is a candidate, asked behind the events before it.

    The labels are the actions of the event that came next, so that an objective may leave out what was only shown.
    """

    history: PositiveInt = 50
    """The newest events that the model looks at."""
    users: PositiveInt = 512
    """Windows in a batch."""
    windows: Literal["last", "all"] = "last"
    """Of a longer history: its newest window, or all of its windows side by side."""

    @property
    def length(self) -> int:
        """The most events of a window, without the one that is asked about last."""
        return self.history

    def of(self, split: RankingSplit) -> Impressions:
        """Everything that may be learnt from, without requests."""
        nothing = split.learnt.take(np.zeros(0, dtype=np.int64))
        return replace(nothing, histories=replace(split.train, asked_at=None))

    def epoch(self, impressions: Impressions, rng: np.random.Generator) -> tuple[Impressions, list[np.ndarray]]:
        """The windows of one pass over the histories, and the rows of each batch."""
        windows = cut(impressions.histories, self.history + 1, self.windows, 0.0, rng)
        windows = windows.take(np.flatnonzero(windows.lengths >= 2))
        return replace(impressions, histories=windows), shuffled(len(windows), self.users, rng)

    def in_order(self, impressions: Impressions) -> tuple[Impressions, list[np.ndarray]]:
        """Never: these windows hold no requests.

        Raises:
            SettingsError: always.
        """
        raise SettingsError("batches: next_events is for pretraining and answers no requests; set shared_history.")

    def batch(self, impressions: Impressions, rows: Int[np.ndarray, " some"]) -> RankingBatch:
        """The chosen windows; the items asked about are the next ones."""
        windows: Histories = impressions.histories.take(rows)
        events = SequenceBatch.of(windows, targets=True)
        assert events.targets is not None
        windows = windows.take(events.order.numpy())
        places, _ = replace(windows, ends=windows.ends - 1).positions()
        tokens = len(places)
        return RankingBatch(
            events=events,
            actions=torch.from_numpy(impressions.actions[places].astype(np.float32)),
            items=events.targets,
            candidates=Candidates(events.rows.owners, events.rows.positions + 1, None),
            places=torch.full((tokens,), -1),
            order=torch.arange(tokens),
            labels=torch.from_numpy(impressions.actions[places + 1].astype(np.float32)),
        )
