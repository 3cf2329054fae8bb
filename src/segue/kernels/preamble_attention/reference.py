"""The definition, on any device: the preamble put before every row of one padded rectangle, and a mask."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from segue.core.batches import Rows
from segue.kernels.packed_attention.reference import rectangle


def attention(queries: Tensor, keys: Tensor, values: Tensor, rows: Rows, ahead: int, scale: float) -> Tensor:
    """See `preamble_attention`."""
    q, k, v = (part[None, :ahead].transpose(1, 2) for part in (queries, keys, values))
    first = scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)[0].transpose(0, 1)  # ahead heads size
    if not len(rows.owners):
        return first
    asked = rectangle(queries[ahead:], rows).transpose(1, 2)  # rows heads longest size
    seen, known = (
        torch.cat([part[:ahead].expand(len(rows), *part[:ahead].shape), rectangle(part[ahead:], rows)], 1).transpose(
            1, 2
        )
        for part in (keys, values)
    )  # rows heads ahead+longest size
    steps = torch.arange(asked.shape[2], device=queries.device)
    mask = torch.cat([steps.new_ones(len(steps), ahead, dtype=torch.bool), steps <= steps[:, None]], dim=1)
    mixed = scaled_dot_product_attention(asked, seen, known, attn_mask=mask, scale=scale)
    return torch.cat([first, mixed.transpose(1, 2)[rows.owners, rows.positions]])
