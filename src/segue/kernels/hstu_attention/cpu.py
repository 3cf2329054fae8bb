"""Blocks of rows of equal length, a few rows at a time so that their weights stay in the cache.

The weights are computed again in the backward pass instead of being kept. Measured against autograd over the padded
rectangle in `benchmarks/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from segue.core.batches import Rows
from segue.kernels.hstu_attention.reference import time_buckets, visible

CHUNK_BYTES = 2 << 20
"""Attention weights alive at once."""


def attention(
    q: Tensor, k: Tensor, v: Tensor, rows: Rows, position_bias: Tensor, time_bias: Tensor | None,
    query_times: Tensor | None, key_times: Tensor | None, constant: float, candidates: int,
) -> Tensor:  # fmt: skip
    """See `hstu_attention`."""
    timed = time_bias is not None and query_times is not None and key_times is not None
    mixed: Tensor = _HstuAttention.apply(
        q, k, v, position_bias, time_bias if timed else None, rows, query_times, key_times, constant, candidates
    )
    return mixed


class _Chunk:
    """Some rows of equal length: q, k, v as `[rows * heads, length, size]`, with what their weights are made of."""

    def __init__(self, ctx: Any, parts: tuple[Tensor, ...], start: int, count: int, length: int) -> None:
        self.start, self.stop, self.count, self.length = start, start + count * length, count, length
        self.q, self.k, self.v = (self.cut(part) for part in parts)
        position_bias, time_bias = ctx.biases
        steps = torch.arange(length)
        self.distances = (steps[:, None] - steps).clamp_min(0)
        self.bias = position_bias.to(self.q.dtype)[self.distances]
        self.buckets = None
        self.heads = len(self.q) // count
        if time_bias is not None:
            queries, keys = (times[start : self.stop].view(count, length) for times in ctx.times)
            self.buckets = time_buckets(queries[:, :, None] - keys[:, None, :], len(time_bias))
            bias = (self.bias + time_bias.to(self.q.dtype)[self.buckets])[:, None].expand(-1, self.heads, -1, -1)
            self.bias = bias.reshape(count * self.heads, length, length)
        lengths = torch.tensor([length])
        self.sees = visible(length, ctx.candidates, lengths)[0].to(self.q.dtype) / ctx.constant

    def cut(self, packed: Tensor) -> Tensor:
        """These rows of a packed tensor, a row and head at a time."""
        rows = packed[self.start : self.stop].view(self.count, self.length, *packed.shape[1:])
        return rows.transpose(1, 2).reshape(-1, self.length, packed.shape[-1])

    def put(self, packed: Tensor, values: Tensor) -> None:
        """Write `[rows * heads, length, size]` back into a packed tensor."""
        place = packed[self.start : self.stop].view(self.count, self.length, *packed.shape[1:])
        place.copy_(values.view(self.count, -1, self.length, values.shape[-1]).transpose(1, 2))

    def logits(self) -> Tensor:
        """q k' + bias."""
        return torch.baddbmm(self.bias, self.q, self.k.transpose(1, 2))


def _chunks(ctx: Any, parts: tuple[Tensor, ...]) -> Iterator[_Chunk]:
    heads = parts[0].shape[1]
    for start, rows, length in ctx.rows.blocks:
        at_once = max(1, CHUNK_BYTES // (heads * length * length * 4))
        for first in range(0, rows, at_once):
            yield _Chunk(ctx, parts, start + first * length, min(at_once, rows - first), length)


class _HstuAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, position_bias: Tensor, time_bias: Tensor | None, rows: Rows,
        query_times: Tensor | None, key_times: Tensor | None, constant: float, candidates: int,
    ) -> Tensor:  # fmt: skip
        ctx.rows, ctx.times, ctx.constant, ctx.candidates = rows, (query_times, key_times), constant, candidates
        ctx.biases = position_bias, time_bias
        mixed = v.new_empty(v.shape)
        for chunk in _chunks(ctx, (q, k, v)):
            weights = torch.nn.functional.silu(chunk.logits(), inplace=True).mul_(chunk.sees)
            chunk.put(mixed, torch.bmm(weights, chunk.v))
        ctx.save_for_backward(q, k, v, position_bias, time_bias)
        return mixed.flatten(1)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, position_bias, time_bias = ctx.saved_tensors
        ctx.biases = position_bias, time_bias
        of_mixed = upstream[0].contiguous().view(v.shape)
        of_q, of_k, of_v = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        wide = torch.float64 if q.dtype == torch.float64 else torch.float32
        of_position = torch.zeros_like(position_bias, dtype=wide)
        of_time = None if time_bias is None else torch.zeros_like(time_bias, dtype=wide)
        for chunk in _chunks(ctx, (q, k, v)):
            logits, of_out = chunk.logits(), chunk.cut(of_mixed)
            gates = torch.sigmoid(logits)
            slopes = torch.addcmul(gates, logits * gates, 1 - gates).mul_(chunk.sees)  # d silu = s + x s (1 - s)
            weights = logits.mul_(gates).mul_(chunk.sees)
            chunk.put(of_v, torch.bmm(weights.transpose(1, 2), of_out))
            of_logits = torch.bmm(of_out, chunk.v.transpose(1, 2)).mul_(slopes)
            chunk.put(of_q, torch.bmm(of_logits, chunk.k))
            chunk.put(of_k, torch.bmm(of_logits.transpose(1, 2), chunk.q))
            of_position.index_add_(0, chunk.distances.flatten(), of_logits.sum(0, dtype=wide).flatten())
            if of_time is not None and chunk.buckets is not None:
                of_bias = of_logits.view(chunk.count, chunk.heads, chunk.length, chunk.length).sum(1, dtype=wide)
                of_time += torch.bincount(chunk.buckets.flatten(), of_bias.flatten(), minlength=len(of_time))
        of_position = of_position.to(position_bias.dtype)
        of_time = None if of_time is None or time_bias is None else of_time.to(time_bias.dtype)
        return of_q, of_k, of_v, of_position, of_time, None, None, None, None, None
