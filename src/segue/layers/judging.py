"""A trunk that reads a history once and judges any number of candidates against it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from segue.core.batches import Rows
from segue.core.impressions import Candidates
from segue.core.shapes import Float, Int


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


def grown(old: Rows, new: Rows) -> tuple[Rows, Int[Tensor, " tokens"]]:
    """Each new row behind the end of its old one, and which token of all old and then all new ones each token is."""
    rows = Rows(old.offsets + new.offsets)
    first = torch.arange(len(old.owners), device=old.offsets.device) + new.offsets[old.owners]
    second = torch.arange(len(new.owners), device=old.offsets.device) + old.offsets[new.owners + 1]
    return rows, torch.cat([first, second]).argsort()
