"""A causal trunk that goes on behind rows it has read, where what it keeps of all layers lies in one array."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from segue.core.batches import Rows
from segue.core.shapes import Bool, Float, Int, Num


class Clock(NamedTuple):
    """Unix seconds of each token of some rows: when it happened, and from when it looks back."""

    happened: Int[Tensor, " tokens"] | None = None
    asked: Int[Tensor, " tokens"] | None = None


@dataclass(frozen=True)
class Growth:
    """Rows of whose first tokens everything is known, and the tokens behind them, which are new.

    There are few new tokens and they look at all of their rows, so those rows that have some are laid into rectangles:
    views where all have one length, as a single row always has. What pads them is another token of the same row.
    """

    rows: Rows
    known: Int[Tensor, " rows"]

    @cached_property
    def some(self) -> Int[Tensor, " some"]:
        """The rows that have new tokens."""
        return (self.rows.lengths - self.known).nonzero()[:, 0]

    @cached_property
    def counts(self) -> Int[Tensor, " some"]:
        """New tokens of each of these rows."""
        return (self.rows.lengths - self.known)[self.some]

    @cached_property
    def last(self) -> Int[Tensor, " some"]:
        """Which of the new tokens is the newest of each of these rows."""
        return self.counts.cumsum(0) - 1

    @cached_property
    def places(self) -> Int[Tensor, " new"]:
        """The place of each new token in its row."""
        behind = torch.arange(int(self.counts.sum()), device=self.counts.device)
        firsts = self.known[self.some] - self.last + self.counts - 1
        return behind + torch.repeat_interleave(firsts, self.counts)

    @cached_property
    def new(self) -> Int[Tensor, " new"]:
        """Where the new tokens lie among all, ascending."""
        return self.places + torch.repeat_interleave(self.rows.offsets[self.some], self.counts)

    @cached_property
    def steps(self) -> Int[Tensor, " longest"]:
        """The places in the longest of these rows."""
        return torch.arange(int(self.rows.lengths[self.some].max()), device=self.known.device)

    @cached_property
    def asking(self) -> Int[Tensor, "some most"]:
        """The place of each new token in its row, as a rectangle."""
        return self.laid(self.places)

    @cached_property
    def sees(self) -> Bool[Tensor, "some most longest"] | None:
        """Which tokens of its row each new token looks at, or None where all look at all."""
        if self._alike is not None and self.asking.shape[1] == 1:
            return None
        return self.steps <= self.asking[:, :, None]

    def laid(self, values: Num[Tensor, "new *each"]) -> Num[Tensor, "some most *each"]:
        """Something about each new token as a rectangle."""
        if self._even:
            return values.unflatten(0, (len(self.some), -1))
        return values[self._cells]

    def taken(self, rectangle: Num[Tensor, "some most *each"]) -> Num[Tensor, "new *each"]:
        """What `laid` made a rectangle of."""
        if self._even:
            return rectangle.flatten(0, 1)
        behind = torch.arange(rectangle.shape[1], device=rectangle.device)
        return rectangle[behind < self.counts[:, None]]

    def wholly(self, values: Num[Tensor, "tokens *each"]) -> Num[Tensor, "some longest *each"]:
        """Something about each token of these rows as a rectangle."""
        if self._alike is not None:
            return values.unflatten(0, self._alike)
        lengths, firsts = self.rows.lengths[self.some], self.rows.offsets[self.some]
        return values[firsts[:, None] + torch.minimum(self.steps, lengths[:, None] - 1)]

    @cached_property
    def _even(self) -> bool:
        """Whether all of these rows have as many new tokens."""
        return bool((self.counts == self.counts[0]).all())

    @cached_property
    def _cells(self) -> Int[Tensor, "some most"]:
        behind = torch.arange(int(self.counts.max()), device=self.counts.device)
        return (self.last - self.counts + 1)[:, None] + torch.minimum(behind, self.counts[:, None] - 1)

    @cached_property
    def _alike(self) -> tuple[int, int] | None:
        """Rows and their length, where all rows have new tokens and one length."""
        rows, longest = len(self.rows), len(self.steps)
        return (rows, longest) if len(self.some) == rows and int(self.rows.offsets[-1]) == rows * longest else None


@runtime_checkable
class ReadingOn(Protocol):
    """A trunk that reads rows and keeps keys and values (or a state), or goes on where rows were read before."""

    timed: bool
    """Whether it looks at the clock."""
    reads_on: bool
    """False for a trunk of the same make whose early tokens see later ones."""

    def read_all(
        self, vectors: Float[Tensor, "tokens width"], rows: Rows, clock: Clock
    ) -> tuple[Float[Tensor, "tokens width"], Float[Tensor, "tokens *each"]]:
        """The states of all tokens, and what is kept of them."""
        ...

    def read_on(
        self,
        vectors: Float[Tensor, "new width"],
        growth: Growth,
        kept: Float[Tensor, "tokens *each"],
        clock: Clock,
    ) -> Float[Tensor, "new width"]:
        """The states of the new tokens; what is kept of them is filled in, so there are no gradients."""
        ...


def stacked(layers: list[tuple[Tensor, Tensor]]) -> Float[Tensor, "tokens layers 2 heads size"]:
    """Keys and values by layer as one array, token by token."""
    return torch.stack([part for layer in layers for part in layer], dim=1).unflatten(1, (len(layers), 2))


def by_layer(kept: Float[Tensor, "tokens layers 2 heads size"]) -> list[tuple[Tensor, Tensor]]:
    """Views of the keys and values of each layer."""
    return [(layer[:, 0], layer[:, 1]) for layer in kept.unbind(1)]
