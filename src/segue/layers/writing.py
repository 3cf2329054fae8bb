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

    `first` is the state after each context, where the trunk itself says what comes first (a causal one).
    """

    rows: Rows
    layers: list[tuple[Tensor, Tensor]]
    first: Float[Tensor, "users width"] | None = None


@dataclass(frozen=True)
class Written:
    """Keys and values of what the prefixes added to the context, by layer: `[users, prefixes, steps, heads, size]`."""

    layers: list[tuple[Tensor, Tensor]]
    steps: int

    def take(self, parents: Int[Tensor, "users chosen"]) -> Written:
        """The chosen prefixes of each user."""
        if self.steps == 0:
            users, chosen = parents.shape
            return Written([(k.new_empty(users, chosen, *k.shape[2:]),) * 2 for k, _ in self.layers], 0)
        of = torch.arange(len(parents), device=parents.device)[:, None]
        return Written([(keys[of, parents], values[of, parents]) for keys, values in self.layers], self.steps)


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
    own: tuple[Tensor, Tensor],
    context: tuple[Tensor, Tensor] | None,
    rows: Rows,
    scale: float,
    bias: Float[Tensor, "heads steps total"] | None = None,
) -> Float[Tensor, "users prefixes steps heads size"]:
    """Causal attention of the newest steps of each prefix to the prefix itself and, where given, to the context."""
    keys, values = own  # users prefixes total heads size
    users, prefixes, steps, heads, size = queries.shape
    total = keys.shape[2]
    logits = scale * torch.einsum("upshd,upthd->upsht", queries, keys)
    if bias is not None:
        logits = logits + bias.transpose(0, 1).to(logits.dtype)
    if steps > 1:
        later = torch.ones(steps, total, dtype=torch.bool, device=logits.device).triu_(total - steps + 1)
        logits = logits.masked_fill(later[:, None, :], -torch.inf)
    if context is None:
        return torch.einsum("upsht,upthd->upshd", torch.softmax(logits, dim=-1), values)
    mixed, weights = shared_context_attention(
        queries.reshape(users, prefixes * steps, heads, size), *context, rows, scale, logits.flatten(1, 2)
    )
    assert weights is not None
    own_part = torch.einsum("upsht,upthd->upshd", weights.view(users, prefixes, steps, heads, total), values)
    return mixed.view(users, prefixes, steps, heads, size) + own_part
