"""The definition, on any device: rows laid into one padded rectangle, and a mask."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from segue.core.batches import Rows


def attention(qkv: Tensor, rows: Rows, causal: bool, scale: float, bias: Tensor | None) -> Tensor:
    """See `packed_attention`."""
    padded = rectangle(qkv, rows).permute(2, 0, 3, 1, 4)  # 3 rows heads length size
    steps = torch.arange(padded.shape[3], device=qkv.device)
    seen = (steps < rows.lengths[:, None])[:, None, None, :]  # rows 1 1 length
    if causal:  # noqa: SIM108 - two cases to read
        seen = seen & (steps <= steps[:, None])
    else:
        seen = seen | (steps == steps[:, None])  # else a padded query sees nothing: NaN
    mask = seen
    if bias is not None:
        longest = padded.shape[3]
        mask = bias[:, :longest, :longest].to(padded.dtype).masked_fill(~seen, -torch.inf)
    mixed = scaled_dot_product_attention(padded[0], padded[1], padded[2], attn_mask=mask, scale=scale)
    return mixed.transpose(1, 2)[rows.owners, rows.positions].flatten(1)


def rectangle(packed: Tensor, rows: Rows) -> Tensor:
    """Packed rows as `[rows, longest, ...]`, padded with zeros on the right."""
    longest = int(rows.lengths.max()) if len(rows) else 0
    cells = packed.new_zeros(len(rows), longest, *packed.shape[1:])
    return cells.index_put((rows.owners, rows.positions), packed)
