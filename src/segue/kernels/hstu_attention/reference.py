"""The definition, on any device: rows laid into one padded rectangle, bias and mask in full."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import silu

from segue.core.batches import Rows
from segue.kernels.packed_attention.reference import rectangle

BUCKET = 0.301
"""Width of a time bucket in natural logarithms of seconds."""


def time_buckets(seconds: Tensor, buckets: int) -> Tensor:
    """floor(ln(max(|seconds|, 1)) / 0.301), at most the last bucket."""
    return (seconds.abs().clamp_min(1).to(torch.float64).log() / BUCKET).floor().long().clamp_max(buckets - 1)


def visible(length: int, candidates: int, lengths: Tensor) -> Tensor:
    """Which key (last axis) each query sees, for rows of the given lengths padded to `length`."""
    steps = torch.arange(length, device=lengths.device)
    sees = (steps <= steps[:, None]).expand(len(lengths), -1, -1)
    if candidates:
        is_candidate = steps >= (lengths - candidates)[:, None]  # rows length
        both = is_candidate[:, :, None] & is_candidate[:, None, :]
        sees = sees & ~(both & (steps != steps[:, None]))
    return sees


def attention(
    q: Tensor, k: Tensor, v: Tensor, rows: Rows, position_bias: Tensor, time_bias: Tensor | None,
    query_times: Tensor | None, key_times: Tensor | None, constant: float, candidates: int,
) -> Tensor:  # fmt: skip
    """See `hstu_attention`."""
    queries, keys, values = (rectangle(part, rows).transpose(1, 2) for part in (q, k, v))
    length = queries.shape[2]
    steps = torch.arange(length, device=q.device)
    bias = position_bias.to(q.dtype)[(steps[:, None] - steps).clamp_min(0)][None]
    if time_bias is not None and query_times is not None and key_times is not None:
        apart = rectangle(query_times, rows)[:, :, None] - rectangle(key_times, rows)[:, None, :]
        bias = bias + time_bias.to(q.dtype)[time_buckets(apart, len(time_bias))]
    weights = silu(queries @ keys.transpose(2, 3) + bias[:, None]) / constant
    weights = weights.masked_fill(~visible(length, candidates, rows.lengths)[:, None], 0.0)
    return (weights @ values).transpose(1, 2)[rows.owners, rows.positions].flatten(1)
