"""The definition, on any device: keys and queries laid into padded rectangles, bias and mask in full."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import silu

from segue.core.batches import Rows
from segue.kernels.hstu_attention.reference import time_buckets
from segue.kernels.packed_attention.reference import rectangle


def attention(
    q: Tensor, k: Tensor, v: Tensor, rows: Rows, owners: Tensor, at: Tensor, places: Tensor, position_bias: Tensor,
    time_bias: Tensor | None, query_times: Tensor | None, key_times: Tensor | None, constant: float,
) -> Tensor:  # fmt: skip
    """See `hstu_candidate_attention`."""
    counts = torch.bincount(owners, minlength=len(rows))
    asked = Rows(torch.cat([counts.new_zeros(1), counts.cumsum(0)]))
    queries, keys, values = (rectangle(*part).transpose(1, 2) for part in ((q, asked), (k, rows), (v, rows)))
    steps = torch.arange(keys.shape[2], device=q.device)
    bias = position_bias.to(q.dtype)[(rectangle(places, asked)[:, :, None] - steps).clamp_min(0)]
    if time_bias is not None and query_times is not None and key_times is not None:
        apart = rectangle(query_times, asked)[:, :, None] - rectangle(key_times, rows)[:, None, :]
        bias = bias + time_bias.to(q.dtype)[time_buckets(apart, len(time_bias))]
    weights = silu(queries @ keys.transpose(2, 3) + bias[:, None]) / constant
    sees = steps < rectangle(at, asked)[:, :, None]
    weights = weights.masked_fill(~sees[:, None], 0.0)
    return (weights @ values).transpose(1, 2)[owners, asked.positions].flatten(1)
