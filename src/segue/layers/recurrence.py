"""Recurrent networks over packed rows, and over what each candidate sees of them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from segue.core.batches import Rows
from segue.core.shapes import Float, Int
from segue.layers.pooling import Pairs


def over_rows(gru: nn.GRU, vectors: Float[Tensor, "tokens width"], rows: Rows) -> Float[Tensor, "tokens states"]:
    """The state of a GRU at every token of every row, from the oldest to the newest; rows may be empty."""
    if not len(vectors):
        return vectors.new_zeros(0, gru.hidden_size)
    place = _place_by_step(rows)
    steps = torch.bincount(rows.positions).cpu()
    packed = nn.utils.rnn.PackedSequence(vectors[torch.argsort(place)], steps)
    out: Tensor = gru(packed)[0].data[place]
    return out


def _place_by_step(rows: Rows) -> Int[Tensor, " tokens"]:
    """For each packed token its place when tokens lie step by step, the longest rows first, as the kernel wants."""
    longest_first = torch.argsort(rows.lengths, descending=True, stable=True)
    rank = torch.empty_like(longest_first)
    rank[longest_first] = torch.arange(len(rows), device=rank.device)
    order = torch.argsort(rows.positions * len(rows) + rank[rows.owners])
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device)
    return place


class AttentionGru(nn.Module):
    """A GRU that each candidate runs over the events that it sees, and that an event moves by its weight a.

    'augru' multiplies the update gate u by a, 'agru' puts a in its place: the state becomes (1 - a u) h + a u n, or
    (1 - a) h + a n. So an event of weight 0 leaves the state as it is, and with weights of 1 'augru' is a GRU.

    Source: DIEN, arXiv:1809.03672, the interest evolving layer. Gates are those of `torch.nn.GRUCell`, whose update
    gate is 1 - u.
    """

    def __init__(self, width: int, kind: Literal["augru", "agru"]) -> None:
        super().__init__()
        self.kind = kind
        self.cell = nn.GRUCell(width, width)

    def forward(
        self, events: Float[Tensor, "tokens width"], weights: Float[Tensor, " pairs"], pairs: Pairs
    ) -> Float[Tensor, "shown width"]:
        """The state after the newest event, zero for candidates that see none; in float32 also under autocast."""
        cell, shown = self.cell, len(pairs.counts)
        steps = int(pairs.counts.max()) if shown else 0
        places = (pairs.places, pairs.shown)
        tokens = pairs.tokens.new_zeros(steps, shown).index_put(places, pairs.tokens)
        moves = weights.new_zeros(steps, shown, dtype=torch.float32).index_put(places, weights.float())
        with torch.autocast(events.device.type, enabled=False):
            told = torch.addmm(cell.bias_ih, events.float(), cell.weight_ih.T)  # of events once, not of pairs
            state = told.new_zeros(shown, cell.hidden_size)
            for token, move in zip(tokens, moves, strict=True):
                state = self._step(state, told[token], move[:, None])
        return state

    def _step(self, state: Tensor, told: Tensor, move: Tensor) -> Tensor:
        """One event further; where nothing is left to see, its weight is 0."""
        reset, update, new = told.chunk(3, dim=-1)
        old_reset, old_update, old_new = torch.addmm(self.cell.bias_hh, state, self.cell.weight_hh.T).chunk(3, dim=-1)
        new = torch.tanh(new + torch.sigmoid(reset + old_reset) * old_new)
        if self.kind == "augru":
            move = move * torch.sigmoid(-(update + old_update))
        return torch.lerp(state, new, move.expand_as(state))
