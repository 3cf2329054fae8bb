"""PyTorch's CPU flash kernel twice, joined by its normalisers, and a backward of plain products that fit the cache.

All tokens of all rows ask the preamble in one call, as the rows of one long matrix; each row asks itself, in blocks of
rows of equal length. Two softmaxes over parts of a whole are joined exactly by the sums they divided by.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from segue.core.batches import Block, Rows

CHUNK_BYTES = 2 << 20
"""Attention weights alive at once in the backward pass."""


def attention(queries: Tensor, keys: Tensor, values: Tensor, rows: Rows, ahead: int, scale: float) -> Tensor:
    """See `preamble_attention`."""
    mixed: Tensor = _PreambleAttention.apply(queries, keys, values, rows, ahead, scale)
    return mixed


class _PreambleAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, keys: Tensor, values: Tensor, rows: Rows, ahead: int, scale: float
    ) -> Tensor:
        tokens, heads, size = queries.shape
        mixed = queries.new_empty(tokens, heads, size)
        normalisers = queries.new_empty(tokens, heads, dtype=_exact(queries.dtype))
        blocks = [Block(0, 1, ahead), *(Block(ahead + start, count, length) for start, count, length in rows.blocks)]
        for block in blocks:
            cut = slice(block.start, block.stop)
            shape = (block.rows, block.length, heads, size)
            q, k, v = (part[cut].view(shape) for part in (queries, keys, values))
            found, normaliser = _flash(q, k, v, True, scale)
            mixed[cut].view(shape).copy_(found)
            normalisers[cut].view(shape[:3]).copy_(normaliser)
        if tokens > ahead:
            common, of_common = _flash(queries[None, ahead:], keys[None, :ahead], values[None, :ahead], False, scale)
            of_own = normalisers[ahead:]
            total = torch.logaddexp(of_own, of_common[0])
            mixed[ahead:].mul_((of_own - total).exp_().to(mixed.dtype)[..., None])
            mixed[ahead:].addcmul_(common[0], (of_common[0] - total).exp_().to(mixed.dtype)[..., None])
            normalisers[ahead:] = total
        ctx.save_for_backward(queries, keys, values, mixed, normalisers)
        ctx.blocks, ctx.ahead, ctx.scale = blocks, ahead, scale
        return mixed

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        queries, keys, values, mixed, normalisers = ctx.saved_tensors
        of_mixed = upstream[0].contiguous()
        own = (of_mixed.to(normalisers.dtype) * mixed).sum(-1)  # tokens heads
        of_all = [torch.empty_like(mixed) for _ in range(3)]
        tokens, heads, size = queries.shape
        longest = max(block.length for block in ctx.blocks)
        mask = torch.full((longest, longest), -torch.inf, dtype=queries.dtype, device=queries.device).triu_(1)
        for start, count, length in _chunks(ctx.blocks, heads, queries.element_size()):
            cut = slice(start, start + count * length)
            q, k, v, out, normaliser, of_one = (
                _by_head(part[cut].view(count, length, heads, -1))
                for part in (queries, keys, values, of_mixed, normalisers[..., None], own[..., None])
            )
            found = _gradients(q, k, v, out, normaliser, of_one, mask[:length, :length], ctx.scale)
            for part, gradient in zip(of_all, found, strict=True):
                part[cut].view(count, length, heads, size).copy_(
                    gradient.view(count, heads, length, size).transpose(1, 2)
                )
        ahead = ctx.ahead
        k, v = (part[:ahead].transpose(0, 1).contiguous() for part in (keys, values))  # heads ahead size
        sums = [torch.zeros_like(k, dtype=normalisers.dtype), torch.zeros_like(v, dtype=normalisers.dtype)]
        at_once = max(1, CHUNK_BYTES // (heads * ahead * queries.element_size()))
        seen = mask.new_zeros(1, 1)
        for start in range(ahead, tokens, at_once):
            cut = slice(start, min(start + at_once, tokens))
            q, out, normaliser, of_one = (
                part[cut].transpose(0, 1).contiguous()
                for part in (queries, of_mixed, normalisers[..., None], own[..., None])
            )
            of_query, of_key, of_value = _gradients(q, k, v, out, normaliser, of_one, seen, ctx.scale)
            of_all[0][cut] += of_query.transpose(0, 1)
            sums[0] += of_key
            sums[1] += of_value
        for part, gradient in zip(of_all[1:], sums, strict=True):
            part[:ahead] += gradient.transpose(0, 1)
        return *of_all, None, None, None


def _flash(queries: Tensor, keys: Tensor, values: Tensor, causal: bool, scale: float) -> tuple[Tensor, Tensor]:
    """What each query gathers, `rows length heads size`, and the logarithm of what its weights were divided by."""
    q, k, v = (part.transpose(1, 2) for part in (queries, keys, values))
    mixed, normaliser = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, causal, scale=scale)
    return mixed.transpose(1, 2), normaliser.transpose(1, 2)


def _gradients(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    of_mixed: Tensor,
    normaliser: Tensor,
    own: Tensor,
    mask: Tensor,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Of queries, keys and values, `batch tokens size` each, from weights made again out of their normaliser."""
    weights = torch.baddbmm(mask, queries, keys.transpose(1, 2), alpha=scale)
    weights = weights.sub_(normaliser).exp_()
    of_logits = torch.bmm(of_mixed, values.transpose(1, 2)).sub_(own).mul_(weights)
    return (
        torch.bmm(of_logits, keys).mul_(scale),
        torch.bmm(of_logits.transpose(1, 2), queries).mul_(scale),
        torch.bmm(weights.transpose(1, 2), of_mixed),
    )


def _by_head(values: Tensor) -> Tensor:
    """`[rows, length, heads, size]` as `[rows * heads, length, size]`."""
    return values.transpose(1, 2).reshape(-1, values.shape[1], values.shape[3])


def _chunks(blocks: list[Block], heads: int, bytes_each: int) -> Iterator[tuple[int, int, int]]:
    """Start, rows and length of pieces whose attention weights stay in the cache."""
    for start, count, length in blocks:
        at_once = max(1, CHUNK_BYTES // (heads * length * length * bytes_each))
        for first in range(0, count, at_once):
            yield start + first * length, min(at_once, count - first), length


def _exact(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32
