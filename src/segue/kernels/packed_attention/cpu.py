"""PyTorch's CPU flash kernel, once for each block of rows of equal length: views in, no copies of q, k and v.

The kernel and its backward are called by hand so that the gradient of qkv is written once into one buffer; autograd
through slices would make a zero-filled gradient of full size for each block.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from segue.core.batches import Rows

_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def attention(qkv: Tensor, rows: Rows, causal: bool) -> Tensor:
    """See `packed_attention`."""
    mixed: Tensor = _PackedAttention.apply(qkv, rows, causal)
    return mixed


class _PackedAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, qkv: Tensor, rows: Rows, causal: bool) -> Tensor:
        tokens, _, heads, size = qkv.shape
        mixed = qkv.new_empty(tokens, heads, size)
        normalisers = []
        for start, count, length in rows.blocks:
            stop = start + count * length
            q, k, v = qkv[start:stop].view(count, length, 3, heads, size).permute(2, 0, 3, 1, 4)
            values, normaliser = _forward(q, k, v, 0.0, causal)
            mixed[start:stop].view(count, length, heads, size).copy_(values.transpose(1, 2))
            normalisers.append(normaliser)
        ctx.save_for_backward(qkv, mixed, *normalisers)
        ctx.rows, ctx.causal = rows, causal
        return mixed.view(tokens, heads * size)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        qkv, mixed, *normalisers = ctx.saved_tensors
        tokens, _, heads, size = qkv.shape
        of_mixed = upstream[0].contiguous().view(tokens, heads, size)
        of_qkv = torch.empty_like(qkv)
        for (start, count, length), normaliser in zip(ctx.rows.blocks, normalisers, strict=True):
            stop = start + count * length
            q, k, v = qkv[start:stop].view(count, length, 3, heads, size).permute(2, 0, 3, 1, 4)
            out, of_out = (
                values[start:stop].view(count, length, heads, size).transpose(1, 2) for values in (mixed, of_mixed)
            )
            gradients = _backward(of_out, q, k, v, out, normaliser, 0.0, ctx.causal)
            block = of_qkv[start:stop].view(count, length, 3, heads, size)
            for part, gradient in enumerate(gradients):
                block[:, :, part].copy_(gradient.transpose(1, 2))
        return of_qkv, None, None
