"""A trunk that reads a history once and judges any number of candidates against it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from segue.core.batches import Rows
from segue.core.forms import Past
from segue.core.impressions import Candidates, RankingBatch
from segue.core.shapes import Float, Int
from segue.layers.reading_on import Clock, Growth, stacked


@dataclass(frozen=True)
class Context:
    """What a trunk keeps of the histories it has read: keys and values by layer, `[tokens, heads, size]` each.

    Rows may be empty. `states` are the hidden vectors of the last layer, where they were asked for.
    """

    rows: Rows
    layers: list[tuple[Tensor, Tensor]]
    times: Int[Tensor, " tokens"] | None = None
    states: Float[Tensor, "read width"] | None = None


class Judging(nn.Module, ABC):
    """Reads histories causally; a candidate sees the events before it, itself where the trunk says so, and nobody else.

    No candidate is ever a key, so what is read depends on no candidate, and a context may grow by `append` without
    being read again. In `read` and `append`, `states` asks for the hidden vectors; without, the last layer saves
    everything but keys and values.
    """

    timed: bool
    """Whether it looks at times."""
    reads_on: bool
    """Whether `read_on` is `append`; False where events that were the newest see more later on."""

    @abstractmethod
    def read(
        self,
        vectors: Float[Tensor, "tokens width"],
        rows: Rows,
        times: Int[Tensor, " tokens"] | None = None,
        *,
        states: bool = False,
    ) -> Context:
        """Keys and values of histories."""

    @abstractmethod
    def judge(
        self, context: Context, vectors: Float[Tensor, "shown width"], candidates: Candidates
    ) -> Float[Tensor, "shown width"]:
        """The hidden vector of each candidate."""

    @abstractmethod
    def append(
        self,
        context: Context,
        vectors: Float[Tensor, "new width"],
        rows: Rows,
        times: Int[Tensor, " new"] | None = None,
        *,
        states: bool = False,
    ) -> Context:
        """The context after some more events of each row (none for some), as if everything had been read at once.

        `states` of the result are those of the new events alone.
        """

    @abstractmethod
    def read_on(
        self,
        vectors: Float[Tensor, "new width"],
        growth: Growth,
        kept: Float[Tensor, "tokens layers 2 heads size"],
        clock: Clock,
    ) -> Float[Tensor, "new width"]:
        """`append` where room has been left for what comes, and without gradients; see `ReadingOn`."""


def event_marks(batch: RankingBatch, *, actions: bool, timed: bool) -> Int[Tensor, "events marks"]:
    """Items, and where they are looked at what was done and when, as `Remembering` wants them."""
    marks = [batch.events.items[:, None]]
    if actions:
        marks.append(batch.actions.long())
    if timed and batch.events.timestamps is not None:
        marks.append(batch.events.timestamps[:, None])
    return torch.cat(marks, dim=1)


def past_of(context: Context) -> Past:
    """A context as a past of a ranker, which needs nothing of a history as a whole."""
    kept = stacked(context.layers)
    return Past(context.rows, kept, kept.new_empty(len(context.rows), 0))


def grown(old: Rows, new: Rows) -> tuple[Rows, Int[Tensor, " tokens"]]:
    """Each new row behind the end of its old one, and which token of all old and then all new ones each token is."""
    rows = Rows(old.offsets + new.offsets)
    first = torch.arange(len(old.owners), device=old.offsets.device) + new.offsets[old.owners]
    second = torch.arange(len(new.owners), device=old.offsets.device) + old.offsets[new.owners + 1]
    return rows, torch.cat([first, second]).argsort()
