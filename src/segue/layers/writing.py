"""What a trunk remembers while it writes: the context of each user once, and of each prefix only what it added.

A *prefix* is a half-written answer. A user has several (beams, sampled paths, candidates), all after one context.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from segue.core.batches import Rows
from segue.core.shapes import Float, Int
from segue.kernels.shared_context_attention import shared_context_attention


@dataclass(frozen=True)
class Memory:
    """What a trunk keeps of the packed contexts: keys and values by layer, `[tokens, heads, size]` each.

    `first` is the state after each context, where the trunk itself says what comes first (a causal one); `states` are
    those after every token of it.
    """

    rows: Rows
    layers: list[tuple[Tensor, Tensor]]
    first: Float[Tensor, "users width"] | None = None
    states: Float[Tensor, "tokens width"] | None = None

    def cut(self, order: Int[Tensor, " users"], lengths: Int[Tensor, " users"]) -> Memory:
        """The contexts in another order, each as it was after so many of its tokens; for a trunk that is `whole`."""
        assert self.states is not None, "what an encoder remembers of a part is not part of what it remembers"
        rows = Rows(torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]))
        places = self.rows.offsets[:-1][order][rows.owners] + rows.positions
        layers = [(keys[places], values[places]) for keys, values in self.layers]
        return Memory(rows, layers, self.states[places[rows.last]])


@dataclass(frozen=True)
class Written:
    """Keys and values of what the prefixes added to the context, layer by layer and piece by piece.

    A piece holds the steps that were written at once, `[users, prefixes, steps, 2, heads, size]`. Pieces are never put
    together: a prefix that goes on takes along one row of each.
    """

    layers: list[list[Tensor]]
    steps: int

    def take(self, parents: Int[Tensor, "users chosen"]) -> Written:
        """The chosen prefixes of each user."""
        users, chosen = parents.shape
        firsts = torch.arange(users, device=parents.device)[:, None]

        def taken(piece: Tensor) -> Tensor:
            rows = (parents + firsts * piece.shape[1]).flatten()
            return piece.flatten(0, 1).index_select(0, rows).view(users, chosen, *piece.shape[2:])

        return Written([[taken(piece) for piece in pieces] for pieces in self.layers], self.steps)


class Writing(nn.Module):
    """A trunk that can go on writing after contexts it has read."""

    whole: bool = False
    """Whether one pass over a context gives the states of all its tokens, none of which saw what came later."""
    writes: bool = True
    """False for a stack of the same bricks whose tokens all see each other."""

    def states(self, vectors: Float[Tensor, "tokens width"], rows: Rows) -> Float[Tensor, "tokens width"]:
        """The states of all tokens in one pass, for a trunk that is `whole`."""
        raise NotImplementedError

    def read(self, vectors: Float[Tensor, "tokens width"], rows: Rows) -> Memory:
        """Read the packed contexts once."""
        raise NotImplementedError

    def write(
        self, memory: Memory, vectors: Float[Tensor, "users prefixes steps width"], written: Written | None
    ) -> tuple[Float[Tensor, "users prefixes states width"], Written]:
        """Continue each prefix by some tokens; the states before each next token, and the longer prefixes.

        Prefixes that begin here (`written` is None) have one state more than tokens: the one before the first.
        """
        raise NotImplementedError


def attend(
    queries: Float[Tensor, "users prefixes steps heads size"],
    own: list[Tensor],
    context: tuple[Tensor, Tensor] | None,
    rows: Rows,
    scale: float,
    bias: Float[Tensor, "heads steps total"] | None = None,
) -> Float[Tensor, "users prefixes steps heads size"]:
    """Causal attention of the newest steps of each prefix to the prefix itself and, where given, to the context.

    `own` are the pieces of the prefix, the newest steps last; see `Written`.
    """
    users, prefixes, steps, heads, size = queries.shape
    logits = scale * torch.cat([_products(queries, piece[:, :, :, 0]) for piece in own], dim=-1)
    total = logits.shape[-1]
    if bias is not None:
        logits = logits + bias.transpose(0, 1).to(logits.dtype)
    if steps > 1:
        later = torch.ones(steps, total, dtype=torch.bool, device=logits.device).triu_(total - steps + 1)
        logits = logits.masked_fill(later[:, None, :], -torch.inf)
    mixed: Tensor | None = None
    if context is None:
        weights = torch.softmax(logits, dim=-1)
    else:
        flat = queries.reshape(users, prefixes * steps, heads, size)
        from_context, own_weights = shared_context_attention(flat, *context, rows, scale, logits.flatten(1, 2))
        assert own_weights is not None
        mixed, weights = from_context.view(queries.shape), own_weights.view(logits.shape)
    for share, piece in zip(weights.split([piece.shape[2] for piece in own], dim=-1), own, strict=True):
        added = _mixture(share, piece[:, :, :, 1])
        mixed = added if mixed is None else mixed + added
    assert mixed is not None
    return mixed


def _products(queries: Tensor, keys: Tensor) -> Tensor:
    """Of each step with each: `users prefixes steps heads keys`. One key needs no batch of tiny matrix products."""
    if keys.shape[2] == 1:
        return (queries * keys).sum(-1, keepdim=True)
    return torch.einsum("upshd,upthd->upsht", queries, keys)


def _mixture(weights: Tensor, values: Tensor) -> Tensor:
    if values.shape[2] == 1:
        return weights * values
    return torch.einsum("upsht,upthd->upshd", weights, values)
