"""The definition, on any device: the context laid into one padded rectangle, and a mask."""

from __future__ import annotations

import torch
from torch import Tensor

from segue.core.batches import Rows
from segue.kernels.packed_attention.reference import rectangle


def attention(
    queries: Tensor, keys: Tensor, values: Tensor, rows: Rows, scale: float, own_logits: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """See `shared_context_attention`."""
    padded_keys, padded_values = rectangle(keys, rows), rectangle(values, rows)  # users longest heads size
    logits = scale * torch.einsum("uqhs,uths->uqht", queries, padded_keys)
    outside = torch.arange(logits.shape[-1], device=logits.device) >= rows.lengths[:, None]
    logits = logits.masked_fill(outside[:, None, None, :], -torch.inf)
    longest = logits.shape[-1]
    if own_logits is not None:
        logits = torch.cat([logits, own_logits.to(logits.dtype)], dim=-1)
    weights = torch.softmax(logits.float(), dim=-1).to(values.dtype)
    mixed = torch.einsum("uqht,uths->uqhs", weights[..., :longest], padded_values)
    return mixed, None if own_logits is None else weights[..., longest:]
