"""Some users' histories as tensors: packed row after row, sorted by length, with no padding anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from segue.core.shapes import Bool, Float, Int
from segue.core.tables import Histories


class Block(NamedTuple):
    """Neighbouring rows of one length: their tokens are a view `[rows, length]` of the packed ones."""

    start: int
    """The first packed token."""
    rows: int
    length: int

    @property
    def stop(self) -> int:
        """One past the last packed token."""
        return self.start + self.rows * self.length


@dataclass(frozen=True)
class Rows:
    """Rows of different lengths lying one after another in one array: row i is `offsets[i] : offsets[i + 1]`."""

    offsets: Int[Tensor, " bounds"]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def lengths(self) -> Int[Tensor, " rows"]:
        """Tokens in each row."""
        return self.offsets.diff()

    @cached_property
    def last(self) -> Int[Tensor, " rows"]:
        """Where the newest token of each row lies; a row without tokens has none, so it must not be asked."""
        return self.offsets[1:] - 1

    @cached_property
    def owners(self) -> Int[Tensor, " tokens"]:
        """The row that each token belongs to."""
        return torch.repeat_interleave(torch.arange(len(self), device=self.offsets.device), self.lengths)

    @cached_property
    def positions(self) -> Int[Tensor, " tokens"]:
        """The place of each token in its row, the oldest at 0."""
        return torch.arange(len(self.owners), device=self.offsets.device) - self.offsets[:-1][self.owners]

    @cached_property
    def blocks(self) -> list[Block]:
        """The rows as blocks of equal length; few when the rows are sorted by length."""
        lengths, counts = torch.unique_consecutive(self.lengths, return_counts=True)
        blocks, start = [], 0
        for length, rows in zip(lengths.tolist(), counts.tolist(), strict=True):
            if length:
                blocks.append(Block(start, rows, length))
            start += rows * length
        return blocks

    def extended(self) -> Rows:
        """The same rows, each one token longer."""
        return Rows(self.offsets + torch.arange(len(self.offsets), device=self.offsets.device))


@dataclass(frozen=True)
class Trajectories:
    """Some items after each history of a batch.

    `signals` are what the parts of a reward say of each. `reference` and `before` are log P of each code (nats) under a
    frozen model, and under the policy when the items were drawn, where an objective compares with them.
    """

    items: Int[Tensor, "users asked"]
    valid: Bool[Tensor, "users asked"]
    """False where there was nothing to offer; such an entry counts for nothing."""
    at: Int[Tensor, " users"]
    """How many events of each row of the batch come before them."""
    signals: Float[Tensor, "users asked signals"]
    positive: bool = True
    """Whether the first of each row is what the user really took."""
    reference: Float[Tensor, "users asked levels"] | None = None
    before: Float[Tensor, "users asked levels"] | None = None
    flows: Float[Tensor, "users asked prefixes"] | None = None
    """log F of each prefix, from the empty one to the whole tuple, where it is known and need not be learnt."""
    notes: Mapping[str, Tensor] = field(default_factory=dict)
    """Numbers about them worth following while training."""

    def mean(self, values: Float[Tensor, "users asked"]) -> Float[Tensor, ""]:
        """The mean over the valid ones, 0 where there are none."""
        return values.where(self.valid, 0).sum() / self.valid.sum().clamp_min(1)


@dataclass(frozen=True)
class Responses:
    """What a language model is to write after each row of a batch, where that is not the title of the target.

    `tokens` are those of each row's text in the order of the batch's rows, without the token that ends it.
    """

    tokens: Int[Tensor, " tokens"]
    rows: Rows

    def to(self, device: torch.device) -> Responses:
        """The same on another device."""
        return Responses(self.tokens.to(device), Rows(self.rows.offsets.to(device)))


@dataclass(frozen=True)
class SequenceBatch:
    """Some users' histories and what came next.

    `items` are item rows of the catalog, all users' tokens in one array. `targets` has for each token the item that
    came next. `timestamps` are Unix seconds of each token; `next_timestamps` those of the item to be predicted, and are
    None when the protocol hides them. `counts` says how often each item of the catalog occurs in training. `order` says
    which of the rows that were asked for each row is: the rows are sorted by length. `users` are rows of the log's
    users, -1 for somebody it does not know. `trajectories` are items written beside the targets, where an objective
    asks for them. `responses` are texts that a language model learns beside the titles of the targets, and `share` is
    their weight, from 0 to 1.
    """

    items: Int[Tensor, " tokens"]
    rows: Rows
    order: Int[Tensor, " users"]
    targets: Int[Tensor, " tokens"] | None = None
    timestamps: Int[Tensor, " tokens"] | None = None
    next_timestamps: Int[Tensor, " tokens"] | None = None
    counts: Float[Tensor, " items"] | None = None
    users: Int[Tensor, " users"] | None = None
    trajectories: Trajectories | None = None
    responses: Responses | None = None
    share: float = 0.0

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of(cls, histories: Histories, *, targets: bool = False, target_time: bool = False) -> SequenceBatch:
        """The histories as a batch; with `targets`, each event but the last predicts the one after it.

        `target_time` tells the model when the next event happens: in training from the log, later from `asked_at`.
        """
        if targets:
            histories = replace(histories, ends=histories.ends - 1)
        order = np.argsort(histories.lengths, kind="stable")
        histories = histories.take(order)
        places, offsets = histories.positions()
        times, following = histories.timestamps, None
        if target_time and times is not None:
            following = times[np.minimum(places + 1, len(times) - 1)]
            if not targets:
                newest, filled = offsets[1:] - 1, histories.lengths > 0
                asked_at = times[histories.ends - 1] if histories.asked_at is None else histories.asked_at
                following[newest[filled]] = asked_at[filled]
        return cls(
            items=_tensor(histories.items[places]),
            rows=Rows(torch.from_numpy(offsets)),
            order=torch.from_numpy(order),
            targets=_tensor(histories.items[places + 1]) if targets else None,
            timestamps=None if times is None else _tensor(times[places]),
            next_timestamps=None if following is None else _tensor(following),
            users=_tensor(histories.users),
        )

    def last(self, states: Float[Tensor, "tokens width"]) -> Float[Tensor, "users width"]:
        """The state of each user's newest token."""
        return states[self.rows.last]

    def to(self, device: torch.device) -> SequenceBatch:
        """The same batch on another device."""
        if self.items.device == device:
            return self

        def move(values: Tensor | None) -> Tensor | None:
            return None if values is None else values.to(device, non_blocking=True)

        return replace(
            self,
            items=self.items.to(device, non_blocking=True),
            rows=Rows(self.rows.offsets.to(device)),
            order=self.order.to(device),
            targets=move(self.targets),
            timestamps=move(self.timestamps),
            next_timestamps=move(self.next_timestamps),
            counts=move(self.counts),
            users=move(self.users),
            responses=None if self.responses is None else self.responses.to(device),
        )


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.int64, copy=False))
