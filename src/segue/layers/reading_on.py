"""A causal trunk that goes on behind rows it has read, where what it keeps of all layers lies in one array."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from segue.core.batches import Rows
from segue.core.shapes import Float, Int


class Clock(NamedTuple):
    """Unix seconds of each token of some rows: when it happened, and from when it looks back."""

    happened: Int[Tensor, " tokens"] | None = None
    asked: Int[Tensor, " tokens"] | None = None


@runtime_checkable
class ReadingOn(Protocol):
    """A trunk that reads rows and keeps keys and values, or goes on where rows were read before.

    Without gradients: keys and values of new tokens are written into their places.
    """

    timed: bool
    """Whether it looks at the clock."""
    reads_on: bool
    """False for a trunk of the same make whose early tokens see later ones."""

    def read_all(
        self, vectors: Float[Tensor, "tokens width"], rows: Rows, clock: Clock
    ) -> tuple[Float[Tensor, "tokens width"], Float[Tensor, "tokens layers 2 heads size"]]:
        """The states of all tokens, and what is kept of them."""
        ...

    def read_on(
        self,
        vectors: Float[Tensor, "new width"],
        rows: Rows,
        new: Int[Tensor, " new"],
        kept: Float[Tensor, "tokens layers 2 heads size"],
        clock: Clock,
    ) -> Float[Tensor, "new width"]:
        """The states of some tokens at the ends of their rows, at the ascending places `new`, which are filled in."""
        ...


def stacked(layers: list[tuple[Tensor, Tensor]]) -> Float[Tensor, "tokens layers 2 heads size"]:
    """Keys and values by layer as one array, token by token."""
    return torch.stack([part for layer in layers for part in layer], dim=1).unflatten(1, (len(layers), 2))


def by_layer(kept: Float[Tensor, "tokens layers 2 heads size"]) -> list[tuple[Tensor, Tensor]]:
    """Views of the keys and values of each layer."""
    return [(layer[:, 0], layer[:, 1]) for layer in kept.unbind(1)]


def unread(rows: Rows, known: Int[Tensor, " rows"]) -> Int[Tensor, " new"]:
    """The places of the tokens behind the first `known` of each row, ascending."""
    return (rows.positions >= known[rows.owners]).nonzero()[:, 0]


def newest(lengths: Int[Tensor, " rows"], known: Int[Tensor, " rows"]) -> tuple[Tensor, Tensor]:
    """The rows that have something unread, and which of the unread tokens is the last of each."""
    counts = lengths - known
    some = counts.nonzero()[:, 0]
    return some, counts.cumsum(0)[some] - 1
