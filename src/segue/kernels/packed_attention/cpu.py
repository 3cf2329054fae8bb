"""PyTorch's CPU flash kernel forwards, and a backward of plain products over rows that fit the cache.

Rows of equal length are one block and views of the packed tensor: nothing is padded and q, k and v are not copied for
the forward pass. The flash kernel's own backward took a third of a training step (length 200, 2 heads of 32, Zen 4);
recomputing the weights from the saved normaliser, a few rows at a time, takes a third of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from segue.core.batches import Rows

CHUNK_BYTES = 2 << 20
"""Attention weights alive at once in the backward pass."""


def attention(qkv: Tensor, rows: Rows, causal: bool, scale: float, bias: Tensor | None) -> Tensor:
    """See `packed_attention`."""
    mixed: Tensor = _PackedAttention.apply(qkv, rows, causal, scale, bias)
    return mixed


class _PackedAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, qkv: Tensor, rows: Rows, causal: bool, scale: float, bias: Tensor | None) -> Tensor:
        tokens, _, heads, size = qkv.shape
        mixed = qkv.new_empty(tokens, heads, size)
        normalisers = qkv.new_empty(tokens, heads, dtype=torch.float64 if qkv.dtype == torch.float64 else torch.float32)
        added = None if bias is None else bias.detach().to(qkv.dtype)
        for start, count, length in rows.blocks:
            stop = start + count * length
            q, k, v = qkv[start:stop].view(count, length, 3, heads, size).permute(2, 0, 3, 1, 4)
            mask = None if added is None else added[None, :, :length, :length].expand(count, -1, -1, -1)
            values, normaliser = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                q, k, v, 0.0, causal, attn_mask=mask, scale=scale
            )
            mixed[start:stop].view(count, length, heads, size).copy_(values.transpose(1, 2))
            normalisers[start:stop].view(count, length, heads).copy_(normaliser.transpose(1, 2))
        ctx.save_for_backward(qkv, mixed, normalisers, added)
        ctx.rows, ctx.causal, ctx.scale = rows, causal, scale
        ctx.bias_dtype = None if bias is None else bias.dtype
        return mixed.view(tokens, heads * size)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        qkv, mixed, normalisers, bias = ctx.saved_tensors
        tokens, _, heads, size = qkv.shape
        of_mixed = upstream[0].contiguous().view(tokens, heads, size)
        own = (of_mixed.to(normalisers.dtype) * mixed).sum(-1)  # tokens heads
        of_qkv = torch.empty_like(qkv)
        scale = ctx.scale
        of_bias = None if bias is None else torch.zeros(bias.shape, dtype=normalisers.dtype, device=bias.device)
        longest = max((block.length for block in ctx.rows.blocks), default=0)
        mask = qkv.new_zeros(longest, longest)
        if ctx.causal:
            mask = torch.full_like(mask, -torch.inf).triu_(1)
        for start, count, length in _chunks(ctx.rows, heads, qkv.element_size()):
            cut = slice(start, start + count * length)
            q, k, v = (
                part.reshape(count * heads, length, size)
                for part in qkv[cut].view(count, length, 3, heads, size).permute(2, 0, 3, 1, 4)
            )
            of_out = _by_head(of_mixed[cut].view(count, length, heads, size))
            added = mask[:length, :length]
            if bias is not None:
                added = (added + bias[:, :length, :length]).expand(count, -1, -1, -1).reshape(-1, length, length)
            weights = torch.baddbmm(added, q, k.transpose(1, 2), alpha=scale)
            weights.sub_(_by_head(normalisers[cut].view(count, length, heads, 1))).exp_()
            of_logits = torch.bmm(of_out, v.transpose(1, 2))
            of_logits.sub_(_by_head(own[cut].view(count, length, heads, 1))).mul_(weights)
            if of_bias is not None:
                of_bias[:, :length, :length] += of_logits.view(count, heads, length, length).sum(0, dtype=of_bias.dtype)
            place = of_qkv[cut].view(count, length, 3, heads, size)
            for part, gradient in enumerate(
                (
                    torch.bmm(of_logits, k).mul_(scale),
                    torch.bmm(of_logits.transpose(1, 2), q).mul_(scale),
                    torch.bmm(weights.transpose(1, 2), of_out),
                )
            ):
                place[:, :, part].copy_(gradient.view(count, heads, length, size).transpose(1, 2))
        return of_qkv, None, None, None, None if of_bias is None else of_bias.to(ctx.bias_dtype)


def _by_head(values: Tensor) -> Tensor:
    """`[rows, length, heads, size]` as `[rows * heads, length, size]`."""
    return values.transpose(1, 2).reshape(-1, values.shape[1], values.shape[3])


def _chunks(rows: Rows, heads: int, bytes_each: int) -> Iterator[tuple[int, int, int]]:
    """Start, rows and length of pieces whose attention weights stay in the cache."""
    for start, count, length in rows.blocks:
        at_once = max(1, CHUNK_BYTES // (heads * length * length * bytes_each))
        for first in range(0, count, at_once):
            yield start + first * length, min(at_once, count - first), length
