"""T5's encoder and decoder over packed rows: the encoder reads in both directions, the decoder writes after it."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, relu

from segue.core.batches import Rows
from segue.core.shapes import Float
from segue.kernels.packed_attention import packed_attention
from segue.kernels.shared_context_attention import shared_context_attention
from segue.layers.dropout import Dropout
from segue.layers.writing import Memory, Writing, Written, attend


class RelativeBias(nn.Module):
    """A learnt number for each head and each distance between two tokens; far distances share buckets.

    Half of the buckets are for exact small distances, the others widen logarithmically up to `farthest`, and all
    greater distances share the last one. Source: T5, arXiv:1910.10683, section 2.1.
    """

    def __init__(self, heads: int, buckets: int, farthest: int, *, both_ways: bool) -> None:
        super().__init__()
        self.buckets, self.farthest, self.both_ways = buckets, farthest, both_ways
        self.table = nn.Embedding(buckets, heads)

    def forward(self, queries: int, keys: int) -> Float[Tensor, "heads queries keys"]:
        """The bias of the newest `queries` places of so many keys."""
        device = self.table.weight.device
        places = torch.arange(keys, device=device)
        distance = places[None, :] - places[keys - queries :, None]  # negative: the key lies in the past
        return self.table(self._bucket(distance)).permute(2, 0, 1)

    def _bucket(self, distance: Tensor) -> Tensor:
        buckets, offset = self.buckets, torch.zeros_like(distance)
        if self.both_ways:
            buckets //= 2
            offset = buckets * (distance > 0)
            distance = distance.abs()
        else:
            distance = (-distance).clamp_min(0)
        exact = buckets // 2
        steps = torch.log(distance.clamp_min(1).float() / exact) / math.log(self.farthest / exact) * (buckets - exact)
        return offset + torch.where(distance < exact, distance, (exact + steps.long()).clamp_max(buckets - 1))


class EncoderDecoderTrunk(Writing):
    """See `backbones.EncoderDecoder`."""

    def __init__(
        self,
        *,
        width: int,
        depth: int,
        heads: int,
        size: int,
        inner: int,
        dropout: float,
        buckets: int,
        farthest: int,
    ) -> None:
        super().__init__()
        self.heads, self.size = heads, size
        self.start = nn.Parameter(torch.randn(width))
        self.reading_bias = RelativeBias(heads, buckets, farthest, both_ways=True)
        self.writing_bias = RelativeBias(heads, buckets, farthest, both_ways=False)
        for bias in (self.reading_bias, self.writing_bias):
            nn.init.normal_(bias.table.weight, std=width**-0.5)
        self.reading = nn.ModuleList(_Reader(width, heads, size, inner, dropout) for _ in range(depth))
        self.writing = nn.ModuleList(_Writer(width, heads, size, inner, dropout) for _ in range(depth))
        self.read_norm, self.write_norm = nn.RMSNorm(width, eps=1e-6), nn.RMSNorm(width, eps=1e-6)
        self.dropout = Dropout(dropout)

    def read(self, vectors: Float[Tensor, "tokens width"], rows: Rows) -> Memory:
        """Encode the contexts, and make the keys and values that each decoder layer will ask for."""
        longest = int(rows.lengths.max())
        bias = self.reading_bias(longest, longest)
        hidden = self.dropout(vectors)
        for reader in self.reading:
            hidden = reader(hidden, rows, bias)
        hidden = self.dropout(self.read_norm(hidden))
        return Memory(rows, [cast(_Writer, writer).context.keys_values(hidden) for writer in self.writing])

    def write(
        self, memory: Memory, vectors: Float[Tensor, "users prefixes steps width"], written: Written | None
    ) -> tuple[Float[Tensor, "users prefixes states width"], Written]:
        """Continue each prefix by some tokens; a new prefix begins with the start vector. See `Writing`."""
        users, prefixes, _, width = vectors.shape
        if written is None:
            vectors = torch.cat([self.start.expand(users, prefixes, 1, width).to(vectors.dtype), vectors], dim=2)
        steps = vectors.shape[2]
        total = steps + (0 if written is None else written.steps)
        bias = self.writing_bias(steps, total)
        befores = [[] for _ in memory.layers] if written is None else written.layers
        hidden, layers = self.dropout(vectors), []
        for writer, before, context in zip(self.writing, befores, memory.layers, strict=True):
            hidden, own = writer(hidden, bias, before, context, memory.rows)
            layers.append(own)
        return self.dropout(self.write_norm(hidden)), Written(layers, total)


class _Reader(nn.Module):
    """A block of the encoder."""

    def __init__(self, width: int, heads: int, size: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.attention = _Attention(width, heads, size)
        self.feed = _Feed(width, inner, dropout)
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor, rows: Rows, bias: Tensor) -> Tensor:
        mixed = packed_attention(self.attention.qkv_of(hidden), rows, causal=False, scale=1.0, bias=bias)
        hidden = hidden + self.dropout(self.attention.out(mixed))
        return hidden + self.dropout(self.feed(hidden))


class _Writer(nn.Module):
    """A block of the decoder: attention to its own prefix, then to the context."""

    def __init__(self, width: int, heads: int, size: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.attention = _Attention(width, heads, size)
        self.context = _Attention(width, heads, size)
        self.feed = _Feed(width, inner, dropout)
        self.dropout = Dropout(dropout)

    def forward(
        self,
        hidden: Tensor,
        bias: Tensor,
        before: list[Tensor],
        context: tuple[Tensor, Tensor],
        rows: Rows,
    ) -> tuple[Tensor, list[Tensor]]:
        qkv = self.attention.qkv_of(hidden)
        own = [*before, qkv[..., 1:, :, :]]
        mixed = attend(qkv[..., 0, :, :], own, None, rows, 1.0, bias)
        hidden = hidden + self.dropout(self.attention.out(mixed.flatten(3)))
        asking = self.context.queries(hidden)
        found, _ = shared_context_attention(asking.flatten(1, 2), *context, rows, 1.0)
        hidden = hidden + self.dropout(self.context.out(found.reshape(*hidden.shape[:3], -1)))
        return hidden + self.dropout(self.feed(hidden)), own


class _Attention(nn.Module):
    """The norm and the matrices of an attention, without biases; products are not divided by sqrt(size)."""

    def __init__(self, width: int, heads: int, size: int) -> None:
        super().__init__()
        self.heads, self.size = heads, size
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * heads * size, bias=False)  # queries, keys and values one after another
        self.out = nn.Linear(heads * size, width, bias=False)
        nn.init.normal_(self.qkv.weight[: heads * size], std=(width * size) ** -0.5)
        nn.init.normal_(self.qkv.weight[heads * size :], std=width**-0.5)
        nn.init.normal_(self.out.weight, std=(heads * size) ** -0.5)

    def qkv_of(self, hidden: Tensor) -> Tensor:
        """Queries, keys and values of tokens that attend to each other, `[..., 3, heads, size]`."""
        return self._heads(self.qkv(self.norm(hidden)), 3)

    def queries(self, hidden: Tensor) -> Tensor:
        """Queries alone."""
        return self._heads(linear(self.norm(hidden), self.qkv.weight[: self.heads * self.size]), 1).squeeze(-3)

    def keys_values(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of a context that is normed already."""
        keys, values = self._heads(linear(hidden, self.qkv.weight[self.heads * self.size :]), 2).unbind(-3)
        return keys, values

    def _heads(self, flat: Tensor, parts: int) -> Tensor:
        return flat.view(*flat.shape[:-1], parts, self.heads, self.size)


class _Feed(nn.Module):
    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.widen = nn.Linear(width, inner, bias=False)
        self.narrow = nn.Linear(inner, width, bias=False)
        nn.init.normal_(self.widen.weight, std=width**-0.5)
        nn.init.normal_(self.narrow.weight, std=inner**-0.5)
        self.dropout = Dropout(dropout)

    def forward(self, vectors: Tensor) -> Tensor:
        narrow: Tensor = self.narrow(self.dropout(relu(self.widen(self.norm(vectors)))))
        return narrow
